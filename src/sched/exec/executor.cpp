#include "exec/executor.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace ggml_sched {

Executor::Executor(const std::vector<host::Backend> & backends, const Topology & topology,
                   const plan::Machine & machine)
    : backends_(backends)
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

void Executor::prepare_staging() {
    for (Queue & queue : queues_) {
        queue.stages = queue.streams && stager_.prepare(*queue.backend);
    }
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
    if (observer.callback && wait_for_slices) {
        wait_for_earlier_runs();
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
    return run(plan, {no_copies, no_splits, no_graphs}, {});
}

// Compiled with and without a listener, so that a run without one does not pay for the possibility.
template <bool kListened>
Status Executor::run_steps(const plan::Plan & plan, const Work & work, const Observer & observer) {
    const auto call_begins = [&] {
        if constexpr (kListened) {
            listener_->call_begins();
        }
    };
    for (const plan::Step & step : plan.steps) {
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
            break;
        case plan::StepKind::Record:
            call_begins();
            record(step);
            if constexpr (kListened) {
                listener_->recorded(step);
            }
            break;
        case plan::StepKind::Do: {
            const plan::Task & task = plan.program.tasks[step.task];
            call_begins();
            if (Status status = perform(task, work, observer); !status.ok()) {
                return status;
            }
            if constexpr (kListened) {
                const bool in_slices = task.kind == plan::TaskKind::Launch && observer.callback;
                if (!in_slices) {
                    listener_->performed(task);
                }
            }
            break;
        }
        }
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

Status Executor::perform(const plan::Task & task, const Work & work, const Observer & observer) {
    switch (task.kind) {
    case plan::TaskKind::Launch: return launch(task, work, observer);
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
            return set_used_experts(copy, work.copies[copy.ids], queues_[task.lane]);
        }
        set_async(copy, queues_[task.lane]);
        break;
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

void Executor::set_async(const CopyBinding & copy, Queue & queue) {
    const void * data = copy.via_ring ? ring(copy) : copy.src->data;
    pieces_.assign(1, {0, static_cast<const char *>(data), copy.bytes});
    send(copy.dst, queue, copy.pageable);
    stats.async_copies++;
    stats.streamed_bytes += copy.streamed ? copy.bytes : 0;
}

// Sends pieces_.
void Executor::send(ggml_tensor * dst, Queue & queue, bool pageable) {
    queue.idle = false;
    if (pageable && queue.stages) {
        stager_.copy(*queue.backend, dst, pieces_);
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
    pieces_.assign(1, {0, data, bytes});
    send(dst, queues_[lane], pageable);
    host::synchronize(queues_[lane].backend->handle);
}

Status Executor::set_used_experts(const CopyBinding & copy, const CopyBinding & ids, Queue & queue) {
    const char * named = ids.via_ring ? ring(ids) : static_cast<const char *>(ids.src->data);
    const int64_t n_experts = copy.src->ne[2];
    if (Status status = used_experts_.find(ids.src, named, n_experts); !status.ok()) {
        return status;
    }
    // Kernels for quantized weights read a little past the last row, and what they find there must be numbers.
    const size_t size = copy.src->nb[2];
    const size_t padding = std::min<size_t>(size, 512);
    pieces_.clear();
    for (const ExpertRange & range : used_experts_.ranges()) {
        const size_t offset = static_cast<size_t>(range.begin) * size;
        const size_t bytes =
            static_cast<size_t>(range.end - range.begin) * size + (range.end < n_experts ? padding : 0);
        const char * data = static_cast<const char *>(copy.src->data) + offset;
        pieces_.push_back({offset, data, bytes});
        stats.async_copies++;
        stats.bytes_copied += bytes;
        stats.streamed_bytes += copy.streamed ? bytes : 0;
        bytes_by_ids_ += bytes;
    }
    send(copy.dst, queue, copy.pageable);
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
    // Refused after all. Waiting for both sides keeps every order that the plan relies on.
    host::synchronize(src);
    host::synchronize(dst);
    host::copy_blocking(copy.src, copy.dst);
    stats.host_waits += 2;
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

Status Executor::launch(const plan::Task & task, const Work & work, const Observer & observer) {
    const host::Backend & backend = backends_[work.splits[task.binding].backend];
    const host::GraphHandle & graph = work.graphs[task.binding];
    stats.launches++;
    if (observer.callback) {
        return launch_observed(task, backend.handle, graph, observer);
    }
    const ggml_status code = host::launch(backend.handle, graph.get());
    if (code != GGML_STATUS_SUCCESS) {
        return {code, "split " + std::to_string(task.binding) + " failed on " + backend.name + ": " +
                          ggml_status_to_string(code)};
    }
    return {};
}

// The observer wants to see some nodes: the split is launched in slices that end with such a node, and the host waits
// for each.
Status Executor::launch_observed(const plan::Task & task, ggml_backend_t backend, const host::GraphHandle & graph,
                                 const Observer & observer) {
    const host::Nodes nodes = host::nodes_of(graph.get());
    host::GraphHandle slice;
    for (int begin = 0, end = 0; begin < nodes.size; begin = end) {
        bool wanted = false;
        while (!wanted && end < nodes.size) {
            wanted = observer.callback(nodes[end++], true, observer.user_data);
        }
        slice.slice(graph, begin, end);
        if (listener_) {
            listener_->call_begins();
        }
        const ggml_status code = host::launch(backend, slice.get());
        if (code != GGML_STATUS_SUCCESS) {
            return {code,
                    std::string("nodes up to '") + nodes[end - 1]->name + "' failed: " + ggml_status_to_string(code)};
        }
        if (listener_) {
            listener_->performed(task);
        }
        if (wait_for_slices) {
            synchronize(task.lane, backend, "the eval callback wants to see results");
            stats.host_waits++;
        }
        if (wanted && !observer.callback(nodes[end - 1], false, observer.user_data)) {
            return {GGML_STATUS_ABORTED,
                    std::string("the eval callback stopped the run at '") + nodes[end - 1]->name + "'"};
        }
    }
    return {};
}

// An observer may be shown a view of memory that belongs to another lane than the slice, and that an earlier run is
// still writing.
void Executor::wait_for_earlier_runs() {
    for (size_t lane = 1; lane < queues_.size(); lane++) {
        if (!queues_[lane].backend || queues_[lane].idle) {
            continue;
        }
        synchronize(static_cast<plan::Lane>(lane), queues_[lane].backend->handle,
                    "the eval callback wants to see results");
        stats.host_waits++;
    }
}

void Executor::use_stream(plan::Lane lane, const host::Backend & backend) {
    if (queues_[lane].backend != &backend) {
        queues_[lane] = {&backend, true, true};
    }
}

// A wait that no plan asked for
void Executor::synchronize(plan::Lane lane, ggml_backend_t backend, const char * why) {
    if (listener_) {
        listener_->call_begins();
    }
    host::synchronize(backend);
    if (listener_) {
        listener_->synchronized(lane, why);
    }
}

void Executor::synchronize_all(const char * why) {
    for (size_t lane = 1; lane < queues_.size(); lane++) {
        Queue & queue = queues_[lane];
        if (queue.backend && !queue.idle) {
            synchronize(static_cast<plan::Lane>(lane), queue.backend->handle, why);
            queue.idle = queue.streams;
        }
    }
    for (std::vector<int16_t> & lane : last_recorded_) {
        std::fill(lane.begin(), lane.end(), plan::kWholeLane);
    }
    ring_.forget_before(run_ + 1);
}

} // namespace ggml_sched
