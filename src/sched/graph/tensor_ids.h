// TensorIds - numbers the tensors of a graph 0, 1, 2, ... so that later stages use arrays instead of maps.
//
// There are two ways to give numbers. number() looks the tensor up in a hash table. append() does not: it serves a
// graph whose tensors are expected in the order of an earlier one. confirm() then shows that no tensor got two numbers.
//
// TensorIds does not own the tensors. One thread at a time may use it.

#pragma once

#include <cstdint>
#include <vector>

#include "ggml.h"

namespace ggml_sched {

using TensorId = uint32_t;
constexpr TensorId kNoTensor = UINT32_MAX;

// TensorIds - the numbers of the tensors of one graph.
class TensorIds {
  public:
    // Takes all numbers back. Keeps the memory.
    void clear();
    // Makes room for so many tensors.
    void reserve(size_t n_tensors);

    // Returns the tensor's number. A tensor without one gets the next number, which is size() before the call.
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

    // Gives the tensor the next number. After clear() a graph uses either number() or append() with confirm().
    void append(ggml_tensor * tensor) {
        if (n_ == tensors_.size()) {
            grow();
        }
        tensors_[n_++] = tensor;
    }
    // Returns false if a tensor was appended twice. Is quick if the tensors lie in memory in the same order as those of
    // the last call.
    bool confirm();

    // Returns the number of the tensor; kNoTensor if it has none.
    TensorId find(const ggml_tensor * tensor) const;

    size_t size() const { return n_; }
    ggml_tensor * operator[](TensorId id) const { return tensors_[id]; }

  private:
    // Slot - an entry of the hash table, which uses open addressing. An entry of an older epoch is free, so clear()
    // only begins a new epoch.
    struct Slot {
        const ggml_tensor * tensor = nullptr;
        TensorId id = kNoTensor;
        uint32_t epoch = 0;
    };

    static_assert(sizeof(ggml_tensor) >= 256, "see first_slot_of");
    // Returns the first entry where the tensor may be.
    size_t first_slot_of(const ggml_tensor * tensor) const {
        // Four tensors that are neighbours in memory share a line of the table, because they come up together. No two
        // tensors are nearer than 256 bytes. The product spreads the rest of the address over the upper bits.
        const uint64_t address = reinterpret_cast<uintptr_t>(tensor);
        const uint64_t line = ((address >> 10) * 0x9E3779B97F4A7C15ull) >> shift_;
        return line << 2 | (address >> 8 & 3);
    }
    size_t slot_behind(size_t i) const { return (i + 1) & (slots_.size() - 1); }
    size_t slot_of(const ggml_tensor * tensor) const; // a free entry if it has no number
    // Gives the tensor the next number, and enters it at this free slot.
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
    // Doubles the table.
    void grow();
    // True if the tensors' addresses ascend in the order of by_address_.
    bool ascends() const;

    static constexpr unsigned kFirstBits = 6;

    std::vector<Slot> slots_ = std::vector<Slot>(size_t{1} << kFirstBits); // a power of two; at most half of it in use
    unsigned shift_ = 64 - (kFirstBits - 2);
    std::vector<ggml_tensor *> tensors_ = std::vector<ggml_tensor *>(slots_.size() / 2); // the first n_ are in use
    size_t n_ = 0;                                                                       // tensors that have a number
    uint32_t epoch_ = 1;                                                                 // the epoch of entries in use
    bool is_confirmed_ = false;        // find() uses by_address_, since the table is empty
    std::vector<TensorId> by_address_; // the numbers, by the addresses of their tensors
};

} // namespace ggml_sched
