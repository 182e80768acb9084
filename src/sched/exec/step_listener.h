// StepListener - is told what the executor does, on the executor's thread and while it does it.
//
// Each call of the executor into a backend, and each copy on the host, is announced by call_begins() and then named.
// Within a call the host may wait for something that no plan knows: wait_begins(), and then what it was. Arguments are
// valid during the call only. Nothing may be thrown: a listener must not change how a run ends.

#pragma once

#include "exec/run_bindings.h"
#include "plan/plan.h"

namespace ggml_sched {

class StepListener {
  public:
    virtual ~StepListener() = default;

    // A lane that had no queue until now has this one, which stays as long as the executor.
    virtual void stream_begins(plan::Lane lane, const host::Backend & backend) noexcept = 0;
    virtual void run_begins(const plan::Plan & plan,
                            const RunBindings & bindings) noexcept = 0; // what follows is of this run
    virtual void call_begins() noexcept = 0;
    virtual void waited(const plan::Wait & wait) noexcept = 0;
    virtual void recorded(const plan::Step & step) noexcept = 0;
    // Of an observed run: slice by slice. `bytes` is what a copy moved, perhaps less than the plan allows, or nothing.
    virtual void performed(const plan::Task & task, size_t bytes) noexcept = 0;
    virtual void wait_begins() noexcept = 0;
    virtual void synchronized(plan::Lane lane, const char * why) noexcept = 0; // for all of the lane
    // A copy out of pageable memory goes in chunks, each with an event. Within that call:
    virtual void chunk_sent(plan::Lane lane, ggml_backend_event_t event) noexcept = 0;
    virtual void waited_for_chunk(plan::Lane lane, ggml_backend_event_t event) noexcept = 0;
};

} // namespace ggml_sched
