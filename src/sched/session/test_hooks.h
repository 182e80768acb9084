// TestHooks - what tests change in a scheduler, and callers cannot. Such a test leaves something out, and expects that
// the scheduler or the result shows it. It is a value.

#pragma once

#include <cstddef>
#include <cstdint>

#include "host/tuning.h"
#include "plan/rules.h"
#include "reuse/key_field.h"

namespace ggml_sched {

struct TestHooks {
    int n_copies = 0;                   // n_copies of a new parallel scheduler, 1 to kMaxCopies; 0: the default
    size_t snapshot_limit = SIZE_MAX;   // most bytes of an input that gets a snapshot; the default may be lower
    size_t stream_lane_from = SIZE_MAX; // least bytes of an input that takes the stream lane; the default may be lower
    plan::Rules rules;                  // rules of the planner; all are on
    IgnoredFields ignored;              // fields that keys ignore; verification refuses what is then wrongly kept
    int uploaded_percent = -1;          // part of the missing experts that is uploaded with SHARED; -1: as measured
    size_t registered_from = Tuning::kRegisteredFrom; // least bytes of a buffer that is registered with the driver
    int runs_before_sharing = 0;            // banks are made anew after so many runs, needed or not; 0: when it pays
    bool devices_have_one_queue = false;    // devices are treated as those of ggml's Vulkan
    bool refuses_superfluous_waits = false; // true if verification fails for a plan that does not need each wait
};

} // namespace ggml_sched
