#include "alloc/offset_allocator.h"

#include <algorithm>
#include <cstdint>
#include <iterator>

namespace ggml_sched {

void OffsetAllocator::reset() {
    free_.clear();
    end_ = 0;
    peak_ = 0;
}

bool OffsetAllocator::allocate(size_t size, size_t * offset) {
    auto best = free_.end();
    for (auto block = free_.begin(); block != free_.end(); ++block) {
        if (block->size >= size && (best == free_.end() || block->size < best->size)) {
            best = block;
        }
    }
    if (best == free_.end()) {
        if (size > PTRDIFF_MAX - end_) {
            return false;
        }
        *offset = end_;
        end_ += size;
        peak_ = std::max(peak_, end_);
        return true;
    }
    *offset = best->offset;
    best->offset += size;
    best->size -= size;
    if (best->size == 0) {
        free_.erase(best);
    }
    return true;
}

void OffsetAllocator::release(size_t offset, size_t size) {
    const auto is_before = [](const Block & block, size_t position) { return block.offset < position; };
    const auto next = std::lower_bound(free_.begin(), free_.end(), offset, is_before);
    const bool joins_next = next != free_.end() && next->offset == offset + size;
    const bool joins_previous = next != free_.begin() && std::prev(next)->offset + std::prev(next)->size == offset;

    if (offset + size == end_) {
        end_ = offset;
        if (joins_previous) {
            end_ = std::prev(next)->offset;
            free_.pop_back();
        }
    } else if (joins_previous) {
        std::prev(next)->size += size;
        if (joins_next) {
            std::prev(next)->size += next->size;
            free_.erase(next);
        }
    } else if (joins_next) {
        next->offset = offset;
        next->size += size;
    } else {
        free_.insert(next, {offset, size});
    }
}

} // namespace ggml_sched
