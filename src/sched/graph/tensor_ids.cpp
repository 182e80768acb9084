#include "graph/tensor_ids.h"

#include <algorithm>
#include <functional>
#include <numeric>

namespace ggml_sched {

void TensorIds::clear() {
    n_ = 0;
    is_confirmed_ = false;
    if (++epoch_ == 0) {
        slots_.assign(slots_.size(), Slot{});
        epoch_ = 1;
    }
}

void TensorIds::reserve(size_t n_tensors) {
    while (tensors_.size() < n_tensors) {
        grow();
    }
}

size_t TensorIds::slot_of(const ggml_tensor * tensor) const {
    size_t i = first_slot_of(tensor);
    while (slots_[i].epoch == epoch_ && slots_[i].tensor != tensor) {
        i = slot_behind(i);
    }
    return i;
}

void TensorIds::grow() {
    slots_.assign(2 * slots_.size(), Slot{});
    tensors_.resize(slots_.size() / 2);
    epoch_ = 1;
    shift_--;
    for (TensorId id = 0; id < n_; id++) {
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
    is_confirmed_ = by_address_.size() == n_ && ascends();
    if (!is_confirmed_) {
        by_address_.resize(n_);
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
