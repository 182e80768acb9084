#include "simulator.h"

#include "device.h"
#include "ggml-cpu.h"

#include <algorithm>
#include <cstdarg>
#include <cstdio>
#include <new>

namespace ggml_sched::sim {

namespace {

// Never destroyed: programs may free their backends from destructors of their own statics.
Simulator & the_simulator() {
    alignas(Simulator) static unsigned char storage[sizeof(Simulator)];
    static Simulator & simulator = *new (storage) Simulator;
    return simulator;
}

std::mutex & the_mutex() {
    static std::mutex mutex;
    return mutex;
}

// What op still waits for, or NULL
const CompletionRef * first_pending(const Operation & op) {
    auto pending = std::find_if(op.after.begin(), op.after.end(), [](const CompletionRef & c) { return !c->done; });
    return pending != op.after.end() ? &*pending : nullptr;
}

} // namespace

Session::Session()
    : simulator_(the_simulator())
    , lock_(the_mutex()) {}

Simulator::Simulator() {
    for (size_t i = 0; i < devices.size(); i++) {
        init_device(devices[i], static_cast<int>(i));
    }
}

//
// Queues
//

void Simulator::add_queue(Queue & queue) {
    queues_.reserve(queues_.size() + 1);
    if (cpu_ == nullptr) {
        cpu_ = ggml_backend_cpu_init();
        if (cpu_ == nullptr) {
            throw std::bad_alloc();
        }
        ggml_backend_cpu_set_n_threads(cpu_, 1);
    }
    queue.temper = adversary.draw_temper();
    queues_.push_back(&queue);
}

void Simulator::remove_queue(Queue & queue) {
    if (queue.last != nullptr) {
        execute_until(queue.last);
    }
    queues_.erase(std::find(queues_.begin(), queues_.end(), &queue));
    if (queues_.empty()) {
        ggml_backend_free(cpu_);
        cpu_ = nullptr;
        snapshot_storage_.clear();
    }
}

void Simulator::set_seed(uint64_t seed) {
    adversary.set_seed(seed);
    for (Queue * queue : queues_) {
        queue->temper = adversary.draw_temper();
    }
}

bool Simulator::is_idle() const {
    return std::all_of(queues_.begin(), queues_.end(), [](const Queue * queue) { return queue->operations.empty(); });
}

CompletionRef Simulator::enqueue(Queue & queue, Operation && operation, double cost_us, CopyEngine * engine) {
    for (const Queue * other : queues_) {
        if (queue.device.config.one_queue && operation.kind == OperationKind::Record &&
            &other->device == &queue.device && other->last) {
            operation.after.push_back(other->last);
        }
    }
    const double reached_us = queue.last != nullptr ? std::max(now_us_, finish_of(*queue.last)) : now_us_;
    double start_us = reached_us;
    for (const CompletionRef & other : operation.after) {
        start_us = std::max(start_us, finish_of(*other));
    }
    if (engine != nullptr) {
        start_us = engine->reserve(now_us_, start_us, cost_us);
    }
    auto completion = std::make_shared<Completion>();
    completion->queue = &queue;
    completion->start_us = operation.kind == OperationKind::Wait ? reached_us : start_us;
    completion->finish_us = start_us + cost_us;
    completion->clock_epoch = clock_epoch_;
    operation.completion = completion;
    operation.mark = queue.mark;
    queue.operations.push_back(std::move(operation));
    for (const AllocationRef & allocation : queue.operations.back().uses) {
        allocation->in_flight++;
    }
    queue.last = completion;
    return completion;
}

//
// Execution
//

bool Simulator::is_ready(const Queue & queue) {
    return !queue.operations.empty() && first_pending(queue.operations.front()) == nullptr;
}

void Simulator::compute(Queue & queue, Operation & operation) {
    if (!operation.graph->is_empty()) {
        ggml_cgraph graph = operation.graph->as_graph();
        const enum ggml_status status = ggml_backend_graph_compute(cpu_, &graph);
        if (status != GGML_STATUS_SUCCESS) {
            queue.fail(operation.mark);
            GGML_LOG_ERROR("%s: a launched graph has failed on %s (%s); the next launch there reports it\n", __func__,
                           queue.device.name, ggml_status_to_string(status));
        }
    }
    operation.graph->clear();
    if (snapshot_storage_.size() < snapshot_storage_.capacity()) {
        snapshot_storage_.push_back(std::move(operation.graph));
    }
}

void Simulator::execute(Queue & queue, Operation & operation) {
    switch (operation.kind) {
    case OperationKind::Compute: compute(queue, operation); break;
    case OperationKind::Set:
    case OperationKind::Get:
    case OperationKind::Copy: operation.transfer.run(); break;
    case OperationKind::Record:
    case OperationKind::Wait: break;
    }
}

void Simulator::execute_head(Queue & queue) {
    Operation operation = std::move(queue.operations.front());
    queue.operations.pop_front();
    for (const AllocationRef & allocation : operation.uses) {
        allocation->in_flight--;
    }
    execute(queue, operation);
    operation.completion->done = true;
}

void Simulator::execute_until(const CompletionRef & goal) {
    while (!goal->done) {
        // Follow the waits to an operation that can run. They go back in time, so no queue is met twice.
        CompletionRef next = goal;
        while (const CompletionRef * blocker = first_pending(next->queue->operations.front())) {
            next = *blocker;
        }
        execute_head(*next->queue);
        if (!adversary.is_lazy() && adversary.one_in(8)) {
            let_adversary_act();
        }
    }
}

void Simulator::let_adversary_act() {
    if (adversary.is_lazy() || queues_.empty()) {
        return;
    }
    // In two rounds, starting anywhere: what one queue did may make another one ready.
    const size_t n_visits = 2 * queues_.size();
    const size_t first = adversary.below(queues_.size());
    const bool backwards = adversary.one_in(2);
    for (size_t i = 0; i < n_visits; i++) {
        Queue & queue = *queues_[(first + (backwards ? n_visits - i : i)) % queues_.size()];
        if (adversary.one_in(64)) {
            queue.temper = adversary.draw_temper();
        }
        if (!is_ready(queue)) {
            continue;
        }
        for (size_t n = adversary.draw_steps(queue.temper); n > 0 && is_ready(queue); n--) {
            execute_head(queue);
        }
    }
}

void Simulator::run_now(Queue & queue, Operation && operation, double cost_us) {
    now_us_ += cost_us;
    operation.mark = queue.mark;
    execute(queue, operation);
}

std::unique_ptr<GraphSnapshot> Simulator::take_snapshot_storage() {
    snapshot_storage_.reserve(64); // more are not worth keeping
    if (snapshot_storage_.empty()) {
        return std::make_unique<GraphSnapshot>();
    }
    std::unique_ptr<GraphSnapshot> snapshot = std::move(snapshot_storage_.back());
    snapshot_storage_.pop_back();
    return snapshot;
}

//
// Events
//

bool Simulator::has_wait_for_earlier_record(const Event & event) const {
    return std::any_of(queues_.begin(), queues_.end(), [&](const Queue * queue) {
        return std::any_of(queue->operations.begin(), queue->operations.end(), [&](const Operation & operation) {
            return operation.kind == OperationKind::Wait && operation.event == &event &&
                   operation.after.front() != event.record;
        });
    });
}

ggml_backend_event_t Simulator::new_event(Device & device) {
    auto event = std::make_unique<Event>();
    event->handle = {&device.handle, event.get()};
    live_events_.insert(event.get());
    device.n_events++;
    return &event.release()->handle;
}

Event * Simulator::live_event(ggml_backend_event_t event) const {
    auto * candidate = static_cast<Event *>(event->context);
    return live_events_.count(candidate) != 0 ? candidate : nullptr;
}

void Simulator::forget_kept_records() {
    for (Event * event : live_events_) {
        event->n_kept_records = 0;
    }
}

void Simulator::free_event(ggml_backend_event_t handle) {
    Event * event = live_event(handle);
    if (event == nullptr) {
        violation(nullptr, "an event is freed twice");
        return;
    }
    for (Queue * queue : queues_) {
        for (const Operation & operation : queue->operations) {
            if (operation.event == event) {
                violation(queue, "an event is freed while %s of it is queued on %s; synchronize first",
                          name_of(operation.kind), queue->device.name);
            }
        }
    }
    live_events_.erase(event);
    static_cast<Device *>(handle->device->context)->n_events--;
    event->record.reset();
    freed_events_[next_freed_event_].reset(event);
    next_freed_event_ = (next_freed_event_ + 1) % freed_events_.size();
}

//
// Clock
//

bool Simulator::wait_on_clock(const Completion & completion) {
    const double finish_us = finish_of(completion);
    if (finish_us <= now_us_) {
        return false;
    }
    now_us_ = finish_us;
    return true;
}

bool Simulator::last_operation_times(const Queue & queue, double & start_us, double & finish_us) const {
    if (queue.last == nullptr || queue.last->clock_epoch != clock_epoch_) {
        return false;
    }
    start_us = queue.last->start_us;
    finish_us = queue.last->finish_us;
    return true;
}

bool Simulator::reset_clock() {
    if (!is_idle()) {
        return false;
    }
    now_us_ = 0;
    clock_epoch_++;
    for (Device & device : devices) {
        device.from_host.reset();
        device.to_host.reset();
    }
    return true;
}

//
// Failures that a test asks for
//

bool Simulator::is_to_fail(Device & device, enum ggml_sim_call call) {
    int & left = device.calls_until_failure[(size_t) call];
    if (left == 0 || --left > 0) {
        return false;
    }
    counters.injected_failures++;
    GGML_LOG_ERROR("sim: %s of %s fails, as ggml_backend_sim_fail asked for\n", ggml_sim_call_name(call), device.name);
    return true;
}

bool Simulator::is_to_fail(Queue & queue, enum ggml_sim_call call) {
    const bool fails = is_to_fail(queue.device, call);
    if (fails) {
        queue.fail(queue.mark);
    }
    return fails;
}

void Simulator::fail_queue_of(const Completion & completion) {
    const auto queue = std::find(queues_.begin(), queues_.end(), completion.queue);
    if (queue != queues_.end()) {
        (*queue)->fail((*queue)->mark);
    }
}

//
// Rules
//

void Simulator::violation(Queue * queue, const char * format, ...) {
    char text[512];
    va_list args;
    va_start(args, format);
    (void) std::vsnprintf(text, sizeof(text), format, args); // NOLINT(clang-analyzer-valist.Uninitialized): it is
    va_end(args);
    counters.contract_violations++;
    if (queue != nullptr) {
        queue->fail(queue->mark);
    }
    GGML_LOG_ERROR("sim: contract violation: %s\n", text);
}

void Simulator::report_uses_in_flight(const Allocation & allocation) {
    if (allocation.in_flight == 0) {
        return;
    }
    for (Queue * queue : queues_) {
        for (const Operation & operation : queue->operations) {
            const auto & uses = operation.uses;
            if (std::any_of(uses.begin(), uses.end(),
                            [&](const AllocationRef & use) { return use.get() == &allocation; })) {
                violation(queue,
                          "a buffer of %s (%zu bytes) is freed while %s, queued on %s, uses it; synchronize first",
                          devices[(size_t) allocation.device].name, allocation.size, name_of(operation.kind),
                          queue->device.name);
                break;
            }
        }
    }
}

} // namespace ggml_sched::sim
