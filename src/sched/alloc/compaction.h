// Compaction - finds better places for ranges whose lifetimes are all known.
//
// A RangeAllocator places each range when it is needed, and does not know what comes. So it may leave holes below a
// large range that comes last, such as the logits of a model. compact() places the largest ranges first, each into the
// smallest gap between the ranges that live at the same time ("greedy by size": Pisarchyk and Lee, Efficient Memory
// Management for Deep Neural Net Inference, 2020). Its time grows with the square of the number of ranges.

#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

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

} // namespace ggml_sched
