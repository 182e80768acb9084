// RangeAllocator - hands out ranges of buffers that do not exist yet, to find out how large they must be.
//
// A buffer may not be larger than its type allows: what does not fit goes to another one, called a part. Best fit among
// the free ranges, else at the end of the first part that has room. The same calls give the same ranges.
//
// Invariant: free ranges are sorted, do not touch each other nor the end of their part, and lie below that end.

#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace ggml_sched {

struct Range {
    uint32_t part = 0;
    size_t offset = 0;
    size_t size = 0;
};

class RangeAllocator {
  public:
    // Everything is free again. Only a range that is larger by itself makes a part larger than `max_part`.
    void reset(size_t max_part);

    // A range of no bytes may be anywhere. False if it is larger than memory can be.
    bool allocate(size_t size, Range & range);

    // A range that was allocated, or a part of one
    void release(const Range & range);

    // The sizes that the parts must have for all that was allocated since the last reset
    const std::vector<size_t> & peaks() const { return peaks_; }

  private:
    void take_end(uint32_t part, size_t size, Range & range);
    void give_back_end(size_t next, const Range & range, bool joins_previous);

    size_t max_part_ = SIZE_MAX;
    std::vector<Range> free_;
    std::vector<size_t> ends_; // by part: everything from there on is free
    std::vector<size_t> peaks_;
};

} // namespace ggml_sched
