// ByteIntervals - the bytes that a run touches, cut wherever some access begins or ends. All bytes of an interval have
// the same past, so hazards are found interval by interval.

#pragma once

#include <array>
#include <vector>

#include "plan/history.h"
#include "plan/plan.h"

namespace ggml_sched::plan {

// The last write of an interval and the reads since, with the tasks that did them (kEarlierRun for the history's).
struct ByteInterval {
    Space space;
    uint64_t begin;
    uint64_t end;

    bool written = false;
    LaneAccess writer = {};
    int32_t writer_task = kEarlierRun;
    std::array<Position, kMaxLanes> read_at; // by lane, kNever if it did not
    std::array<int32_t, kMaxLanes> reader_task;

    ByteInterval(Space space, uint64_t begin, uint64_t end);
    void read(LaneAccess lane_access, int32_t task);
    void write(LaneAccess lane_access, int32_t task);
};

class ByteIntervals {
  public:
    ByteIntervals(const std::vector<Access> & accesses, const History & history);

    // The intervals that make up an access, given by its index in the constructor's argument
    ByteInterval * begin_of(size_t access) { return intervals_.data() + ranges_[access].first; }
    ByteInterval * end_of(size_t access) { return intervals_.data() + ranges_[access].last; }

    // What the next run has to know, with positions still counted as in this run. `done` tells what is complete.
    std::vector<PastAccess> past(const VectorClock & done) const;

  private:
    struct Cut {
        Space space;
        uint64_t at;

        friend bool operator<(const Cut & a, const Cut & b) {
            return a.space != b.space ? a.space < b.space : a.at < b.at;
        }
        friend bool operator==(const Cut & a, const Cut & b) { return a.space == b.space && a.at == b.at; }
    };
    struct Range {
        uint32_t first;
        uint32_t last; // not included
    };
    Range find(Space space, uint64_t begin, uint64_t end) const;
    void fill_from(const History & history);

    std::vector<ByteInterval> intervals_; // sorted by space and begin
    std::vector<Cut> starts_;             // of each interval: smaller, so quicker to search
    std::vector<Range> ranges_;           // by access
};

} // namespace ggml_sched::plan
