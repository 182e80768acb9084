#include "plan/byte_intervals.h"

#include <algorithm>

namespace ggml_sched::plan {

namespace {

// Returns the accesses of an interval that are not known to be complete.
PastUse use_of(const ByteInterval & interval, const VectorClock & done) {
    PastUse use;
    if (interval.written && interval.writer.lane != kHost &&
        !done.knows(interval.writer.lane, interval.writer.position)) {
        use.written = true;
        use.writer = interval.writer;
    }
    for (int lane = 1; lane < kMaxLanes; lane++) {
        const LaneAccess reader = {static_cast<Lane>(lane), interval.read_at[lane]};
        if (reader.position != kNever && !done.knows(reader.lane, reader.position)) {
            use.readers.push_back(reader);
        }
    }
    return use;
}

} // namespace

ByteInterval::ByteInterval(Space space, uint64_t begin, uint64_t end)
    : space(space)
    , begin(begin)
    , end(end) {
    read_at.fill(kNever);
    reader_task.fill(kEarlierRun);
}

void ByteInterval::read(LaneAccess lane_access, int32_t task) {
    read_at[lane_access.lane] = lane_access.position;
    reader_task[lane_access.lane] = task;
}

void ByteInterval::write(LaneAccess lane_access, int32_t task) {
    written = true;
    writer = lane_access;
    writer_task = task;
    read_at.fill(kNever);
}

ByteIntervals::ByteIntervals(const std::vector<Access> & accesses, const History & history) {
    std::vector<Cut> cuts;
    cuts.reserve(2 * (accesses.size() + history.accesses.size()));
    for (const Access & access : accesses) {
        cuts.push_back({access.space, access.begin});
        cuts.push_back({access.space, access.end});
    }
    for (const PastAccess & access : history.accesses) {
        cuts.push_back({access.space, access.begin});
        cuts.push_back({access.space, access.end});
    }
    std::sort(cuts.begin(), cuts.end());
    cuts.erase(std::unique(cuts.begin(), cuts.end()), cuts.end());

    intervals_.reserve(cuts.size());
    starts_.reserve(cuts.size());
    for (size_t i = 1; i < cuts.size(); i++) {
        if (cuts[i - 1].space == cuts[i].space) {
            intervals_.emplace_back(cuts[i].space, cuts[i - 1].at, cuts[i].at);
            starts_.push_back(cuts[i - 1]);
        }
    }
    ranges_.reserve(accesses.size());
    for (const Access & access : accesses) {
        ranges_.push_back(find(access.space, access.begin, access.end));
    }
    fill_from(history);
}

ByteIntervals::Range ByteIntervals::find(Space space, uint64_t begin, uint64_t end) const {
    const auto first = std::lower_bound(starts_.begin(), starts_.end(), Cut{space, begin});
    auto last = first;
    while (last != starts_.end() && last->space == space && last->at < end) {
        ++last;
    }
    return {static_cast<uint32_t>(first - starts_.begin()), static_cast<uint32_t>(last - starts_.begin())};
}

void ByteIntervals::fill_from(const History & history) {
    for (const PastAccess & access : history.accesses) {
        const Range range = find(access.space, access.begin, access.end);
        for (uint32_t i = range.first; i < range.last; i++) {
            if (access.use.written) {
                intervals_[i].write(access.use.writer, kEarlierRun);
            }
            for (const LaneAccess & reader : access.use.readers) {
                intervals_[i].read(reader, kEarlierRun);
            }
        }
    }
}

std::vector<PastAccess> ByteIntervals::past(const VectorClock & done) const {
    std::vector<PastAccess> result;
    result.reserve(intervals_.size());
    for (const ByteInterval & interval : intervals_) {
        if (interval.space == kRing) {
            continue;
        }
        PastUse use = use_of(interval, done);
        if (use.empty()) {
            continue;
        }
        if (!result.empty() && result.back().space == interval.space && result.back().end == interval.begin &&
            result.back().use == use) {
            result.back().end = interval.end;
        } else {
            result.push_back({interval.space, interval.begin, interval.end, std::move(use)});
        }
    }
    return result;
}

} // namespace ggml_sched::plan
