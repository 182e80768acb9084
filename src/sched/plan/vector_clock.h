// VectorClock - what is known to be complete at some moment: for each lane the greatest position that is done. It is a
// value.
//
// A Position counts the tasks of a lane. Each run begins at position 1. Its end shifts all positions: the last task
// gets position 0, and the tasks before it get negative positions.

#pragma once

#include <algorithm>
#include <array>
#include <cstdint>

#include "plan/machine.h"

namespace ggml_sched::plan {

using Position = int32_t;
constexpr Position kNever = INT32_MIN; // before all positions

// VectorClock - the greatest complete position of each lane.
struct VectorClock {
    std::array<Position, kMaxLanes> at;

    VectorClock() { at.fill(kNever); }

    // Adds all that `other` knows.
    void join(const VectorClock & other) {
        for (int lane = 0; lane < kMaxLanes; lane++) {
            at[lane] = std::max(at[lane], other.at[lane]);
        }
    }
    // True if the position of the lane is known to be complete.
    bool knows(Lane lane, Position position) const { return at[lane] >= position; }

    friend bool operator==(const VectorClock & a, const VectorClock & b) { return a.at == b.at; }
};

} // namespace ggml_sched::plan
