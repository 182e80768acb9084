// TestHooks - what tests change in a scheduler, and no caller can: they leave something out, and see that it is missed.

#pragma once

#include <cstddef>
#include <cstdint>

#include "plan/rules.h"
#include "reuse/key_field.h"

namespace ggml_sched {

struct TestHooks {
    int n_copies = 0;                   // of a parallel scheduler, 1 to kMaxCopies; 0: the default. Set when it is made
    size_t snapshot_limit = SIZE_MAX;   // larger inputs are copied straight, if the default allows them at all
    size_t stream_lane_from = SIZE_MAX; // where copies take turns, larger inputs go on the lane that streams weights
    plan::Rules rules;                  // of the planner; all are on
    IgnoredFields ignored;              // of keys. Verification refuses what is then wrongly kept
    bool refuses_superfluous_waits = false; // with verification: a plan must need each of its waits
};

} // namespace ggml_sched
