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
    size_t n_slots = slots_.size();
    while (n_slots < 2 * n_tensors) {
        n_slots *= 2;
    }
    if (n_slots > slots_.size()) {
        grow(n_slots);
    }
}

TensorId TensorIds::add(ggml_tensor * tensor, size_t slot) {
    if (2 * (tensors_.size() + 1) > slots_.size()) {
        grow(2 * slots_.size());
        slot = slot_of(tensor);
    }
    const TensorId id = static_cast<TensorId>(tensors_.size());
    tensors_.push_back(tensor);
    slots_[slot] = {tensor, id, epoch_};
    return id;
}

void TensorIds::grow(size_t n_slots) {
    slots_.assign(n_slots, Slot{});
    epoch_ = 1;
    shift_ = 64;
    for (size_t n = n_slots; n > 1; n /= 2) {
        shift_--;
    }
    for (TensorId id = 0; id < tensors_.size(); id++) {
        slots_[slot_of(tensors_[id])] = {tensors_[id], id, epoch_};
    }
}

} // namespace ggml_sched
