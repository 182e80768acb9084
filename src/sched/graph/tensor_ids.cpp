#include "graph/tensor_ids.h"

#include <algorithm>
#include <functional>
#include <numeric>

namespace ggml_sched {

void TensorIds::clear() {
    tensors_.clear();
    is_confirmed_ = false;
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

bool TensorIds::ascends() const {
    uintptr_t last = 0;
    for (const TensorId id : by_address_) {
        const auto address = reinterpret_cast<uintptr_t>(tensors_[id]);
        if (address <= last) {
            return false;
        }
        last = address;
    }
    return true;
}

bool TensorIds::confirm() {
    is_confirmed_ = by_address_.size() == tensors_.size() && ascends();
    if (!is_confirmed_) {
        by_address_.resize(tensors_.size());
        std::iota(by_address_.begin(), by_address_.end(), TensorId{0});
        std::sort(by_address_.begin(), by_address_.end(),
                  [this](TensorId a, TensorId b) { return std::less<>()(tensors_[a], tensors_[b]); });
        is_confirmed_ = ascends();
    }
    return is_confirmed_;
}

TensorId TensorIds::find(const ggml_tensor * tensor) const {
    if (!is_confirmed_) {
        const Slot & slot = slots_[slot_of(tensor)];
        return slot.epoch == epoch_ ? slot.id : kNoTensor;
    }
    const auto is_before = [this](TensorId id, const ggml_tensor * other) {
        return std::less<>()(static_cast<const ggml_tensor *>(tensors_[id]), other);
    };
    const auto found = std::lower_bound(by_address_.begin(), by_address_.end(), tensor, is_before);
    return found != by_address_.end() && tensors_[*found] == tensor ? *found : kNoTensor;
}

} // namespace ggml_sched
