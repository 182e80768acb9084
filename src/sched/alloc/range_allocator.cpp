#include "alloc/range_allocator.h"

#include <algorithm>

namespace ggml_sched {

void RangeAllocator::reset(size_t max_part) {
    max_part_ = std::min(max_part, static_cast<size_t>(PTRDIFF_MAX));
    free_.clear();
    ends_.clear();
    peaks_.clear();
}

bool RangeAllocator::allocate(size_t size, Range & range) {
    if (size > PTRDIFF_MAX) {
        return false;
    }
    auto best = free_.end();
    size_t best_size = SIZE_MAX;
    for (auto block = free_.begin(); block != free_.end() && size > 0; ++block) {
        if (block->size >= size && block->size <= best_size) { // the last of several, as ggml does
            best = block;
            best_size = block->size;
        }
    }
    if (best != free_.end()) {
        range = {best->part, best->offset, size};
        best->offset += size;
        best->size -= size;
        if (best->size == 0) {
            free_.erase(best);
        }
        return true;
    }
    uint32_t part = 0;
    while (part < ends_.size() && ends_[part] != 0 && (ends_[part] > max_part_ || size > max_part_ - ends_[part])) {
        part++;
    }
    take_end(part, size, range);
    return true;
}

void RangeAllocator::take_end(uint32_t part, size_t size, Range & range) {
    if (part == ends_.size()) {
        ends_.push_back(0);
        peaks_.push_back(0);
    }
    range = {part, ends_[part], size};
    ends_[part] += size;
    peaks_[part] = std::max(peaks_[part], ends_[part]);
}

void RangeAllocator::release(const Range & range) {
    if (range.size == 0) {
        return;
    }
    size_t next = 0;
    while (next < free_.size() &&
           (free_[next].part < range.part || (free_[next].part == range.part && free_[next].offset < range.offset))) {
        next++;
    }
    const size_t end = range.offset + range.size;
    const bool joins_previous =
        next > 0 && free_[next - 1].part == range.part && free_[next - 1].offset + free_[next - 1].size == range.offset;
    const bool joins_next = next < free_.size() && free_[next].part == range.part && free_[next].offset == end;
    const auto at = free_.begin() + static_cast<std::ptrdiff_t>(next);
    if (end == ends_[range.part]) {
        give_back_end(next, range, joins_previous);
    } else if (joins_previous) {
        free_[next - 1].size += range.size;
        if (joins_next) {
            free_[next - 1].size += at->size;
            free_.erase(at);
        }
    } else if (joins_next) {
        at->offset = range.offset;
        at->size += range.size;
    } else {
        free_.insert(at, range);
    }
}

void RangeAllocator::give_back_end(size_t next, const Range & range, bool joins_previous) {
    ends_[range.part] = range.offset;
    if (joins_previous) {
        ends_[range.part] = free_[next - 1].offset;
        free_.erase(free_.begin() + static_cast<std::ptrdiff_t>(next - 1));
    }
}

} // namespace ggml_sched
