// StepListener - an object that the executor tells what it does, while it does it and on its thread. The executor does
// not own it.
//
// The executor calls call_begins() before each wait, record and task, and waited(), recorded() or performed() when it
// has succeeded. The host may also wait for something that no plan knows, during a task or between runs. The executor
// then calls wait_begins(), and afterwards synchronized() or waited_for_chunk().
//
// Arguments are valid during the call only. A listener must not throw, so that it does not change how a run ends.

#pragma once

#include "exec/run_bindings.h"
#include "plan/plan.h"

namespace ggml_sched {

class StepListener {
  public:
    virtual ~StepListener() = default;

    // A lane that had no queue until now has this backend as its queue. The backend stays as long as the executor.
    virtual void stream_begins(plan::Lane lane, const host::Backend & backend) noexcept = 0;
    // A run begins. The plan and the bindings are valid until the run ends.
    virtual void run_begins(const plan::Plan & plan, const RunBindings & bindings) noexcept = 0;
    // A wait, a record or a task begins.
    virtual void call_begins() noexcept = 0;
    // A wait of the plan has been made: on the host it is over, on a queue it is enqueued.
    virtual void waited(const plan::Wait & wait) noexcept = 0;
    // The queue is at the place of this record. On devices that keep records, a record that only later runs wait for is
    // made when the next run begins, and never if the caller synchronizes before.
    virtual void recorded(const plan::Step & step) noexcept = 0;
    // A task has been performed, or one slice of an observed launch. `bytes` is what a copy has moved, which may be
    // less than the plan allows.
    virtual void performed(const plan::Task & task, size_t bytes) noexcept = 0;
    // The host begins a wait that is in no plan.
    virtual void wait_begins() noexcept = 0;
    // The host has waited for all of a lane.
    virtual void synchronized(plan::Lane lane, const char * why) noexcept = 0;
    // A chunk of a copy out of pageable memory has been sent; its event is recorded next.
    virtual void chunk_sent(plan::Lane lane, ggml_backend_event_t event) noexcept = 0;
    // The host has waited until the device did not read a chunk any more.
    virtual void waited_for_chunk(plan::Lane lane, ggml_backend_event_t event) noexcept = 0;
};

} // namespace ggml_sched
