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
        const Slot & slot = slots_[slot_of(tensor)];
        return slot.epoch == epoch_ ? slot.id : kNoTensor;
    }
    TensorId find_or_add(ggml_tensor * tensor) {
        const size_t i = slot_of(tensor);
        return slots_[i].epoch == epoch_ ? slots_[i].id : add(tensor, i);
    }

    size_t size() const { return tensors_.size(); }
    ggml_tensor * operator[](TensorId id) const { return tensors_[id]; }

  private:
    struct Slot {
        const ggml_tensor * tensor = nullptr;
        TensorId id = kNoTensor;
        uint32_t epoch = 0;
    };

    size_t slot_of(const ggml_tensor * tensor) const {
        // Tensors lie at regular distances; multiplication spreads what is left of their addresses over the upper bits.
        const uint64_t address = reinterpret_cast<uintptr_t>(tensor);
        const Slot * slots = slots_.data();
        const size_t mask = slots_.size() - 1;
        size_t i = (address * 0x9E3779B97F4A7C15ull) >> shift_;
        while (slots[i].epoch == epoch_ && slots[i].tensor != tensor) {
            i = (i + 1) & mask;
        }
        return i;
    }
    TensorId add(ggml_tensor * tensor, size_t slot);
    void grow(size_t n_slots);

    static constexpr unsigned kFirstBits = 6;

    std::vector<Slot> slots_ = std::vector<Slot>(size_t{1} << kFirstBits); // a power of two, at most half full
    unsigned shift_ = 64 - kFirstBits;
    std::vector<ggml_tensor *> tensors_;
    uint32_t epoch_ = 1;
};

} // namespace ggml_sched
