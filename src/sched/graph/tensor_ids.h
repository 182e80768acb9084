// TensorIds - numbers the tensors of a graph 0, 1, 2, ... so that later stages use arrays instead of maps.
//
// Numbers are given by looking tensors up, or taken from a graph that was numbered before (append): then
// confirm() has to show that no tensor got two of them, which takes no lookup.

#pragma once

#include <cstdint>
#include <vector>

#include "ggml.h"

namespace ggml_sched {

using TensorId = uint32_t;
constexpr TensorId kNoTensor = UINT32_MAX;

class TensorIds {
  public:
    // Both keep their memory.
    void clear();
    void reserve(size_t n_tensors);

    // Without a number it is kNoTensor, and add() gives the next one, if it comes before anything else.
    TensorId look_up(const ggml_tensor * tensor, size_t & slot) const {
        slot = slot_of(tensor);
        return slots_[slot].epoch == epoch_ ? slots_[slot].id : kNoTensor;
    }
    TensorId add(ggml_tensor * tensor, size_t slot);

    // The tensor gets the next number. Not to be mixed with look_up and add, and followed by confirm().
    void append(ggml_tensor * tensor) { tensors_.push_back(tensor); }
    // False if a tensor was appended twice. If the tensors lie in memory in the order of those that were confirmed
    // last, that is seen at a glance.
    bool confirm();

    TensorId find(const ggml_tensor * tensor) const; // kNoTensor if it has no number

    size_t size() const { return tensors_.size(); }
    ggml_tensor * operator[](TensorId id) const { return tensors_[id]; }

  private:
    // Of a table with open addressing. Clearing it costs nothing: slots of an older epoch are free.
    struct Slot {
        const ggml_tensor * tensor = nullptr;
        TensorId id = kNoTensor;
        uint32_t epoch = 0;
    };

    size_t slot_of(const ggml_tensor * tensor) const {
        // Tensors lie at regular distances; multiplication spreads what is left of their addresses over the upper bits.
        const uint64_t address = reinterpret_cast<uintptr_t>(tensor);
        const Slot * slots = slots_.data();
        const size_t mask = ~size_t{0} >> shift_; // one less than there are slots
        size_t i = (address * 0x9E3779B97F4A7C15ull) >> shift_;
        while (slots[i].epoch == epoch_ && slots[i].tensor != tensor) {
            i = (i + 1) & mask;
        }
        return i;
    }
    void grow(size_t n_slots);
    bool ascends() const;

    static constexpr unsigned kFirstBits = 6;

    std::vector<Slot> slots_ = std::vector<Slot>(size_t{1} << kFirstBits); // a power of two, at most half full
    unsigned shift_ = 64 - kFirstBits;
    std::vector<ggml_tensor *> tensors_;
    uint32_t epoch_ = 1;
    bool is_confirmed_ = false;        // the table is empty, and by_address_ of these tensors
    std::vector<TensorId> by_address_; // a permutation of the numbers
};

} // namespace ggml_sched
