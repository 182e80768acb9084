// The functions of the scheduler that run an allocated graph: lowering, the plan for what is in flight, verification,
// execution.

#include <new>
#include <utility>

#include "host/registered_buffers.h"
#include "observe/lost_inputs.h"
#include "observe/plan_names.h"
#include "observe/tensors_at.h"
#include "plan/planner.h"
#include "reuse/differences.h"
#include "session/scheduler.h"

namespace ggml_sched {

// Returns what the program of the allocated graph depends on now.
ProgramKey Scheduler::key() const {
    const GraphVersion & version = cut_.comparison().version();
    return {cur_copy_, version.layout,       version.place, allocation_.places(),          allocation_.buffers(),
            streamed_, topology_.n_refusals, mode(),        observer_.callback != nullptr, offered_};
}

plan::Mode Scheduler::mode() const {
    switch (settings_.sync_mode) {
    case GGML_SCHED_SYNC_BARRIER: return plan::Mode::Barrier;
    case GGML_SCHED_SYNC_SERIAL: return plan::Mode::Serial;
    default: return plan::Mode::Auto;
    }
}

// Lowers the allocated graph, whatever is kept.
Lowered Scheduler::lower_afresh() {
    LoweringOptions options = {mode(), observer_.callback != nullptr, offered_, copy_limits_, experts_.banks_in_use()};
    if (offered_ != Offered::Nothing) {
        options.banks.read.clear(); // The copy callback may have written the weights since.
    }
    return lower(cut_graph(), allocation_.adjacent_copies(), *streamed_, backends_, topology_, options, spaces_);
}

// Makes what the executor needs for copies in chunks out of pageable memory. Returns false if there is no memory for
// it. The topology notes this, and the graph has to be lowered again.
bool Scheduler::prepare_staging(const Lowered & lowered) {
    for (size_t b = 0; b < backends_.size(); b++) {
        for (const plan::Lane lane : {topology_.lane_of[b], topology_.stream_of[b]}) {
            const size_t bytes = lane == plan::kHost ? 0 : lowered.staged[lane];
            if (bytes > 0 && !executor_->prepare_staging(lane, bytes)) {
                topology_.cannot_stage[b] = true;
                return false;
            }
        }
    }
    return true;
}

// Finds the program of the allocated graph: a kept one, or a new one.
void Scheduler::lower_graph() {
    BackendId src = kNoBackend;
    BackendId dst = kNoBackend;
    if (executor_->take_refusal(src, dst)) {
        topology_.links[src][dst].async = false;
        topology_.n_refusals++;
    }
    if (streamed_->whole_experts != streaming_.streams_whole(cut_.streamed().experts)) {
        plan_streaming(); // A measured run has changed the choice.
    }
    const auto find_kept = [this] {
        const ProgramKey now = key();
        return programs_.find(
            [&](const ProgramKey & key, const KeptProgram &) { return key.equals(now, hooks_.ignored); });
    };
    if (KeptProgram * const kept = settings_.reuse ? find_kept() : nullptr) {
        if (std::exchange(program_, kept) != kept) {
            kept->bind(view(), slots_); // The program may have been bound to another graph.
        }
        return;
    }
    program_ = nullptr;
    const auto refused_before = std::exchange(topology_.cannot_stage, {}); // There may be memory by now.
    Lowered made = lower_afresh();
    while (!prepare_staging(made)) { // A device has refused memory. The next program does without it.
        made = lower_afresh();
    }
    topology_.n_refusals += topology_.cannot_stage != refused_before ? 1 : 0;
    program_ = &programs_.add(key(), {std::move(made), {}, {}});
}

// Forgets the kept results, since one of them was wrong, and returns the error. The numbers of the tensors stay until
// the next graph: the allocated graph still needs them.
Status Scheduler::stale(const std::string & what) {
    is_stale_ = true;
    forget_programs();
    free_inputs_.forget();
    kept_streams_.forget();
    return Status::failed("what was kept of an earlier graph does not hold for this one: " + what +
                          "; please report it. GGML_SCHED_REUSE=0 runs every stage anew");
}

// The functions prove_...() fail if a kept result does not hold for the graph.
Status Scheduler::prove_cut() {
    const std::string difference = cut_.find_stale(worked_on_, assignments(), limits(), offered_ != Offered::Nothing);
    return difference.empty() ? Status{} : stale(difference);
}

Status Scheduler::prove_streams() {
    const Status status = prove_stream_plan();
    const bool is_too_small = status.ok() && streamed_ != nothing_streamed_ && !streams_.in_the_way(*streamed_).empty();
    return is_too_small ? stale("streaming: the ring is too small") : status;
}

Status Scheduler::prove_stream_plan() {
    if (streamed_ == nothing_streamed_) {
        return {};
    }
    const StreamedExperts & experts = cut_.streamed().experts;
    const StreamPlan fresh = plan_streams(view(), splits(), cut_.streamed(), assignment(), backends_, topology_,
                                          streamed_->memory, streaming_.streams_whole(experts));
    const std::string difference = find_difference(*streamed_, fresh);
    return difference.empty() ? Status{} : stale("streaming: " + difference);
}

Status Scheduler::prove_places() {
    const std::string fault = allocation_.find_misplaced(cut_graph(), split_graphs_);
    return fault.empty() ? Status{} : stale("places: " + fault);
}

Status Scheduler::prove_program() {
    const std::string difference = find_difference(program_->lowered, lower_afresh());
    return difference.empty() ? Status{} : stale("program: " + difference);
}

Status Scheduler::prove_plan(const KeptPlan & kept) {
    const plan::Planned fresh =
        plan::make_plan(machine_, program_->lowered.program, *in_flight_.history(), hooks_.rules);
    std::string difference = find_difference(*kept.plan, fresh.plan);
    if (difference.empty() && !(*kept.after == fresh.next)) {
        difference = "it leaves something else in flight";
    }
    return difference.empty() ? Status{} : stale("plan: " + difference);
}

// Returns the plan of the program for what is in flight: a kept one, or a new one.
KeptPlan & Scheduler::find_plan(bool & is_kept) {
    const std::shared_ptr<const plan::History> & in_flight = in_flight_.history();
    KeptPlan * const kept = settings_.reuse ? program_->plans.find(in_flight, hooks_.ignored) : nullptr;
    is_kept = kept != nullptr;
    if (is_kept) {
        return *kept;
    }
    executor_->stats.plans++;
    if (!program_->names) {
        program_->names =
            std::make_shared<const observe::Names>(names_of(program_->lowered, splits(), backends_, topology_));
    }
    return program_->plans.add(in_flight,
                               plan::make_plan(machine_, program_->lowered.program, *in_flight, hooks_.rules));
}

// Fails if the plan does not order every hazard, or if the program loses an input.
Status Scheduler::verify(KeptPlan & kept) {
    if (!settings_.verify) {
        has_unverified_runs_ = true;
        return {};
    }
    if (!kept.verified) {
        if (const std::string lost = find_lost_input(program_->lowered, splits()); !lost.empty()) {
            return Status::failed("the program loses an input: " + lost);
        }
        const TensorsAt tensors_at(view(), splits(), program_->lowered.copies, spaces_);
        const std::string violation = verifier_.check(*kept.plan, program_->names, tensors_at);
        if (!violation.empty()) {
            return Status::failed("the plan does not order everything: " + violation);
        }
        const std::string superfluous =
            hooks_.refuses_superfluous_waits ? verifier_.find_superfluous_wait(*kept.plan) : "";
        if (!superfluous.empty()) {
            return Status::failed(superfluous);
        }
        kept.verified = true;
    }
    verifier_.note(kept.plan, program_->names);
    return {};
}

// Returns true if this is the graph that was taken last, and not another one at its address.
bool Scheduler::is_same_graph(const ggml_cgraph * graph) const {
    return graph && graph == graph_ && host::identity_of(graph) == identity_;
}

// Returns true if another scheduler has registered memory of the allocated graph since it was taken. What was planned
// for pageable memory does not hold any more.
bool Scheduler::has_memory_changed() {
    const uint64_t before = std::exchange(n_registered_, host::n_registered());
    return n_registered_ != before && !view().has_same_buffers();
}

Status Scheduler::compute_async(ggml_cgraph * graph) {
    if (!graph) {
        return Status::failed("the graph is NULL");
    }
    const bool is_it = is_allocated_ && is_same_graph(graph);
    const bool lacks_offers = is_it && copy_callback_.function && offered_ == Offered::Nothing;
    const bool lacks_nodes = is_it && observer_.callback && !experts_.parted().is_empty();
    const bool has_other_memory = is_it && has_memory_changed();
    if (lacks_offers || lacks_nodes) {
        reallocations_.forget(); // other splits need other buffers
    }
    if (!is_it || lacks_offers || lacks_nodes || has_other_memory) {
        if (Status status = allocate(graph, Inputs::Written); !status.ok()) {
            return status;
        }
    }
    Status status = run();
    if (!status.ok()) {
        in_flight_.abandon("the run failed");
        forget_copies();
        return status;
    }
    Status earlier = {GGML_STATUS_SUCCESS, executor_->take_failures_of_earlier_runs()};
    if (!earlier.message.empty()) {
        forget_copies();
    }
    return earlier;
}

// Forgets what devices hold of weights, since copies may have failed, too.
void Scheduler::forget_copies() noexcept {
    experts_.forget_entries();
    executor_->forget_weights();
}

Status Scheduler::compute(ggml_cgraph * graph) {
    Status status = compute_async(graph);
    wait_for_all();
    const Executor::Failures failures = executor_->take_failures();
    if (!failures.text.empty()) {
        forget_copies();
    }
    if (status.ok() && failures.of_last_run) {
        status.code = GGML_STATUS_FAILED;
    }
    status.message += (status.message.empty() || failures.text.empty() ? "" : "; ") + failures.text;
    return status;
}

// Runs the stages of graph_compute_async. Each step below is one stage.
Status Scheduler::run() {
    // Between calls the nodes have the operands that the caller built. During the run they read the copies.
    const OperandsGuard guard(split_graphs_, experts_);
    experts_.replace_operands();
    split_graphs_.replace_operands();
    // Verification may have been switched on after the allocation.
    if (settings_.verify && !std::exchange(are_places_proved_, true)) {
        if (Status status = prove_places(); !status.ok()) {
            return status;
        }
    }
    // The program: copies and launches, in order, with the bytes that each touches.
    lower_graph();
    if (settings_.verify) {
        Status status = prove_streams();
        status = status.ok() ? prove_program() : status;
        if (!status.ok()) {
            return status;
        }
    }
    // Snapshots, and copies from device to device through the host, pass through a ring of host memory.
    if (Status status = executor_->prepare_ring(program_->lowered.ring_bytes); !status.ok()) {
        return status;
    }
    // The verifier knows nothing of runs without verification, so the host waits for them first.
    if (settings_.verify && std::exchange(has_unverified_runs_, false)) {
        in_flight_.synchronize();
    }
    // The plan: waits between the tasks of this run, and for what earlier runs may still be doing.
    bool is_kept = false;
    KeptPlan & kept = find_plan(is_kept);
    if (is_kept && settings_.verify) {
        if (Status status = prove_plan(kept); !status.ok()) {
            return status;
        }
    }
    // A plan that does not order every hazard is not performed.
    if (Status status = verify(kept); !status.ok()) {
        return status;
    }
    // Events are made before the first step, so that a run breaks off only where a device fails.
    if (!kept.has_events) {
        if (Status status = executor_->prepare(*kept.plan); !status.ok()) {
            return status;
        }
        kept.has_events = true;
    }
    // The run counts as started from here on, and the next run is planned behind it.
    executor_->stats.runs++;
    last_plan_ = kept.plan;
    last_names_ = program_->names;
    last_streams_ = streamed_;
    in_flight_.add_run(kept.after, kept.idle);
    const Observer observer = observer_; // The eval callback may set another one during the run.
    return experts_.is_on() ? perform_with_experts(*kept.plan, observer)
                            : perform(*kept.plan, run_bindings(), observer);
}

// Performs a plan of a graph that may use resident experts, and notes what it learns about them.
Status Scheduler::perform_with_experts(const plan::Plan & plan, const Observer & observer) {
    LaunchTimer timer = {clock_, computes_missing_};
    RunBindings bindings = run_bindings();
    bindings.timer = computes_missing_.empty() ? nullptr : &timer;
    const double begin = clock_.now_us();
    experts_.begin_run();
    Status status = perform(plan, bindings, observer);
    if (!status.ok()) {
        return status;
    }
    experts_.note_time(clock_.now_us() - begin, timer.us);
    return count_experts();
}

// Performs a plan. Streamed experts that lie in banks of their device need not be sent.
Status Scheduler::perform(const plan::Plan & plan, const RunBindings & bindings, const Observer & observer) {
    if (streamed_->experts.bytes == 0) {
        return executor_->run(plan, bindings, observer);
    }
    size_t in_banks = 0;
    for (const CopyBinding & copy : bindings.copies) {
        if (copy.form == CopyForm::FromBank && copy.dst_backend == streamed_->experts.backend) {
            in_banks += static_cast<size_t>(copy.residency->n_in_entries()) * copy.src->nb[expert_dimension(copy.src)];
        }
    }
    return streaming_.run(plan, bindings, observer, *streamed_, in_banks);
}

// Counts the pairs of the run. Fails if a router has named an expert that does not exist.
Status Scheduler::count_experts() {
    std::string failure;
    const ExpertCounts counts = experts_.take_counts(failure);
    stats().expert_pairs += counts.pairs;
    stats().expert_misses += counts.missed;
    stats().expert_uploads += counts.uploaded;
    stats().expert_banks_off = static_cast<uint64_t>(experts_.n_off());
    return failure.empty() ? Status{} : Status::failed(failure);
}

RunBindings Scheduler::run_bindings() {
    return {program_->lowered.copies, splits().splits, split_graphs_.graphs(), copy_callback_};
}

void Scheduler::wait() const {
    for (const host::Backend & backend : backends_) {
        host::synchronize(backend.handle);
    }
}

Status Scheduler::synchronize() {
    wait_for_all();
    Status earlier = {GGML_STATUS_SUCCESS, executor_->take_failures().text};
    if (!earlier.message.empty()) {
        forget_copies();
    }
    return earlier;
}

// Waits for all backends. If no graph is allocated, the next one gets copy index 0.
void Scheduler::wait_for_all() {
    for (const host::Backend & backend : backends_) {
        if (!backend.async) {
            host::synchronize(backend.handle); // The backend has no lane, but the caller may have enqueued work on it.
        }
    }
    in_flight_.synchronize();
    if (!is_allocated_) {
        // The same copy index for every token of a generation, so that backends see the same graph again.
        next_copy_ = 0;
    }
}

} // namespace ggml_sched
