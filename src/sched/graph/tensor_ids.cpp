#include "graph/tensor_ids.h"

namespace ggml_sched {

namespace {

// Tensors lie at regular distances; multiplication spreads what is left of their addresses over the upper bits.
uint64_t hash_of(const ggml_tensor * tensor) {
    const uint64_t address = reinterpret_cast<uintptr_t>(tensor) >> 4;
    return (address * 0x9E3779B97F4A7C15ull) >> 20;
}

} // namespace

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

size_t TensorIds::slot_of(const ggml_tensor * tensor) const {
    size_t i = hash_of(tensor) & (slots_.size() - 1);
    while (slots_[i].epoch == epoch_ && slots_[i].tensor != tensor) {
        i = (i + 1) & (slots_.size() - 1);
    }
    return i;
}

TensorId TensorIds::find(const ggml_tensor * tensor) const {
    if (slots_.empty()) {
        return kNoTensor;
    }
    const Slot & slot = slots_[slot_of(tensor)];
    return slot.epoch == epoch_ ? slot.id : kNoTensor;
}

TensorId TensorIds::find_or_add(ggml_tensor * tensor) {
    reserve(tensors_.size() + 1);
    Slot & slot = slots_[slot_of(tensor)];
    if (slot.epoch != epoch_) {
        slot = {tensor, static_cast<TensorId>(tensors_.size()), epoch_};
        tensors_.push_back(tensor);
    }
    return slot.id;
}

void TensorIds::grow(size_t n_slots) {
    slots_.assign(n_slots, Slot{});
    epoch_ = 1;
    for (TensorId id = 0; id < tensors_.size(); id++) {
        slots_[slot_of(tensors_[id])] = {tensors_[id], id, epoch_};
    }
}

} // namespace ggml_sched
