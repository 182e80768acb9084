#include "alloc/compaction.h"

#include <algorithm>
#include <numeric>

namespace ggml_sched {

namespace {

bool live_together(const LivingRange & a, const LivingRange & b) {
    return a.born < b.died && b.born < a.died;
}

// Returns the offset of the smallest gap that is large enough, or the end of what lives at the same time. `placed` is
// sorted by offset.
size_t smallest_gap(const LivingRange & range, const std::vector<const LivingRange *> & placed) {
    size_t best = SIZE_MAX;
    size_t best_size = SIZE_MAX;
    size_t end = 0;
    for (const LivingRange * other : placed) {
        if (!live_together(range, *other)) {
            continue;
        }
        if (other->offset > end && other->offset - end >= range.size && other->offset - end < best_size) {
            best = end;
            best_size = other->offset - end;
        }
        end = std::max(end, other->offset + other->size);
    }
    return best == SIZE_MAX ? end : best;
}

} // namespace

size_t compact(std::vector<LivingRange> & ranges) {
    std::vector<size_t> order(ranges.size());
    std::iota(order.begin(), order.end(), size_t{0});
    std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return ranges[a].size > ranges[b].size; });
    std::vector<const LivingRange *> placed;
    placed.reserve(ranges.size());
    size_t end = 0;
    for (const size_t i : order) {
        LivingRange & range = ranges[i];
        range.offset = smallest_gap(range, placed);
        end = std::max(end, range.offset + range.size);
        placed.insert(
            std::upper_bound(placed.begin(), placed.end(), &range,
                             [](const LivingRange * a, const LivingRange * b) { return a->offset < b->offset; }),
            &range);
    }
    return end;
}

void PoolLife::clear() {
    ranges_.clear();
    places_.clear();
    live_ = most_live_ = 0;
}

uint32_t PoolLife::add(Place & place) {
    const auto range = static_cast<uint32_t>(ranges_.size());
    ranges_.push_back({place.range.offset, place.range.size, static_cast<int32_t>(range), INT32_MAX});
    places_.emplace_back(&place, range);
    live_ += place.range.size;
    most_live_ = std::max(most_live_, live_);
    return range;
}

void PoolLife::share(uint32_t range, Place & place, size_t released) {
    places_.emplace_back(&place, range);
    live_ -= released;
}

void PoolLife::release(uint32_t range, size_t bytes) {
    ranges_[range].died = static_cast<int32_t>(ranges_.size());
    live_ -= bytes;
}

size_t PoolLife::compact(size_t size) {
    if (size - most_live_ < ranges_.size() * ranges_.size()) {
        return size;
    }
    const size_t compacted = ggml_sched::compact(ranges_);
    if (compacted >= size) {
        return size;
    }
    for (const auto & [place, range] : places_) {
        place->range.offset = ranges_[range].offset;
    }
    return compacted;
}

} // namespace ggml_sched
