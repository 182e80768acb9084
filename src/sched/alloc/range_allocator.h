// RangeAllocator - hands out ranges of buffers that do not exist yet, to find out how large they must be.
//
// The memory consists of parts. Each part becomes one buffer, which may not be larger than its type allows. A range
// comes from the best fitting free range, else from the end of the first part that has room. The same calls give the
// same ranges. One thread at a time.
//
// Invariant: free ranges are sorted, do not touch each other nor the end of their part, and lie below that end.

#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace ggml_sched {

// Range - consecutive bytes of a part.
struct Range {
    uint32_t part = 0;
    size_t offset = 0;
    size_t size = 0;
};

// RangeAllocator - the free ranges and the sizes of the parts of one pool.
class RangeAllocator {
  public:
    // Frees everything. Only a single range larger than `max_part` makes a part larger than that.
    void reset(size_t max_part);

    // Finds a free range. A range of no bytes may be anywhere. Returns false if the size is more than memory can be.
    bool allocate(size_t size, Range & range);

    // Frees a range that was allocated, or some of its bytes.
    void release(const Range & range);

    // Returns the sizes that the parts need for all that was allocated since the last reset.
    const std::vector<size_t> & peaks() const { return peaks_; }

  private:
    // Takes the range from the end of a part, which may be new.
    void take_end(uint32_t part, size_t size, Range & range);
    // Frees a range at the end of its part. `next` is where it belongs among the free ranges.
    void give_back_end(size_t next, const Range & range, bool joins_previous);

    size_t max_part_ = SIZE_MAX;
    std::vector<Range> free_;   // sorted by part and offset
    std::vector<size_t> ends_;  // by part: the end of what is in use
    std::vector<size_t> peaks_; // by part: the largest end since the last reset
};

} // namespace ggml_sched
