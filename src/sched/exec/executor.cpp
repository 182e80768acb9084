#include "exec/executor.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace ggml_sched {

// How many chunks a copy takes is not known to the plan: it depends on which experts the ids name.
class Executor::ChunkEvents final : public Stager::Events {
  public:
    ChunkEvents(Executor & executor, plan::Lane lane)
        : executor_(executor)
        , lane_(lane) {}

    void record(ggml_backend_event_t event) override {
        if (executor_.listener_) {
            executor_.listener_->chunk_sent(lane_, event); // while the copy is the lane's last operation
        }
        host::event_record(event, executor_.queues_[lane_].backend->handle);
    }

    void wait(ggml_backend_event_t event) override {
        if (executor_.listener_) {
            executor_.listener_->wait_begins();
        }
        host::event_synchronize(event);
        executor_.stats.host_waits++;
        executor_.stats.unplanned_waits++;
        if (executor_.listener_) {
            executor_.listener_->waited_for_chunk(lane_, event);
        }
    }

  private:
    Executor & executor_;
    const plan::Lane lane_;
};

static bool is_do(const plan::Plan & plan, size_t step, plan::TaskKind kind) {
    return plan.steps[step].kind == plan::StepKind::Do && plan.program.tasks[plan.steps[step].task].kind == kind;
}

Executor::Executor(const std::vector<host::Backend> & backends, const Topology & topology,
                   const plan::Machine & machine)
    : backends_(backends)
    , topology_(topology)
    , queues_(machine.n_lanes)
    , events_(machine.n_lanes, std::vector<Events>(machine.window))
    , last_recorded_(machine.n_lanes, std::vector<int16_t>(machine.window, plan::kWholeLane))
    , window_(machine.window)
    , ring_(topology.ring_buft, machine.window) {
    for (size_t b = 0; b < backends.size(); b++) {
        queues_[topology.lane_of[b]].backend = &backends[b];
    }
}

