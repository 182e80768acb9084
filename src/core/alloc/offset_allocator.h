// offset_allocator.h - hands out ranges of a buffer that does not exist yet, to find out how large it must be.
//
// Best fit among the free ranges, else at the end. The same calls give the same offsets.
// Threading: one thread at a time. Functions may throw std::bad_alloc.
// Invariant: free_ is sorted by offset, its blocks do not touch each other nor end_, and lie below end_.

#pragma once

#include <cstddef>
#include <vector>

namespace ggml_sched {

class OffsetAllocator {
  public:
    void reset();

    // size > 0. False if the end would lie beyond what a buffer can hold.
    bool allocate(size_t size, size_t * offset);

    // A range that was allocated, or a part of one.
    void release(size_t offset, size_t size);

    // The size that the buffer must have for all that was allocated since the last reset.
    size_t peak() const { return peak_; }

  private:
    struct Block {
        size_t offset;
        size_t size;
    };

    std::vector<Block> free_;
    size_t end_ = 0; // everything from here on is free
    size_t peak_ = 0;
};

} // namespace ggml_sched
