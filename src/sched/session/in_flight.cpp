#include "session/in_flight.h"

#include <algorithm>
#include <utility>

#include "plan/planner.h"

namespace ggml_sched {

namespace {

const std::shared_ptr<const plan::History> kNothing = std::make_shared<const plan::History>();

// Returns true if an access has bytes in common with something in flight. Only such an access may have to wait.
bool overlaps(const std::vector<plan::Access> & accesses, const plan::History & history) {
    return std::any_of(accesses.begin(), accesses.end(), [&](const plan::Access & access) {
        const auto is_past = [&](const plan::PastAccess & past) {
            return overlap(access, {past.space, false, past.begin, past.end});
        };
        const auto is_read = [&](const plan::CallerRead & read) { return overlap(access, read.bytes); };
        return std::any_of(history.accesses.begin(), history.accesses.end(), is_past) ||
               std::any_of(history.caller_reads.begin(), history.caller_reads.end(), is_read);
    });
}

} // namespace

InFlight::InFlight(const plan::Machine & machine, Executor & executor, observe::Verifier & verifier)
    : machine_(machine)
    , executor_(executor)
    , verifier_(verifier)
    , history_(kNothing)
    , idle_(kNothing) {}

void InFlight::add_run(std::shared_ptr<const plan::History> after, std::shared_ptr<const plan::History> idle) {
    history_ = std::move(after);
    idle_ = std::move(idle);
}

bool InFlight::must_wait_before(const plan::Program & program, const plan::Rules & rules) const {
    if (!overlaps(program.accesses, *history_)) {
        return false;
    }
    // The program need not become a run, so it does not throttle. A throttle wait could also hide a wait for a hazard.
    plan::Machine unthrottled = machine_;
    unthrottled.window++;
    return !plan::make_plan(unthrottled, program, *history_, rules).plan.waits.empty();
}

Status InFlight::wait_before(const plan::Program & program, const plan::Rules & rules, bool & waited) {
    waited = must_wait_before(program, rules);
    if (!waited) {
        return {};
    }
    return run(program, {}, rules);
}

Status InFlight::run(const Lowered & lowered) {
    return run(lowered.program, lowered.copies, plan::Rules());
}

Status InFlight::run(const plan::Program & program, const std::vector<CopyBinding> & copies,
                     const plan::Rules & rules) {
    plan::Planned planned = plan::make_plan(machine_, program, *history_, rules);
    if (Status status = executor_.prepare(planned.plan); !status.ok()) {
        return status;
    }
    const auto plan = std::make_shared<const plan::Plan>(std::move(planned.plan));
    history_ = std::make_shared<const plan::History>(std::move(planned.next));
    verifier_.note(plan);
    return executor_.run(*plan, copies);
}

void InFlight::abandon(const char * why) {
    executor_.abandon(why);
    history_ = idle_; // The caller may read what has been computed.
    verifier_.forget(idle_->caller_reads);
}

void InFlight::synchronize() {
    executor_.synchronize();
    history_ = idle_;
    verifier_.forget(idle_->caller_reads);
}

} // namespace ggml_sched
