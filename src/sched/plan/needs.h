// Needs - what one task must wait for: per lane the latest position, and why. A lane is in order, so the latest
// position implies the earlier ones.

#pragma once

#include <array>

#include "plan/byte_intervals.h"
#include "plan/rules.h"

namespace ggml_sched::plan {

struct Need {
    Position position = kNever;
    Reason reason;
};

struct Needs {
    std::array<Need, kMaxLanes> of; // by lane

    void add(Lane lane, Position position, const Reason & reason);

    // Everything that must be complete before `task` touches the bytes of one of its accesses
    void add_hazards(int32_t task, uint32_t access, ByteIntervals & intervals, const Program & program,
                     const Rules & rules);
};

} // namespace ggml_sched::plan
