#include "graph/tensor_ids.h"

namespace ggml_sched {

void TensorIds::clear() {
    tensors_.clear();
    if (++epoch_ == 0) {
        slots_.assign(slots_.size(), Slot{});
        epoch_ = 1;
    }
}

void TensorIds::reserve(size_t n_tensors) {
    tensors_.reserve(n_tensors);
    size_t n_slots = slots_.empty() ? 64 : slots_.size();
    while (n_slots < 2 * n_tensors) {
        n_slots *= 2;
    }
    if (n_slots > slots_.size()) {
        grow(n_slots);
    }
}

void TensorIds::grow(size_t n_slots) {
    slots_.assign(n_slots, Slot{});
    epoch_ = 1;
    for (TensorId id = 0; id < tensors_.size(); id++) {
        slots_[slot_of(tensors_[id])] = {tensors_[id], id, epoch_};
    }
}

} // namespace ggml_sched
