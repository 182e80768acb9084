#include "observe/tracer.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <new>

#include "host/log.h"
#include "host/system.h"
#include "observe/text.h"
#include "observe/trace_json.h"

namespace ggml_sched::observe {

using plan::TaskKind;
using Kind = TraceSlice::Kind;

std::unique_ptr<Tracer> Tracer::open(const std::string & path, const std::vector<host::Backend> & backends,
                                     const Topology & topology, const plan::Machine & machine, Status & status) {
    std::FILE * file = host::open_for_writing(path);
    if (!file) {
        status = Status::failed("cannot write the trace to '" + path + "': " + std::strerror(errno));
        return nullptr;
    }
    try {
        return std::unique_ptr<Tracer>(new Tracer(file, path, backends, topology, machine));
    } catch (...) {
        (void) std::fclose(file);
        throw;
    }
}

Tracer::Tracer(std::FILE * file, std::string path, const std::vector<host::Backend> & backends,
               const Topology & topology, const plan::Machine & machine)
    : file_(file)
    , path_(std::move(path))
    , backends_(backends)
    , clock_(backends)
    , window_(static_cast<uint64_t>(machine.window))
    , last_clock_us_(clock_.now_us())
    , lanes_(static_cast<size_t>(machine.n_lanes)) {
    offset_us_ = -last_clock_us_;
    trace_.device_clock = clock_.is_devices();
    trace_.lanes.resize(lanes_.size());
    trace_.lanes[plan::kHost] = "host";
    for (size_t b = 0; b < backends.size(); b++) {
        const plan::Lane lane = topology.lane_of[b];
        if (lane != plan::kHost) {
            lanes_[lane].backend = &backends[b];
            trace_.lanes[lane] = backends[b].name;
        }
    }
    for (LaneState & lane : lanes_) {
        lane.recorded.resize(window_);
    }
}

Tracer::~Tracer() {
    try {
        if (const Status status = finish(); !status.ok()) {
            host::log_error(status.message);
        }
    } catch (const std::bad_alloc &) {
        host::log_error("out of host memory: the trace has not been written");
    }
}

Status Tracer::finish() {
    if (!file_) {
        return {};
    }
    Status status = write();
    file_ = nullptr;
    return status;
}

// Writes the trace, and closes the file however that ends.
Status Tracer::write() {
    bool complete = false;
    try {
        complete = write_json(trace_, file_);
    } catch (...) {
        (void) std::fclose(file_);
        file_ = nullptr;
        throw;
    }
    complete = std::fclose(file_) == 0 && complete;
    return complete ? Status{} : Status::failed("cannot write all of the trace to '" + path_ + "': is the disk full?");
}

// Calls the function unless the trace is cut. If it throws, the trace is cut, and the run goes on.
template <typename Function> void Tracer::unless_cut(Function function) noexcept {
    if (trace_.cut) {
        return;
    }
    try {
        function();
    } catch (...) {
        trace_.cut = true;
    }
}

// Returns the time of the trace. It goes on where somebody sets the clock back (ggml_backend_sim_reset_clock).
double Tracer::now() {
    const double clock_us = clock_.now_us();
    if (clock_us < last_clock_us_) {
        offset_us_ = latest_us_ - clock_us;
    }
    last_clock_us_ = clock_us;
    latest_us_ = std::max(latest_us_, clock_us + offset_us_);
    return clock_us + offset_us_;
}

void Tracer::stream_begins(plan::Lane lane, const host::Backend & backend) noexcept {
    lanes_[lane].backend = &backend;
    unless_cut([&] { trace_.lanes[lane] = backend.name; });
}

void Tracer::run_begins(const plan::Plan & plan, const RunBindings & bindings) noexcept {
    run_++;
    plan_ = &plan;
    bindings_ = &bindings;
    const bool is_graph = plan.program.n_splits > 0; // Other plans have only waits, or samples of a link.
    slice_run_ = shown_run_ + 1;
    shown_run_ += is_graph ? 1 : 0;
    unless_cut([&] {
        if (is_graph) {
            TraceSlice slice;
            slice.kind = Kind::Run;
            slice.run = slice_run_;
            slice.name = trace_.name("run " + std::to_string(slice_run_));
            slice.object = trace_.name(bindings.note);
            slice.start_us = slice.finish_us = now();
            (void) trace_.add(slice);
        }
    });
}

void Tracer::call_begins() noexcept {
    call_start_us_ = now();
}

void Tracer::waited(const plan::Wait & wait) noexcept {
    unless_cut([&] {
        const bool on_host = wait.waiter == plan::kHost;
        const auto task = static_cast<size_t>(wait.reason.task);
        TraceSlice slice;
        slice.kind = Kind::Wait;
        slice.run = slice_run_;
        slice.split = plan_->program.tasks[task].split;
        slice.name = trace_.name("wait for " + trace_.lanes[wait.target]);
        slice.object = trace_.name(target_text(wait));
        const SliceId from = awaited(wait);
        const SliceId to = on_host ? add_on_host(slice, call_start_us_) : add_called(wait.waiter, slice);
        if (on_host) {
            done(wait.target, from);
        }
        TraceArrow arrow = {TraceArrow::Kind::Wait, from, to, wait.reason.cause};
        explain(wait.reason, arrow);
        (void) trace_.add(arrow);
    });
}

// Says in the arrow why the plan has this wait.
void Tracer::explain(const plan::Reason & reason, TraceArrow & arrow) {
    const std::vector<plan::Task> & tasks = plan_->program.tasks;
    const bool is_throttle = reason.cause == plan::WaitCause::Throttle;
    arrow.task = trace_.name(is_throttle ? "run " + std::to_string(slice_run_)
                                         : task_text(tasks[static_cast<size_t>(reason.task)]));
    if (reason.cause == plan::WaitCause::Mode) {
        arrow.other = trace_.name("all that is queued");
        return;
    }
    arrow.other = trace_.name(reason.other == plan::kEarlierRun ? "an earlier run"
                                                                : task_text(tasks[static_cast<size_t>(reason.other)]));
    arrow.bytes = is_throttle ? 0 : reason.bytes.end - reason.bytes.begin;
}

void Tracer::recorded(const plan::Step & step) noexcept {
    unless_cut([&] {
        TraceSlice slice;
        slice.kind = Kind::Record;
        slice.run = slice_run_;
        slice.split = step.split;
        slice.name = trace_.name("record event " + std::to_string(step.event));
        std::vector<Recorded> & events = lanes_[step.lane].recorded[run_ % window_];
        const auto event = static_cast<size_t>(step.event);
        events.resize(std::max(events.size(), event + 1));
        events[event] = {run_, add_called(step.lane, slice)};
    });
}

void Tracer::performed(const plan::Task & task, size_t bytes) noexcept {
    unless_cut([&] {
        const bool sets = task.kind == TaskKind::SetAsync || task.kind == TaskKind::SetNow;
        if (task.kind == TaskKind::CallerRead || (sets && bytes == 0)) {
            return; // The host has made no call.
        }
        const TraceSlice slice = slice_of(task, bytes);
        const SliceId id = task.lane == plan::kHost ? add_on_host(slice, call_start_us_) : add_called(task.lane, slice);
        if (task.kind == TaskKind::CopyAsync) {
            hand_over(task, id, slice);
        }
    });
}

// Adds the arrow of the order that an asynchronous copy promises by itself: see plan::CopyOrder.
void Tracer::hand_over(const plan::Task & task, SliceId copy, const TraceSlice & slice) {
    TraceArrow arrow = {TraceArrow::Kind::Copy, copy, kNoSlice};
    arrow.task = slice.name;
    arrow.bytes = slice.bytes;
    if (task.lane != task.destination) {
        lanes_[task.destination].arriving.push_back(arrow);
    } else if (task.source != plan::kHost && lanes_[task.source].last != kNoSlice) {
        arrow.from = lanes_[task.source].last;
        arrow.to = copy;
        (void) trace_.add(arrow);
    }
}

void Tracer::wait_begins() noexcept {
    wait_start_us_ = now();
}

void Tracer::synchronized(plan::Lane lane, const char * why) noexcept {
    unless_cut([&] {
        const double end = now();
        const bool knows_all = lane == plan::kHost || lanes_[lane].unfinished.empty();
        if (knows_all && end - wait_start_us_ < 1) {
            return; // There was nothing to wait for.
        }
        TraceSlice slice;
        slice.kind = Kind::Synchronize;
        slice.run = slice_run_;
        slice.name = trace_.name("synchronize " + trace_.lanes[lane]);
        slice.object = trace_.name("all of " + trace_.lanes[lane]);
        const SliceId from = lanes_[lane].last;
        const SliceId to = add_on_host(slice, wait_start_us_);
        done(lane, from);
        lanes_[lane].begun_us = -1;
        TraceArrow arrow = {TraceArrow::Kind::Synchronize, from, to};
        arrow.other = trace_.name(why);
        (void) trace_.add(arrow);
        call_start_us_ = now(); // If this was within a call, the rest of the call begins now.
    });
}

void Tracer::chunk_sent(plan::Lane lane, ggml_backend_event_t event) noexcept {
    unless_cut([&] {
        LaneState & state = lanes_[lane];
        state.before_chunk[event] = state.last;
        host::OperationTimes times = {};
        if (state.begun_us < 0 && clock_.last_operation(*state.backend, times)) {
            state.begun_us = times.start_us + offset_us_;
        }
    });
}

// The chunk may belong to the copy that is being made. Only what came before that copy is known to be done.
void Tracer::waited_for_chunk(plan::Lane lane, ggml_backend_event_t event) noexcept {
    unless_cut([&] {
        TraceSlice slice;
        slice.kind = Kind::Synchronize;
        slice.run = slice_run_;
        slice.name = trace_.name("wait for " + trace_.lanes[lane]);
        slice.object = trace_.name("a chunk of pinned memory");
        const auto sent = lanes_[lane].before_chunk.find(event);
        add_begun_call(lane);
        const bool is_known = sent != lanes_[lane].before_chunk.end() && sent->second != kNoSlice;
        const SliceId from = is_known ? sent->second : before_trace(lane);
        const SliceId to = add_on_host(slice, wait_start_us_);
        done(lane, from);
        TraceArrow arrow = {TraceArrow::Kind::Synchronize, from, to};
        arrow.other = trace_.name("copies out of pageable memory: the chunk is still being read");
        (void) trace_.add(arrow);
        call_start_us_ = now();
    });
}

// Adds the part of a call that came before a wait in the call.
void Tracer::add_begun_call(plan::Lane lane) {
    TraceSlice slice;
    slice.run = slice_run_;
    slice.lane = plan::kHost;
    slice.name = trace_.name("copy in chunks");
    slice.object = trace_.name(trace_.lanes[lane]);
    slice.start_us = call_start_us_;
    slice.finish_us = wait_start_us_;
    (void) trace_.add(slice);
}

// Adds a slice of the host that ends now.
SliceId Tracer::add_on_host(TraceSlice slice, double start_us) {
    slice.lane = plan::kHost;
    slice.start_us = start_us;
    slice.finish_us = now();
    return trace_.add(slice);
}

// Adds a slice of a lane: what a call that has just returned enqueued there.
SliceId Tracer::add_on_lane(plan::Lane lane, TraceSlice slice) {
    LaneState & state = lanes_[lane];
    slice.lane = lane;
    slice.start_us = std::max(call_start_us_, state.last_us);
    slice.finish_us = slice.start_us;
    host::OperationTimes times = {};
    slice.exact = clock_.last_operation(*state.backend, times) && times.start_us + offset_us_ >= state.last_us;
    if (slice.exact) {
        slice.start_us = times.start_us + offset_us_;
        slice.finish_us = times.finish_us + offset_us_;
        if (state.begun_us >= state.last_us) {
            slice.start_us = state.begun_us;
        }
    } else if (!clock_.is_devices()) {
        slice.finish_us = std::max(slice.start_us, now());
    }
    state.last_us = slice.finish_us;
    state.begun_us = -1;
    latest_us_ = std::max(latest_us_, slice.finish_us);
    const SliceId id = trace_.add(slice);
    if (id != kNoSlice) {
        state.last = id;
        state.unfinished.push_back(id);
        for (TraceArrow & arrow : state.arriving) {
            arrow.to = id;
            (void) trace_.add(arrow);
        }
        state.arriving.clear();
    }
    return id;
}

// Adds what the host has enqueued: a slice of the call on the host, and a slice on the lane.
SliceId Tracer::add_called(plan::Lane lane, const TraceSlice & slice) {
    TraceSlice call = slice;
    call.kind = Kind::Call;
    call.object = trace_.name(trace_.lanes[lane]);
    (void) add_on_host(call, call_start_us_);
    return add_on_lane(lane, slice);
}

// Notes that the host knows now that the lane has come to the end of `last`.
void Tracer::done(plan::Lane lane, SliceId last) {
    std::vector<SliceId> & unfinished = lanes_[lane].unfinished;
    if (last == kNoSlice || last == lanes_[lane].before) {
        return;
    }
    const auto end = std::upper_bound(unfinished.begin(), unfinished.end(), last);
    const double time = now();
    for (auto id = unfinished.begin(); id != end; ++id) {
        trace_.slices[*id].done_by_us = time;
    }
    unfinished.erase(unfinished.begin(), end);
}

// Returns the slice that a wait of the plan waits for.
SliceId Tracer::awaited(const plan::Wait & wait) {
    LaneState & target = lanes_[wait.target];
    if (wait.event == plan::kWholeLane) {
        return target.last != kNoSlice ? target.last : before_trace(wait.target);
    }
    if (run_ > wait.age) {
        const uint64_t run = run_ - wait.age;
        const std::vector<Recorded> & events = target.recorded[run % window_];
        const auto event = static_cast<size_t>(wait.event);
        if (event < events.size() && events[event].run == run) {
            return events[event].slice;
        }
    }
    return before_trace(wait.target);
}

// Returns the slice that stands for what was done before the trace began.
SliceId Tracer::before_trace(plan::Lane lane) {
    SliceId & before = lanes_[lane].before;
    if (before == kNoSlice) {
        TraceSlice slice;
        slice.kind = Kind::Before;
        slice.lane = lane;
        slice.name = trace_.name("before the trace");
        before = trace_.add(slice);
    }
    return before;
}

TraceSlice Tracer::slice_of(const plan::Task & task, size_t bytes) {
    TraceSlice slice;
    slice.run = slice_run_;
    slice.split = task.split;
    slice.bytes = task.bytes;
    slice.name = trace_.name(task_text(task));
    switch (task.kind) {
    case TaskKind::CallerRead:
    case TaskKind::Return: slice.kind = Kind::Return; break;
    case TaskKind::Observe: slice.kind = Kind::Observe; break;
    case TaskKind::Launch:
        slice.kind = Kind::Launch;
        slice.object = trace_.name(backends_[bindings_->splits[task.binding].backend].name);
        break;
    default:
        slice.kind = task.kind == TaskKind::Snapshot ? Kind::Snapshot : Kind::Copy;
        slice.object = trace_.name(without_backend(bindings_->copies[task.binding].dst->name));
        slice.bytes = bytes;
        break;
    }
    return slice;
}

std::string Tracer::task_text(const plan::Task & task) const {
    const auto tensor = [&] { return without_backend(bindings_->copies[task.binding].dst->name); };
    switch (task.kind) {
    case TaskKind::CallerRead: return "the caller's reads";
    case TaskKind::Return: return "inputs are the caller's again";
    case TaskKind::Launch: return "launch split " + std::to_string(task.split);
    case TaskKind::Observe: return "the eval callback looks at split " + std::to_string(task.split);
    case TaskKind::Snapshot: return "snapshot " + tensor();
    case TaskKind::SetAsync:
        return "copy " + tensor() + others_text(bindings_->copies[task.binding].n_merged - 1) +
               (bindings_->copies[task.binding].bank ? " from its bank" : " from host");
    case TaskKind::GetAsync: return "copy " + tensor() + " to host";
    case TaskKind::CopyAsync: return "copy " + tensor() + " to " + trace_.lanes[task.destination];
    case TaskKind::SetNow:
    case TaskKind::CopyNow: return "copy, blocking, " + tensor();
    case TaskKind::Offer: return "offer " + tensor() + " to the copy callback";
    }
    return {};
}

std::string Tracer::target_text(const plan::Wait & wait) const {
    const std::string & lane = trace_.lanes[wait.target];
    if (wait.event == plan::kWholeLane) {
        return "all of " + lane;
    }
    const std::string text = lane + " event " + std::to_string(wait.event);
    return wait.age == 0 ? text
                         : text + " of " + std::to_string(wait.age) + (wait.age == 1 ? " run" : " runs") + " ago";
}

} // namespace ggml_sched::observe
