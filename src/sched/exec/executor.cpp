#include "exec/executor.h"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <new>
#include <utility>

#include "host/tuning.h"

namespace ggml_sched {

// Returns a number that no other run has, of any scheduler: several may use one backend.
static uint64_t next_mark() {
    static std::atomic<uint64_t> last{0};
    return ++last;
}

// The executor remembers this many failed runs: runs that nobody waits for may fail again and again.
static constexpr size_t kMostFailedRuns = 8;

// Returns true if the step performs a task of this kind.
static bool is_do(const plan::Plan & plan, size_t step, plan::TaskKind kind) {
    return plan.steps[step].kind == plan::StepKind::Do && plan.program.tasks[plan.steps[step].task].kind == kind;
}

Executor::Executor(const std::vector<host::Backend> & backends, const Topology & topology,
                   const plan::Machine & machine)
    : backends_(backends)
    , topology_(topology)
    , queues_(machine.n_lanes)
    , window_(machine.window)
    , n_sets_(2 * window_ - 1)
    , events_(machine.n_lanes, std::vector<Events>(n_sets_))
    , last_recorded_(machine.n_lanes, std::vector<int16_t>(n_sets_, plan::kWholeLane))
    , ring_(topology.ring_buft, machine.window) {
    failed_runs_.reserve(kMostFailedRuns);
    for (size_t b = 0; b < backends.size(); b++) {
        queues_[topology.lane_of[b]].backend = &backends[b];
    }
}

Executor::~Executor() {
    for (size_t lane = 0; lane < events_.size(); lane++) {
        if (queues_[lane].owed) { // Then all earlier records of the lane are reached, too.
            host::finish_device(*queues_[lane].backend, queues_[lane].owed);
            continue;
        }
        for (size_t set = 0; set < n_sets_; set++) {
            const int16_t last = last_recorded_[lane][set];
            if (last != plan::kWholeLane) {
                host::event_synchronize(events_[lane][set][last]);
            }
        }
    }
    for (const std::vector<Events> & lane : events_) {
        for (const Events & events : lane) {
            for (const ggml_backend_event_t event : events) {
                host::event_free(event);
            }
        }
    }
}

Status Executor::prepare(const plan::Plan & plan) {
    for (size_t lane = 1; lane < events_.size(); lane++) {
        for (Events & events : events_[lane]) {
            // There is room before there is an event, so that no event gets lost.
            events.reserve(static_cast<size_t>(plan.n_events[lane]));
            while (events.size() < static_cast<size_t>(plan.n_events[lane])) {
                const ggml_backend_event_t event = host::event_new(queues_[lane].backend->device);
                if (!event) {
                    return Status::no_memory("device of " + queues_[lane].backend->name +
                                             " could not make another event");
                }
                events.push_back(event);
            }
        }
    }
    return {};
}

bool Executor::prepare_staging(plan::Lane lane, size_t bytes_waiting) {
    return stager_.prepare(*queues_[lane].backend, bytes_waiting);
}

Status Executor::prepare_ring(size_t bytes) {
    if (run_ >= window_) {
        ring_.forget_before(run_ - window_ + 1); // Run run_ has waited for the runs up to run_ - window_.
    }
    if (bytes >= Tuning::kSharedFrom) {
        stager_.start_threads();
    }
    if (ring_.fit(bytes, run_ + 1)) {
        return {};
    }
    return Status::no_memory("no host memory for " + std::to_string(bytes * window_) +
                             " bytes of input snapshots; use smaller batches");
}

Status Executor::run(const plan::Plan & plan, const RunBindings & bindings, const Observer & observer) {
    run_++;
    mark_ = next_mark();
    note_failures();
    bytes_by_ids_ = 0;
    for (std::vector<int16_t> & lane : last_recorded_) {
        lane[run_ % n_sets_] = plan::kWholeLane;
    }
    if (listener_) {
        listener_->run_begins(plan, bindings);
    }
    broken_off_ = mark_; // It stays so if an exception leaves the run.
    make_owed_records();
    Status status = listener_ ? run_steps<true>(plan, bindings, observer) : run_steps<false>(plan, bindings, observer);
    broken_off_ = status.ok() ? kNoRun : mark_;
    return status;
}

Status Executor::run(const plan::Plan & plan, const std::vector<CopyBinding> & copies) {
    const std::vector<Split> no_splits;
    const std::vector<host::GraphHandle> no_graphs;
    return run(plan, {copies, no_splits, no_graphs}, {});
}

// Performs all steps. Functions that tell a listener are compiled twice, so that a run without one does not pay for it.
template <bool kListened>
Status Executor::run_steps(const plan::Plan & plan, const RunBindings & bindings, const Observer & observer) {
    for (size_t i = 0; i < plan.steps.size(); i++) {
        if (plan.program.observed && is_do(plan, i, plan::TaskKind::Launch)) {
            const size_t launch = i;
            while (!is_do(plan, i, plan::TaskKind::Observe)) {
                i++;
            }
            if (Status status = run_slices<kListened>(plan, launch, i, bindings, observer); !status.ok()) {
                return status;
            }
        } else if (Status status = run_step<kListened>(plan, plan.steps[i], bindings, nullptr); !status.ok()) {
            return status;
        }
    }
    return {};
}

// Performs the steps from the launch to its Observe once for each slice.
template <bool kListened>
Status Executor::run_slices(const plan::Plan & plan, size_t launch, size_t observe, const RunBindings & bindings,
                            const Observer & observer) {
    Slices slices(bindings.graphs[plan.program.tasks[plan.steps[launch].task].binding], observer);
    Status status;
    while (status.ok() && slices.next()) {
        for (size_t i = launch; status.ok() && i <= observe; i++) {
            status = run_step<kListened>(plan, plan.steps[i], bindings, &slices);
        }
    }
    return status;
}

template <bool kListened>
Status Executor::run_step(const plan::Plan & plan, const plan::Step & step, const RunBindings & bindings,
                          Slices * slices) {
    const auto call_begins = [&] {
        if constexpr (kListened) {
            listener_->call_begins();
        }
    };
    switch (step.kind) {
    case plan::StepKind::Guard:
    case plan::StepKind::Barrier:
        for (uint32_t i = 0; i < step.n_waits; i++) {
            call_begins();
            wait(plan.waits[step.first_wait + i]);
            if constexpr (kListened) {
                listener_->waited(plan.waits[step.first_wait + i]);
            }
        }
        return {};
    case plan::StepKind::Record:
        call_begins();
        record(step);
        if constexpr (kListened) {
            listener_->recorded(step);
        }
        return {};
    case plan::StepKind::Do: break;
    }
    const plan::Task & task = plan.program.tasks[step.task];
    call_begins();
    if (Status status = perform(task, bindings, slices); !status.ok()) {
        return status;
    }
    if constexpr (kListened) {
        listener_->performed(task, moved_bytes_);
    }
    return {};
}

// Makes a wait of the plan, on the host or on a queue.
void Executor::wait(const plan::Wait & wait) {
    const bool on_host = wait.waiter == plan::kHost;
    uint64_t & counter = !on_host                                         ? stats.device_waits
                         : wait.reason.cause == plan::WaitCause::Throttle ? stats.throttle_waits
                                                                          : stats.host_waits;
    counter++;
    if (wait.event == plan::kWholeLane) {
        host::synchronize(queues_[wait.target].backend->handle);
        return;
    }
    const ggml_backend_event_t event = events_[wait.target][(run_ - wait.age) % n_sets_][wait.event];
    if (on_host) {
        host::event_synchronize(event);
    } else {
        queues_[wait.waiter].idle = false;
        host::event_wait(queues_[wait.waiter].backend->handle, event);
    }
}

void Executor::record(const plan::Step & step) {
    const uint64_t set = run_ % n_sets_;
    const ggml_backend_event_t event = events_[step.lane][set][step.event];
    Queue & queue = queues_[step.lane];
    queue.idle = false; // An event counts as work, even if no byte had to be copied before it.
    last_recorded_[step.lane][set] = step.event;
    stats.records++;
    if (step.is_put_off) {
        queue.owed = event;
    } else {
        record(event, *queue.backend);
    }
}

void Executor::record(ggml_backend_event_t event, const host::Backend & backend) {
    if (backend.keeps_records) {
        host::event_synchronize(event); // The run of its last record is done, see n_sets_.
    }
    host::event_record(event, backend.handle);
}

void Executor::make_owed_records() {
    for (Queue & queue : queues_) {
        if (const ggml_backend_event_t event = std::exchange(queue.owed, nullptr)) {
            record(event, *queue.backend);
        }
    }
}

Status Executor::perform(const plan::Task & task, const RunBindings & bindings, const Slices * slices) {
    switch (task.kind) {
    case plan::TaskKind::Launch: return launch(task, bindings, slices);
    case plan::TaskKind::Observe: return observe(slices);
    case plan::TaskKind::CallerRead:
    case plan::TaskKind::Return: return {}; // The caller does these.
    default: break;
    }

    const CopyBinding & copy = bindings.copies[task.binding];
    moved_bytes_ = copy.bytes;
    switch (task.kind) {
    case plan::TaskKind::Snapshot: take_snapshot(copy); return {};
    case plan::TaskKind::SetAsync: return set(copy, task, bindings);
    case plan::TaskKind::SetNow: return set_now(copy, bindings);
    case plan::TaskKind::Offer: offer(copy, task, bindings); return {};
    case plan::TaskKind::GetAsync: get_async(copy); break;
    case plan::TaskKind::CopyAsync: copy_async(copy); break;
    default: copy_now(copy); break;
    }
    stats.bytes_copied += copy.bytes;
    return {};
}

void Executor::take_snapshot(const CopyBinding & copy) {
    moved_bytes_ = bytes_now(copy);
    if (moved_bytes_ < Tuning::kSharedFrom) {
        std::memcpy(ring(copy), copy.src->data, moved_bytes_);
    } else {
        stager_.copy(ring(copy), static_cast<const char *>(copy.src->data), moved_bytes_);
    }
    stats.snapshots++;
    stats.snapshot_bytes += moved_bytes_;
}

bool Executor::take_refusal(BackendId & src, BackendId & dst) {
    src = refused_src_;
    dst = refused_dst_;
    return std::exchange(refused_, false);
}

Status Executor::launch(const plan::Task & task, const RunBindings & bindings, const Slices * slices) {
    const host::Backend & backend = backends_[bindings.splits[task.binding].backend];
    const host::GraphHandle & graph = slices ? slices->slice() : bindings.graphs[task.binding];
    stats.launches++;
    LaunchTimer * const timer = bindings.timer && bindings.timer->is_timed[task.binding] ? bindings.timer : nullptr;
    const double begin = timer ? timer->clock.now_us() : 0.0;
    ggml_status code = host::launch(backend.handle, graph.get());
    if (timer) {
        timer->us += timer->clock.now_us() - begin;
    }
    if (code != GGML_STATUS_SUCCESS && note_failure(task.lane)) {
        code = host::launch(backend.handle, graph.get()); // The backend reported the failure of an earlier run.
    }
    if (code != GGML_STATUS_SUCCESS) {
        const host::Nodes nodes = host::nodes_of(graph.get());
        const std::string which =
            nodes.size == 0 ? ""
                            : std::string(" (nodes '") + nodes[0]->name + "' to '" + nodes[nodes.size - 1]->name + "')";
        return {code, "split " + std::to_string(task.binding) + which + " failed on " + backend.name + ": " +
                          ggml_status_to_string(code) + "; the log of the backend says why"};
    }
    return {};
}

// Shows a slice to the observer. Returns ABORTED if the observer ends the run.
Status Executor::observe(const Slices * slices) {
    if (!slices || slices->show()) {
        return {};
    }
    return {GGML_STATUS_ABORTED, "the eval callback stopped the run at '" + std::string(slices->last()->name) + "'"};
}

void Executor::use_stream(plan::Lane lane, const host::Backend & backend) {
    if (queues_[lane].backend != &backend) {
        queues_[lane] = {&backend, true, true};
        if (listener_) {
            listener_->stream_begins(lane, backend);
        }
    }
}

void Executor::set_listener(StepListener * listener) {
    listener_ = listener;
    for (size_t lane = 1; listener && lane < queues_.size(); lane++) {
        if (queues_[lane].streams) {
            listener->stream_begins(static_cast<plan::Lane>(lane), *queues_[lane].backend);
        }
    }
}

void Executor::wait_unplanned(plan::Lane lane, const char * why) {
    synchronize(lane, why);
    stats.host_waits++;
    stats.unplanned_waits++;
}

void Executor::synchronize(plan::Lane lane, const char * why) {
    if (listener_) {
        listener_->wait_begins();
    }
    Queue & queue = queues_[lane];
    host::synchronize(queue.backend->handle);
    queue.idle = queue.streams;
    if (listener_) {
        listener_->synchronized(lane, why);
    }
}

void Executor::synchronize() {
    for (size_t lane = 1; lane < queues_.size(); lane++) {
        if (queues_[lane].is_in_use()) {
            synchronize(static_cast<plan::Lane>(lane), "the caller synchronizes");
        }
    }
    forget_runs();
}

void Executor::abandon(const char * why) {
    for (size_t lane = 1; lane < queues_.size(); lane++) {
        if (queues_[lane].is_in_use()) {
            wait_unplanned(static_cast<plan::Lane>(lane), why);
        }
    }
    forget_runs();
    forget_weights(); // Copies may have failed, too.
    note_failures();
    forget_failures_of(std::exchange(broken_off_, kNoRun)); // The caller knows the failure of the run that broke off.
}

bool Executor::note_failure(plan::Lane lane) {
    const host::Backend * backend = queues_[lane].backend;
    uint64_t mark = mark_;
    if (!backend || host::take_failure(*backend, mark) == GGML_STATUS_SUCCESS) {
        return false;
    }
    forget_weights(); // Copies of weights may have failed.
    if (failed_runs_.size() == kMostFailedRuns) {
        failed_runs_.erase(failed_runs_.begin());
    }
    failed_runs_.push_back({mark, backend}); // The constructor has made room.
    return mark != mark_;
}

void Executor::note_failures() {
    for (size_t lane = 1; lane < queues_.size(); lane++) {
        if (queues_[lane].backend && queues_[lane].backend->take_failure) { // Few backends tell failures.
            note_failure(static_cast<plan::Lane>(lane));
        }
    }
}

void Executor::forget_failures_of(uint64_t run) {
    failed_runs_.erase(std::remove_if(failed_runs_.begin(), failed_runs_.end(),
                                      [run](const FailedRun & failed) { return failed.mark == run; }),
                       failed_runs_.end());
}

std::string Executor::text_of_failures() const {
    std::string text;
    for (const FailedRun & failed : failed_runs_) {
        text += (text.empty() ? "" : "; ") + std::string(failed.mark == mark_ ? "the run" : "an earlier run") +
                " failed on " + failed.backend->name +
                " after it had been launched: its results are not valid, and the log says why";
    }
    return text;
}

Executor::Failures Executor::take_failures() {
    note_failures();
    Failures result = {std::any_of(failed_runs_.begin(), failed_runs_.end(),
                                   [this](const FailedRun & failed) { return failed.mark == mark_; }),
                       text_of_failures()};
    failed_runs_.clear();
    return result;
}

std::string Executor::take_failures_of_earlier_runs() {
    const auto is_earlier = [this](const FailedRun & failed) { return failed.mark != mark_; };
    if (std::none_of(failed_runs_.begin(), failed_runs_.end(), is_earlier)) {
        return "";
    }
    std::string text = text_of_failures(); // It also names a failure of the last run that is known already.
    failed_runs_.erase(std::remove_if(failed_runs_.begin(), failed_runs_.end(), is_earlier), failed_runs_.end());
    return text;
}

// Notes that nothing is in flight.
void Executor::forget_runs() {
    for (std::vector<int16_t> & lane : last_recorded_) {
        std::fill(lane.begin(), lane.end(), plan::kWholeLane);
    }
    for (Queue & queue : queues_) {
        queue.owed = nullptr;
    }
    ring_.forget_before(run_ + 1);
}

} // namespace ggml_sched
