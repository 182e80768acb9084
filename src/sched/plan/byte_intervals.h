// ByteIntervals - the bytes that a run touches, cut wherever some access begins or ends. All bytes of a ByteInterval
// have the same past, so the planner finds hazards interval by interval. One planner owns the intervals of one run.

#pragma once

#include <array>
#include <vector>

#include "plan/history.h"
#include "plan/plan.h"

namespace ggml_sched::plan {

// ByteInterval - the last write of some bytes and the reads since, with the tasks that did them. The task is
// kEarlierRun if the access comes from the history.
struct ByteInterval {
    Space space;
    uint64_t begin;
    uint64_t end;

    bool written = false;
    LaneAccess writer = {};
    int32_t writer_task = kEarlierRun;
    std::array<Position, kMaxLanes> read_at;    // by lane; kNever: the lane has not read them
    std::array<int32_t, kMaxLanes> reader_task; // by lane

    // Makes an interval without a past.
    ByteInterval(Space space, uint64_t begin, uint64_t end);
    // Notes that the task, at this position of its lane, reads the bytes.
    void read(LaneAccess lane_access, int32_t task);
    // Notes that the task writes the bytes, and forgets the reads before it.
    void write(LaneAccess lane_access, int32_t task);
};

// ByteIntervals - all intervals of a run, sorted, with the past that the history gives them.
class ByteIntervals {
  public:
    // Cuts the bytes of all accesses into intervals, and enters what the history says about them.
    ByteIntervals(const std::vector<Access> & accesses, const History & history);

    // Both bound the intervals that make up an access: the one with this index in the constructor's argument.
    ByteInterval * begin_of(size_t access) { return intervals_.data() + ranges_[access].first; }
    ByteInterval * end_of(size_t access) { return intervals_.data() + ranges_[access].last; }

    // Returns the accesses that the next run has to know. Leaves out what is complete according to `done`. Positions
    // count as in this run.
    std::vector<PastAccess> past(const VectorClock & done) const;

  private:
    // Cut - an address at which an interval begins or ends.
    struct Cut {
        Space space;
        uint64_t at;

        friend bool operator<(const Cut & a, const Cut & b) {
            return a.space != b.space ? a.space < b.space : a.at < b.at;
        }
        friend bool operator==(const Cut & a, const Cut & b) { return a.space == b.space && a.at == b.at; }
    };
    // Range - the intervals [first, last) of one access.
    struct Range {
        uint32_t first;
        uint32_t last;
    };
    // Returns the intervals of the bytes [begin, end).
    Range find(Space space, uint64_t begin, uint64_t end) const;
    // Enters the accesses of earlier runs.
    void fill_from(const History & history);

    std::vector<ByteInterval> intervals_; // sorted by space and begin
    std::vector<Cut> starts_;             // by interval: its begin; small, so quick to search
    std::vector<Range> ranges_;           // by access
};

} // namespace ggml_sched::plan
