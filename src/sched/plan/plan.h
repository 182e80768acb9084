// Plan - the planner's output: the steps of one run, ready to be executed blindly, and the reason of every wait.

#pragma once

#include <cstdint>
#include <vector>

#include "plan/program.h"

namespace ggml_sched::plan {

enum class WaitCause : uint8_t {
    ReadAfterWrite,
    WriteAfterRead,
    WriteAfterWrite,
    Mode,     // the synchronization mode asks for it
    Throttle, // a run that is `window` runs back must be done before this one starts
};

constexpr int32_t kEarlierRun = -1;

// Why a wait is there: `task` would touch the bytes while `other` still does.
struct Reason {
    WaitCause cause = WaitCause::Mode;
    int32_t task = 0;            // index into Program::tasks
    int32_t other = kEarlierRun; // index into Program::tasks
    Access bytes = {};           // none for Mode and Throttle
};

constexpr int16_t kWholeLane = -1;

// The waiter goes on when the target lane has reached an event: one of this run (age 0) or of the age-th run before.
struct Wait {
    Lane waiter; // kHost: the host blocks
    Lane target;
    uint8_t age = 0;
    int16_t event = kWholeLane; // kWholeLane: all that is queued on the target by now; only the host can wait so
    Reason reason;
};

enum class StepKind : uint8_t {
    Do,      // performs a task; from an observed launch to its Observe, the steps are done once for each slice
    Guard,   // waits before copies, and at the beginning and the end of a run
    Barrier, // the waits of a launch, straight before it
    Record,  // records an event
};

struct Step {
    StepKind kind;
    Lane lane;
    int16_t event = kWholeLane; // Record
    int32_t split = kNoSplit;
    uint32_t task = 0;       // Do
    uint32_t first_wait = 0; // Guard, Barrier
    uint32_t n_waits = 0;
};

struct Plan {
    Program program;
    std::vector<Step> steps;
    std::vector<Wait> waits;
    std::vector<int16_t> n_events; // by lane, recorded in one run
};

} // namespace ggml_sched::plan
