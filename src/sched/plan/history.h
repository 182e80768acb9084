// History - what earlier runs may still be doing when a run begins. The planner takes one and gives the next one back;
// running the same program over and over leads to a history that does not change any more, and then to one plan.

#pragma once

#include <vector>

#include "plan/program.h"
#include "plan/vector_clock.h"

namespace ggml_sched::plan {

// A position of a lane that can be waited for
struct Point {
    Position position;
    uint8_t age;       // runs back, 1 is the last one
    int16_t event;     // kWholeLane if the lane has no events
    VectorClock known; // what is complete when this point is reached

    friend bool operator==(const Point & a, const Point & b) {
        return a.position == b.position && a.age == b.age && a.event == b.event && a.known == b.known;
    }
};

struct LaneAccess {
    Lane lane;
    Position position;

    friend bool operator==(const LaneAccess & a, const LaneAccess & b) {
        return a.lane == b.lane && a.position == b.position;
    }
};

// Who touched some bytes last: the last write, and the reads since. Accesses that are known to be complete are left
// out.
struct PastUse {
    bool written = false;
    LaneAccess writer = {};
    std::vector<LaneAccess> readers; // one per lane, sorted by lane

    bool empty() const { return !written && readers.empty(); }
    friend bool operator==(const PastUse & a, const PastUse & b) {
        return a.written == b.written && (!a.written || a.writer == b.writer) && a.readers == b.readers;
    }
};

struct PastAccess {
    Space space;
    uint64_t begin;
    uint64_t end;
    PastUse use;

    friend bool operator==(const PastAccess & a, const PastAccess & b) {
        return a.space == b.space && a.begin == b.begin && a.end == b.end && a.use == b.use;
    }
};

struct History {
    std::vector<std::vector<Point>> points; // by lane, in order
    std::vector<VectorClock> known;         // by lane: what a task issued next on the lane knows
    std::vector<PastAccess> accesses;       // sorted by space and begin, not overlapping
    std::vector<CallerRead> caller_reads;   // of results of the last run

    // Nothing is in flight. The default.
    bool empty() const { return known.empty(); }
    friend bool operator==(const History & a, const History & b);
};

} // namespace ggml_sched::plan
