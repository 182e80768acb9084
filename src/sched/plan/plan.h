// Plan - the planner's output: the steps of one run in order, and the reason of every wait.
//
// A Step performs a task, waits, or records an event. Each Wait names a lane that waits and an event of another lane.
// A plan is a value: it holds its program, and the executor performs it without further decisions about waits.

#pragma once

#include <cstdint>
#include <vector>

#include "plan/program.h"

namespace ggml_sched::plan {

// WaitCause - the kind of hazard, or the setting, that a wait is for.
enum class WaitCause : uint8_t {
    ReadAfterWrite,
    WriteAfterRead,
    WriteAfterWrite,
    Mode,     // the synchronization mode asks for it
    Throttle, // the run `window` runs ago must be done before this one starts
};

constexpr int32_t kEarlierRun = -1; // in place of a task: a task of an earlier run

// Reason - why a wait is there: without the wait `task` could touch the bytes while `other` still uses them.
struct Reason {
    WaitCause cause = WaitCause::Mode;
    int32_t task = 0;            // index into Program::tasks
    int32_t other = kEarlierRun; // index into Program::tasks
    Access bytes = {};           // none for Mode and Throttle
};

constexpr int16_t kWholeLane = -1; // in place of an event: all that is queued on the lane

// Wait - the waiter goes on when the target lane has reached an event.
struct Wait {
    Lane waiter; // kHost: the host blocks
    Lane target;
    uint8_t age = 0;            // 0: an event of this run; else of the run so many runs ago
    int16_t event = kWholeLane; // only the host can wait for kWholeLane
    Reason reason;
};

// StepKind - what the executor does in a step.
enum class StepKind : uint8_t {
    Do,      // performs a task; the steps from an observed launch to its Observe are repeated for each slice
    Guard,   // waits: before any task but a launch, after copies in Serial mode, and at the beginning of a run
    Barrier, // waits for all that a launch needs, directly before it
    Record,  // records an event
};

// Step - one step. A comment names the kinds that use a field, if not all do.
struct Step {
    StepKind kind;
    Lane lane;
    int16_t event = kWholeLane; // Record
    int32_t split = kNoSplit;
    uint32_t task = 0;       // Do
    uint32_t first_wait = 0; // Guard, Barrier
    uint32_t n_waits = 0;    // Guard, Barrier
    bool is_put_off = false; // Record: made when the next run begins; never if the caller waits before
};

// Plan - the steps of one run, with the program and the waits to which they refer.
struct Plan {
    Program program;
    std::vector<Step> steps;
    std::vector<Wait> waits;
    std::vector<int16_t> n_events; // by lane, recorded in one run
};

} // namespace ggml_sched::plan
