// Compaction - finds better places for ranges whose lifetimes are all known.
//
// A RangeAllocator places each range when it is needed, and does not know what comes. So it may leave holes below a
// large range that comes last, such as the logits of a model. compact() places the largest ranges first, each into the
// smallest gap between the ranges that live at the same time ("greedy by size": Pisarchyk and Lee, Efficient Memory
// Management for Deep Neural Net Inference, 2020). Its time grows with the square of the number of ranges.

#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "alloc/memory_plan.h"

namespace ggml_sched {

// LivingRange - a range of one part, and when it is in use.
struct LivingRange {
    size_t offset = 0; // where it lies
    size_t size = 0;
    int32_t born = 0;         // time at which it is allocated
    int32_t died = INT32_MAX; // time at which it is released; others may use the bytes from then on
};

// Gives each range the offset that greedy by size finds. Ranges that live at the same time do not overlap. Returns the
// end of the last range.
size_t compact(std::vector<LivingRange> & ranges);

// PoolLife - the ranges of a pool in the order in which they are placed, and the places in them. The places must stay
// where they are until compact() has returned.
class PoolLife {
  public:
    // Forgets all ranges.
    void clear();
    // Notes a range that is placed now. Returns its number.
    uint32_t add(Place & place);
    // Notes another place in a range, of which so many bytes are released.
    void share(uint32_t range, Place & place, size_t released);
    // Notes that the range is released, and how many bytes were left of it.
    void release(uint32_t range, size_t bytes);
    // Gives all places better offsets if that may save more bytes than it takes comparisons, and if it does. `size` is
    // what the pool needs now. Returns what it needs then.
    size_t compact(size_t size);

  private:
    std::vector<LivingRange> ranges_;                  // their times count the ranges
    std::vector<std::pair<Place *, uint32_t>> places_; // each place, and its range
    size_t live_ = 0;                                  // bytes in use now
    size_t most_live_ = 0;                             // the most bytes that were in use at once
};

} // namespace ggml_sched
