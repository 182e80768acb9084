// VectorClock - what is known to be complete at some moment: for each lane the greatest position that is done.
//
// Positions count the tasks of a lane. Between runs they are shifted so that the last task of the last run has
// position 0, tasks before it negative ones, and the next run begins at 1.

#pragma once

#include <algorithm>
#include <array>
#include <cstdint>

#include "plan/machine.h"

namespace ggml_sched::plan {

using Position = int32_t;
constexpr Position kNever = INT32_MIN;

struct VectorClock {
    std::array<Position, kMaxLanes> at;

    VectorClock() { at.fill(kNever); }

    void join(const VectorClock & other) {
        for (int lane = 0; lane < kMaxLanes; lane++) {
            at[lane] = std::max(at[lane], other.at[lane]);
        }
    }
    bool knows(Lane lane, Position position) const { return at[lane] >= position; }

    friend bool operator==(const VectorClock & a, const VectorClock & b) { return a.at == b.at; }
};

} // namespace ggml_sched::plan
