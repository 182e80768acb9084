// tensor_numbering.h - numbers tensors from 0 on in the order in which they are met.
//
// Two graphs of the same structure, walked in the same way, get the same numbers: this is how the graph allocator
// recognizes a graph. A view's view_src is numbered before the view.
// Threading: one thread at a time. number() may throw std::bad_alloc. Memory is kept from one graph to the next.

#pragma once

#include "ggml.h"

#include <cstddef>
#include <cstdint>
#include <vector>

namespace ggml_sched {

class TensorNumbering {
  public:
    struct Item {
        ggml_tensor * tensor;
        int root; // the number of view_src; the item's own unless it is a view
    };

    void clear();

    int number(ggml_tensor * tensor) {
        const Entry & entry = table_[probe(tensor)];
        return entry.generation == generation_ ? entry.number : add(tensor);
    }

    size_t size() const { return items_.size(); }
    const Item & operator[](size_t number) const { return items_[number]; }

  private:
    // A hash table with open addressing. Entries of other generations are free.
    struct Entry {
        const ggml_tensor * tensor;
        uint32_t generation;
        int number;
    };
    static constexpr Entry NO_ENTRY = {nullptr, 0, -1};

    size_t home(const ggml_tensor * tensor) const {
        // Fibonacci hashing: tensors lie at regular distances, which the upper bits of the product spread well.
        return (reinterpret_cast<uintptr_t>(tensor) * UINT64_C(0x9E3779B97F4A7C15)) >> shift_;
    }

    // The tensor's position, or the free one where it belongs.
    size_t probe(const ggml_tensor * tensor) const {
        const Entry * table = table_.data();
        const size_t mask = table_.size() - 1;
        size_t i = home(tensor);
        while (table[i].generation == generation_ && table[i].tensor != tensor) {
            i = (i + 1) & mask;
        }
        return i;
    }

    int add(ggml_tensor * tensor);
    void grow();

    static constexpr unsigned FIRST_BITS = 8;

    // Of a power of two, at most half full
    std::vector<Entry> table_ = std::vector<Entry>(size_t{1} << FIRST_BITS, NO_ENTRY);
    std::vector<Item> items_;
    uint32_t generation_ = 1;
    unsigned shift_ = 64 - FIRST_BITS;
};

} // namespace ggml_sched