Executor::~Executor() {
    for (size_t lane = 0; lane < events_.size(); lane++) {
        for (size_t part = 0; part < window_; part++) {
            if (last_recorded_[lane][part] != plan::kWholeLane) {
                host::event_synchronize(events_[lane][part][last_recorded_[lane][part]]);
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

void Executor::prepare_staging(plan::Lane lane) {
    queues_[lane].stages = stager_.prepare(*queues_[lane].backend);
}

Status Executor::prepare_ring(size_t bytes) {
    if (run_ >= window_) {
        ring_.forget_before(run_ - window_ + 1); // the runs up to run_ - window_ are done: run_ waited for them
    }
    if (ring_.fit(bytes, run_ + 1)) {
        return {};
    }
    return Status::no_memory("no host memory for " + std::to_string(bytes * window_) +
                             " bytes of input snapshots; use smaller batches");
}

Status Executor::run(const plan::Plan & plan, const Work & work, const Observer & observer) {
    run_++;
    bytes_by_ids_ = 0;
    for (std::vector<int16_t> & lane : last_recorded_) {
        lane[run_ % window_] = plan::kWholeLane;
    }
    if (listener_) {
        listener_->run_begins(plan, work);
    }
    if (listener_) {
        return run_steps<true>(plan, work, observer);
    }
    return run_steps<false>(plan, work, observer);
}

Status Executor::run_waits(const plan::Plan & plan) {
    const std::vector<CopyBinding> no_copies;
    const std::vector<Split> no_splits;
    std::vector<host::GraphHandle> no_graphs;
    return run(plan, {no_copies, no_splits, no_graphs, {}}, {});
}

// These are compiled with and without a listener, so that a run without one does not pay for the possibility.
template <bool kListened>
Status Executor::run_steps(const plan::Plan & plan, const Work & work, const Observer & observer) {
    for (size_t i = 0; i < plan.steps.size(); i++) {
        if (plan.program.observed && is_do(plan, i, plan::TaskKind::Launch)) {
            const size_t launch = i;
            while (!is_do(plan, i, plan::TaskKind::Observe)) {
                i++;
            }
            if (Status status = run_slices<kListened>(plan, launch, i, work, observer); !status.ok()) {
                return status;
            }
        } else if (Status status = run_step<kListened>(plan, plan.steps[i], work, nullptr); !status.ok()) {
            return status;
        }
    }
    return {};
}

// Performs the steps from the launch to its Observe once for each slice.
template <bool kListened>
Status Executor::run_slices(const plan::Plan & plan, size_t launch, size_t observe, const Work & work,
                            const Observer & observer) {
    Slices slices(work.graphs[plan.program.tasks[plan.steps[launch].task].binding], observer);
    Status status;
    while (status.ok() && slices.next()) {
        for (size_t i = launch; status.ok() && i <= observe; i++) {
            status = run_step<kListened>(plan, plan.steps[i], work, &slices);
        }
    }
    return status;
}

template <bool kListened>
Status Executor::run_step(const plan::Plan & plan, const plan::Step & step, const Work & work, Slices * slices) {
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
    if (Status status = perform(task, work, slices); !status.ok()) {
        return status;
    }
    if constexpr (kListened) {
        listener_->performed(task);
    }
    return {};
}

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
    const ggml_backend_event_t event = events_[wait.target][(run_ - wait.age) % window_][wait.event];
    if (on_host) {
        host::event_synchronize(event);
    } else {
        host::event_wait(queues_[wait.waiter].backend->handle, event);
    }
}

void Executor::record(const plan::Step & step) {
    const uint64_t part = run_ % window_;
    host::event_record(events_[step.lane][part][step.event], queues_[step.lane].backend->handle);
    last_recorded_[step.lane][part] = step.event;
    stats.records++;
}

Status Executor::perform(const plan::Task & task, const Work & work, const Slices * slices) {
    switch (task.kind) {
    case plan::TaskKind::Launch: return launch(task, work, slices);
    case plan::TaskKind::Observe: return observe(slices);
    case plan::TaskKind::CallerRead:
    case plan::TaskKind::Return: return {}; // the caller's doing
    default: break;
    }

    const CopyBinding & copy = work.copies[task.binding];
    switch (task.kind) {
    case plan::TaskKind::Snapshot:
        std::memcpy(ring(copy), copy.src->data, copy.bytes);
        stats.snapshots++;
        stats.snapshot_bytes += copy.bytes;
        return {};
    case plan::TaskKind::SetAsync:
        if (copy.ids != kNoBinding) {
            return set_used_experts(copy, work.copies[copy.ids], task.lane);
        }
        set_async(copy, task.lane);
        return {};
    case plan::TaskKind::GetAsync: get_async(copy); break;
    case plan::TaskKind::CopyAsync: copy_async(copy); break;
    default:
        host::copy_blocking(copy.src, copy.dst);
        stats.blocking_copies++;
        break;
    }
    stats.bytes_copied += copy.bytes;
    return {};
}

void Executor::set_async(const CopyBinding & copy, plan::Lane lane) {
    if (is_kept(copy, lane)) {
        stats.kept_bytes += copy.bytes;
        return;
    }
    const void * data = copy.via_ring ? ring(copy) : copy.src->data;
    pieces_.assign(1, {0, static_cast<const char *>(data), copy.bytes});
    send(copy, lane);
}

// Sends pieces_ of it.
void Executor::send(const CopyBinding & copy, plan::Lane lane) {
    send(copy.dst, lane, copy.pageable);
    for (const Piece & piece : pieces_) {
        stats.async_copies++;
        stats.bytes_copied += piece.bytes;
        stats.streamed_bytes += copy.streamed ? piece.bytes : 0;
    }
}

bool Executor::is_kept(const CopyBinding & copy, plan::Lane lane) {
    if (!keeps_weights_ || !copy.streamed) {
        return false;
    }
    std::vector<bool> parts(static_cast<size_t>(copy.src->ne[2]), true);
    leave_out_kept(copy, lane, parts);
    return std::find(parts.begin(), parts.end(), true) == parts.end();
}

void Executor::leave_out_kept(const CopyBinding & copy, plan::Lane lane, std::vector<bool> & parts) {
    queues_[lane].kept.add({static_cast<const char *>(copy.dst->data), copy.src->data, copy.bytes, parts.size()},
                           parts);
}

void Executor::keep_weights(bool keep) {
    keeps_weights_ = keep;
    forget_weights();
}

void Executor::forget_weights() {
    for (Queue & queue : queues_) {
        queue.kept.forget();
    }
}

// Sends pieces_.
void Executor::send(ggml_tensor * dst, plan::Lane lane, bool pageable) {
    Queue & queue = queues_[lane];
    queue.idle = false;
    if (pageable && queue.stages) {
        ChunkEvents events(*this, lane);
        stager_.copy(*queue.backend, dst, pieces_, events);
        for (const Piece & piece : pieces_) {
            stats.staged_bytes += piece.bytes;
        }
        return;
    }
    for (const Piece & piece : pieces_) {
        host::set_async(queue.backend->handle, dst, piece.data, piece.offset, piece.bytes);
    }
}

void Executor::send_sample(plan::Lane lane, ggml_tensor * dst, const char * data, size_t bytes, bool pageable) {
    if (pageable) {
        prepare_staging(lane);
    }
    pieces_.assign(1, {0, data, bytes});
    send(dst, lane, pageable);
    wait_unplanned(lane, "the link is measured");
}

Status Executor::set_used_experts(const CopyBinding & copy, const CopyBinding & ids, plan::Lane lane) {
    const char * named = ids.via_ring ? ring(ids) : static_cast<const char *>(ids.src->data);
    const int64_t n_experts = copy.src->ne[2];
    if (Status status = used_experts_.find(ids.src, named, n_experts); !status.ok()) {
        return status;
    }
    const size_t size = copy.src->nb[2];
    if (keeps_weights_ && copy.streamed) {
        const auto n_used = std::count(used_experts_.used().begin(), used_experts_.used().end(), true);
        leave_out_kept(copy, lane, used_experts_.used());
        const auto n_new = std::count(used_experts_.used().begin(), used_experts_.used().end(), true);
        stats.kept_bytes += static_cast<size_t>(n_used - n_new) * size;
    }
    // Kernels for quantized weights read a little past the last row, and what they find there must be numbers.
    const size_t padding = std::min<size_t>(size, 512);
    pieces_.clear();
    for (const ExpertRange & range : used_experts_.ranges()) {
        const size_t offset = static_cast<size_t>(range.begin) * size;
        const size_t bytes =
            static_cast<size_t>(range.end - range.begin) * size + (range.end < n_experts ? padding : 0);
        pieces_.push_back({offset, static_cast<const char *>(copy.src->data) + offset, bytes});
        bytes_by_ids_ += bytes;
    }
    send(copy, lane);
    return {};
}

void Executor::get_async(const CopyBinding & copy) {
    void * data = copy.via_ring ? ring(copy) : copy.dst->data;
    host::get_async(backends_[copy.src_backend].handle, copy.src, data);
    stats.async_copies++;
}

void Executor::copy_async(const CopyBinding & copy) {
    const ggml_backend_t src = backends_[copy.src_backend].handle;
    const ggml_backend_t dst = backends_[copy.dst_backend].handle;
    if (host::copy_async(src, dst, copy.src, copy.dst)) {
        stats.async_copies++;
        return;
    }
    // Refused after all, which no plan can know. Waiting for both sides keeps every order that the plan relies on.
    for (const BackendId backend : {copy.src_backend, copy.dst_backend}) {
        wait_unplanned(topology_.lane_of[backend], "an asynchronous copy was refused");
    }
    host::copy_blocking(copy.src, copy.dst);
    stats.blocking_copies++;
    refused_ = true;
    refused_src_ = copy.src_backend;
    refused_dst_ = copy.dst_backend;
}

bool Executor::take_refusal(BackendId & src, BackendId & dst) {
    src = refused_src_;
    dst = refused_dst_;
    return std::exchange(refused_, false);
}

Status Executor::launch(const plan::Task & task, const Work & work, const Slices * slices) {
    const host::Backend & backend = backends_[work.splits[task.binding].backend];
    const host::GraphHandle & graph = slices ? slices->slice() : work.graphs[task.binding];
    stats.launches++;
    const ggml_status code = host::launch(backend.handle, graph.get());
    if (code != GGML_STATUS_SUCCESS) {
        const std::string nodes = slices ? ", up to '" + std::string(slices->last()->name) + "'," : "";
        return {code, "split " + std::to_string(task.binding) + nodes + " failed on " + backend.name + ": " +
                          ggml_status_to_string(code)};
    }
    return {};
}

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
    forget_weights(); // copies may have failed, too
}

// Nothing is in flight.
void Executor::forget_runs() {
    for (std::vector<int16_t> & lane : last_recorded_) {
        std::fill(lane.begin(), lane.end(), plan::kWholeLane);
    }
    ring_.forget_before(run_ + 1);
}

} // namespace ggml_sched
