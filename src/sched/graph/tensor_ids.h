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

    // The tensor's number. If it has none it gets the next one, which is what size() was.
    TensorId number(ggml_tensor * tensor) {
        const Slot * slots = slots_.data();
        size_t i = first_slot_of(tensor);
        while (slots[i].epoch == epoch_) {
            if (slots[i].tensor == tensor) {
                return slots[i].id;
            }
            i = slot_behind(i);
        }
        return add(tensor, i);
    }

    // The tensor gets the next number. Not to be mixed with number(), and followed by confirm().
    void append(ggml_tensor * tensor) {
        if (n_ == tensors_.size()) {
            grow();
        }
        tensors_[n_++] = tensor;
    }
    // False if a tensor was appended twice. If the tensors lie in memory in the order of those that were confirmed
    // last, that is seen at a glance.
    bool confirm();

    TensorId find(const ggml_tensor * tensor) const; // kNoTensor if it has no number

    size_t size() const { return n_; }
    ggml_tensor * operator[](TensorId id) const { return tensors_[id]; }

  private:
    // Of a table with open addressing. Clearing it costs nothing: slots of an older epoch are free.
    struct Slot {
        const ggml_tensor * tensor = nullptr;
        TensorId id = kNoTensor;
        uint32_t epoch = 0;
    };

    static_assert(sizeof(ggml_tensor) >= 256, "see first_slot_of");
    size_t first_slot_of(const ggml_tensor * tensor) const {
        // Tensors that lie together in memory share a line of the table, as they are met together: no two are nearer
        // than 256 bytes. Multiplication spreads what is left of their addresses over the upper bits.
        const uint64_t address = reinterpret_cast<uintptr_t>(tensor);
        const uint64_t line = ((address >> 10) * 0x9E3779B97F4A7C15ull) >> shift_;
        return line << 2 | (address >> 8 & 3);
    }
    size_t slot_behind(size_t i) const { return (i + 1) & (slots_.size() - 1); }
    size_t slot_of(const ggml_tensor * tensor) const; // a free one if it has no number
    TensorId add(ggml_tensor * tensor, size_t slot) {
        if (n_ == tensors_.size()) {
            grow();
            slot = slot_of(tensor);
        }
        const auto id = static_cast<TensorId>(n_);
        slots_[slot] = {tensor, id, epoch_};
        tensors_[n_++] = tensor;
        return id;
    }
    void grow();
    bool ascends() const;

    static constexpr unsigned kFirstBits = 6;

    std::vector<Slot> slots_ = std::vector<Slot>(size_t{1} << kFirstBits); // a power of two, at most half full
    unsigned shift_ = 64 - (kFirstBits - 2);
    std::vector<ggml_tensor *> tensors_ = std::vector<ggml_tensor *>(slots_.size() / 2); // the first n_ have numbers
    size_t n_ = 0;
    uint32_t epoch_ = 1;
    bool is_confirmed_ = false;        // the table is empty, and by_address_ of these tensors
    std::vector<TensorId> by_address_; // a permutation of the numbers
};

} // namespace ggml_sched
