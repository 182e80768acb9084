// TensorIds - numbers the tensors of a graph 0, 1, 2, ... so that later stages use arrays instead of maps.

#pragma once

#include <cstdint>
#include <vector>

#include "ggml.h"

namespace ggml_sched {

using TensorId = uint32_t;
constexpr TensorId kNoTensor = UINT32_MAX;

// An open-addressing table that keeps its memory when it is cleared. Clearing costs nothing: slots of an older epoch
// are free.
class TensorIds {
  public:
    void clear();
    void reserve(size_t n_tensors);

    TensorId find(const ggml_tensor * tensor) const { // kNoTensor if it has no number
        return slots_.empty() ? kNoTensor : found_in(slots_[slot_of(tensor)]);
    }
    TensorId find_or_add(ggml_tensor * tensor) {
        if (2 * (tensors_.size() + 1) > slots_.size()) {
            reserve(tensors_.size() + 1);
        }
        Slot & slot = slots_[slot_of(tensor)];
        if (slot.epoch != epoch_) {
            slot = {tensor, static_cast<TensorId>(tensors_.size()), epoch_};
            tensors_.push_back(tensor);
        }
        return slot.id;
    }

    size_t size() const { return tensors_.size(); }
    ggml_tensor * operator[](TensorId id) const { return tensors_[id]; }

  private:
    struct Slot {
        const ggml_tensor * tensor;
        TensorId id;
        uint32_t epoch;
    };
    TensorId found_in(const Slot & slot) const { return slot.epoch == epoch_ ? slot.id : kNoTensor; }

    size_t slot_of(const ggml_tensor * tensor) const {
        // Tensors lie at regular distances; multiplication spreads what is left of their addresses over the upper bits.
        const uint64_t address = reinterpret_cast<uintptr_t>(tensor) >> 4;
        size_t i = ((address * 0x9E3779B97F4A7C15ull) >> 20) & (slots_.size() - 1);
        while (slots_[i].epoch == epoch_ && slots_[i].tensor != tensor) {
            i = (i + 1) & (slots_.size() - 1);
        }
        return i;
    }
    void grow(size_t n_slots);

    std::vector<Slot> slots_; // a power of two of them, at most half full
    std::vector<ggml_tensor *> tensors_;
    uint32_t epoch_ = 1;
};

} // namespace ggml_sched
