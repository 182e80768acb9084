// History - what earlier runs may still be doing when a run begins. The planner takes a history and returns the next
// one. A program that runs over and over leads to a history that stays the same, and so to the same plan.
//
// A Point is a place in a lane that a later run can wait for. A PastAccess says which lanes last used some bytes. All
// of these are values; whoever holds a History owns all of it.

#pragma once

#include <vector>

#include "plan/program.h"
#include "plan/vector_clock.h"

namespace ggml_sched::plan {

// Point - a position of a lane that can be waited for.
struct Point {
    Position position;
    uint8_t age;       // how many runs ago; 1: in the last run
    int16_t event;     // kWholeLane if the lane has no events
    VectorClock known; // what is complete when the lane has reached the point

    friend bool operator==(const Point & a, const Point & b) {
        return a.position == b.position && a.age == b.age && a.event == b.event && a.known == b.known;
    }
};

// LaneAccess - the task at a position of a lane, as one that touches bytes.
struct LaneAccess {
    Lane lane;
    Position position;

    friend bool operator==(const LaneAccess & a, const LaneAccess & b) {
        return a.lane == b.lane && a.position == b.position;
    }
};

// PastUse - the last write of some bytes and the reads since, without accesses that are known to be complete.
struct PastUse {
    bool written = false;
    LaneAccess writer = {};
    std::vector<LaneAccess> readers; // one per lane, sorted by lane

    bool empty() const { return !written && readers.empty(); }
    friend bool operator==(const PastUse & a, const PastUse & b) {
        return a.written == b.written && (!a.written || a.writer == b.writer) && a.readers == b.readers;
    }
};

// PastAccess - the bytes [begin, end) of a space, and their use by earlier runs.
struct PastAccess {
    Space space;
    uint64_t begin;
    uint64_t end;
    PastUse use;

    friend bool operator==(const PastAccess & a, const PastAccess & b) {
        return a.space == b.space && a.begin == b.begin && a.end == b.end && a.use == b.use;
    }
};

// History - the state in which a run leaves the lanes. The default says that nothing is in flight.
struct History {
    std::vector<std::vector<Point>> points; // by lane, in order
    std::vector<VectorClock> known;         // by lane: what is complete for the next task on it
    std::vector<PastAccess> accesses;       // sorted by space and begin, not overlapping
    std::vector<CallerRead> caller_reads;   // reads of the last run's results that may be queued

    // True if nothing is in flight.
    bool empty() const { return known.empty(); }
    friend bool operator==(const History & a, const History & b);
};

} // namespace ggml_sched::plan
