// How the scheduler runs an allocated graph: lowering, the plan for what is in flight, verification, execution.

#include <new>
#include <utility>

#include "observe/lost_inputs.h"
#include "observe/plan_names.h"
#include "observe/tensors_at.h"
#include "plan/planner.h"
#include "reuse/differences.h"
#include "session/scheduler.h"

namespace ggml_sched {

LoweredGraph::Key Scheduler::key() const {
    const GraphVersion & version = view().version();
    return {version.layout,
            version.place,
            placer_.version(),
            streams_.number(),
            links_number_,
            mode(),
            observer_.callback != nullptr,
            streaming_.streams_whole(splits().experts)};
}

plan::Mode Scheduler::mode() const {
    switch (settings_.sync_mode) {
    case GGML_SCHED_SYNC_BARRIER: return plan::Mode::Barrier;
    case GGML_SCHED_SYNC_SERIAL: return plan::Mode::Serial;
    default: return plan::Mode::Auto;
    }
}

void Scheduler::lower_graph() {
    BackendId src = kNoBackend;
    BackendId dst = kNoBackend;
    if (executor_->take_refusal(src, dst)) {
        topology_.links[src][dst].async = false;
        links_number_++;
    }
    const LoweredGraph::Key now = key();
    LoweredGraph & lowered = lowered_[turn_];
    if (settings_.reuse && lowered.is_for(now, ignored_)) {
        if (!is_lowered_) {
            lowered.bind(view(), slots_);
        }
    } else {
        Lowered made = lower(cut_graph(), placer_.followers(), streams_.slots(), backends_, topology_,
                             lowering_options(now), spaces_);
        for (int lane = 1; lane < machine_.n_lanes; lane++) {
            if (const size_t bytes = made.staged[static_cast<size_t>(lane)]; bytes > 0) {
                executor_->prepare_staging(static_cast<plan::Lane>(lane), bytes);
            }
        }
        lowered.take(now, std::move(made));
    }
    is_lowered_ = true;
}

// Nothing of what is kept may be used again. The allocated graph still needs its tensors' numbers.
Status Scheduler::stale(const std::string & what) {
    is_stale_ = true;
    for (LoweredGraph & lowered : lowered_) {
        lowered.forget();
    }
    return Status::failed("what was kept of an earlier graph does not hold for this one: " + what +
                          "; please report it. GGML_SCHED_REUSE=0 runs every stage anew");
}

Status Scheduler::prove_cut() {
    std::string difference = cutter_.find_stale(graph_, user_, streaming_.limits(mode()), offered_ != Offered::Nothing);
    if (difference.empty()) {
        difference = streams_.find_stale(view(), splits());
        difference = difference.empty() ? "" : "ring: " + difference;
    }
    return difference.empty() ? Status{} : stale(difference);
}

Status Scheduler::prove_places() {
    const std::string fault = placer_.find_misplaced(cut_graph());
    return fault.empty() ? Status{} : stale("places: " + fault);
}

Status Scheduler::prove_program() {
    const Lowered fresh = lower(cut_graph(), placer_.followers(), streams_.slots(), backends_, topology_,
                                lowering_options(key()), spaces_);
    const std::string difference = find_difference(lowered_[turn_].lowered(), fresh);
    return difference.empty() ? Status{} : stale("program: " + difference);
}

Status Scheduler::prove_plan(const CachedPlan & kept) {
    const plan::Planned fresh =
        plan::make_plan(machine_, lowered_[turn_].lowered().program, *flight_.history(), rules_);
    std::string difference = find_difference(*kept.plan, fresh.plan);
    if (difference.empty() && !(*kept.after == fresh.next)) {
        difference = "it leaves something else in flight";
    }
    return difference.empty() ? Status{} : stale("plan: " + difference);
}

CachedPlan & Scheduler::find_plan(bool & is_kept) {
    LoweredGraph & lowered = lowered_[turn_];
    const std::shared_ptr<const plan::History> & in_flight = flight_.history();
    CachedPlan * cached = settings_.reuse ? lowered.plans().find(in_flight, ignored_) : nullptr;
    is_kept = cached != nullptr;
    if (is_kept) {
        return *cached;
    }
    executor_->stats.plans++;
    if (!lowered.names) {
        lowered.names =
            std::make_shared<const observe::Names>(names_of(lowered.lowered(), splits(), backends_, topology_));
    }
    return lowered.plans().add(in_flight, plan::make_plan(machine_, lowered.lowered().program, *in_flight, rules_));
}

Status Scheduler::verify(CachedPlan & cached) {
    if (!settings_.verify) {
        has_unverified_runs_ = true;
        return {};
    }
    if (!cached.verified) {
        if (const std::string lost = find_lost_input(lowered_[turn_].lowered(), splits()); !lost.empty()) {
            return Status::failed("the program loses an input: " + lost);
        }
        const TensorsAt tensors_at(view(), splits(), lowered_[turn_].lowered().copies, spaces_);
        const std::string violation = verifier_.check(*cached.plan, lowered_[turn_].names, tensors_at);
        if (!violation.empty()) {
            return Status::failed("the plan does not order everything: " + violation);
        }
        const std::string superfluous = refuses_superfluous_ ? verifier_.find_superfluous_wait(*cached.plan) : "";
        if (!superfluous.empty()) {
            return Status::failed(superfluous);
        }
        cached.verified = true;
    }
    verifier_.note(cached.plan, lowered_[turn_].names);
    return {};
}

bool Scheduler::is_same_graph(const ggml_cgraph * graph) const {
    return graph && graph == graph_ && host::identity_of(graph) == identity_;
}

Status Scheduler::compute_async(ggml_cgraph * graph) {
    if (!graph) {
        return Status::failed("the graph is NULL");
    }
    const bool is_it = is_allocated_ && is_same_graph(graph);
    const bool lacks_offers = is_it && copy_callback_.function && offered_ == Offered::Nothing;
    if (lacks_offers) {
        reallocations_.forget(); // other splits need other buffers
    }
    if (!is_it || lacks_offers) {
        if (Status status = allocate(graph, Inputs::Written); !status.ok()) {
            return status;
        }
    }
    Status status = run();
    if (!status.ok()) {
        flight_.abandon("the run failed");
        return status;
    }
    return {GGML_STATUS_SUCCESS, executor_->take_failures_of_earlier_runs()};
}

Status Scheduler::compute(ggml_cgraph * graph) {
    Status status = compute_async(graph);
    wait_for_all();
    const Executor::Failures failures = executor_->take_failures();
    if (status.ok() && failures.of_last_run) {
        status.code = GGML_STATUS_FAILED;
    }
    status.message += (status.message.empty() || failures.text.empty() ? "" : "; ") + failures.text;
    return status;
}

// The table of contents of graph_compute_async.
Status Scheduler::run() {
    // Between calls the nodes have the operands that the caller built; now they read the copies.
    const OperandsGuard guard(split_graphs_);
    split_graphs_.rewire();
    // Verification may have been switched on after the allocation.
    if (settings_.verify && !std::exchange(are_places_proved_, true)) {
        if (Status status = prove_places(); !status.ok()) {
            return status;
        }
    }
    // Copies and launches, in order, with the bytes that each touches.
    lower_graph();
    if (settings_.verify) {
        if (Status status = prove_program(); !status.ok()) {
            return status;
        }
    }
    // Snapshots, and what goes from device to device through the host, pass through a ring of host memory.
    if (Status status = executor_->prepare_ring(lowered_[turn_].lowered().ring_bytes); !status.ok()) {
        return status;
    }
    // The verifier knows nothing of runs without verification, so they end first.
    if (settings_.verify && std::exchange(has_unverified_runs_, false)) {
        flight_.synchronize();
    }
    // The waits: between the tasks of this run, and for what earlier runs may still be doing.
    bool is_kept = false;
    CachedPlan & cached = find_plan(is_kept);
    if (is_kept && settings_.verify) {
        if (Status status = prove_plan(cached); !status.ok()) {
            return status;
        }
    }
    // A plan that does not order every hazard is not performed.
    if (Status status = verify(cached); !status.ok()) {
        return status;
    }
    // Events exist before the first step: then a run breaks off only where a device fails.
    if (Status status = executor_->prepare(*cached.plan); !status.ok()) {
        return status;
    }
    // From here on the run counts as started, and the next one is planned behind it.
    executor_->stats.runs++;
    last_plan_ = cached.plan;
    last_names_ = lowered_[turn_].names;
    flight_.add_run(cached.after, cached.idle);
    const Observer observer = observer_; // the callback may exchange it
    return streaming_.run(*cached.plan, work(), observer, splits().experts);
}

Work Scheduler::work() {
    return {lowered_[turn_].lowered().copies, splits().splits, split_graphs_.graphs(), copy_callback_};
}

void Scheduler::wait() const {
    for (const host::Backend & backend : backends_) {
        host::synchronize(backend.handle);
    }
}

Status Scheduler::synchronize() {
    wait_for_all();
    return {GGML_STATUS_SUCCESS, executor_->take_failures().text};
}

void Scheduler::wait_for_all() {
    for (const host::Backend & backend : backends_) {
        if (!backend.async) {
            host::synchronize(backend.handle); // no lane, but the caller may have enqueued on it
        }
    }
    flight_.synchronize();
    if (!is_allocated_) {
        // The same turn for every token of a generation, so that backends see the same graph again.
        next_turn_ = 0;
    }
}

} // namespace ggml_sched
