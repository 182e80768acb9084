#include "support/host_waits.h"

#include <algorithm>

namespace ggml_sched::test {

namespace {

bool is_on_host(const plan::Wait & wait) {
    return wait.waiter == plan::kHost && wait.reason.cause != plan::WaitCause::Throttle;
}

// The lane that must not go on, and the one that it waits for, can settle it with an event.
bool could_wait_on_device(const plan::Plan & plan, const plan::Wait & wait, const plan::Machine & machine) {
    const plan::Task & task = plan.program.tasks[static_cast<size_t>(wait.reason.task)];
    // Where the queue that runs a copy is another than the destination's, its source waits for both.
    const bool source_waits = task.kind == plan::TaskKind::CopyAsync && task.order != plan::CopyOrder::InDestination;
    const plan::Lane waiter = source_waits ? task.source : task.lane;
    return waiter != plan::kHost && !task.reads_at_call && machine.reaches[wait.target][waiter];
}

} // namespace

int n_host_waits(const plan::Plan & plan) {
    return static_cast<int>(std::count_if(plan.waits.begin(), plan.waits.end(), is_on_host));
}

int n_waits_for_reads(const plan::Plan & plan) {
    const auto kind_of = [&](int32_t task) { return plan.program.tasks[static_cast<size_t>(task)].kind; };
    return static_cast<int>(std::count_if(plan.waits.begin(), plan.waits.end(), [&](const plan::Wait & wait) {
        return is_on_host(wait) && kind_of(wait.reason.task) == plan::TaskKind::SetNow &&
               wait.reason.other != plan::kEarlierRun && kind_of(wait.reason.other) == plan::TaskKind::CallerRead;
    }));
}

std::string avoidable_host_wait(const plan::Plan & plan, const plan::Machine & machine) {
    for (const plan::Wait & wait : plan.waits) {
        if (is_on_host(wait) && could_wait_on_device(plan, wait, machine)) {
            return "the host waits for lane " + std::to_string(wait.target) + " on behalf of task " +
                   std::to_string(wait.reason.task) + ", which could wait itself";
        }
    }
    return "";
}

} // namespace ggml_sched::test
