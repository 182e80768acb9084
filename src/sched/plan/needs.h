// Needs - what one task must wait for: for each lane a Need, which is the latest position and the reason. A lane is in
// order, so the latest position implies the earlier ones.

#pragma once

#include <array>

#include "plan/byte_intervals.h"
#include "plan/rules.h"

namespace ggml_sched::plan {

// Need - the position of one lane that must be complete; kNever if there is none.
struct Need {
    Position position = kNever;
    Reason reason;
};

// Needs - what one task must wait for on each lane.
struct Needs {
    std::array<Need, kMaxLanes> of; // by lane

    // Adds a position that must be complete. Keeps it if it is the latest of the lane so far; ignores the host's.
    void add(Lane lane, Position position, const Reason & reason);

    // Adds all that must be complete before `task` touches the bytes of `access`. Rules that are off add nothing.
    void add_hazards(int32_t task, uint32_t access, ByteIntervals & intervals, const Program & program,
                     const Rules & rules);
};

} // namespace ggml_sched::plan
