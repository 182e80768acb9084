#include "observe/order_graph.h"

#include <algorithm>

namespace ggml_sched::observe {

using plan::kHost;
using plan::StepKind;
using plan::TaskKind;

OrderGraph::OrderGraph(const plan::Machine & machine)
    : machine_(machine)
    , tails_(machine.n_lanes)
    , records_(static_cast<size_t>(machine.n_lanes) * machine.window)
    , stride_(static_cast<size_t>(machine.n_lanes) + 2)
    , lengths_(machine.n_lanes, 0) {}

// The host issues every step, so each step comes after all that the host has done. A lane works in order.
void OrderGraph::comes_after_issue_on(plan::Lane lane) {
    comes_after(kHost);
    if (lane != kHost) {
        comes_after(lane);
    }
}

// Makes a row of before_ for the new vertex.
void OrderGraph::begin_vertex() {
    const size_t end = (vertices_.size() + 1) * stride_;
    if (before_.size() < end) {
        before_.resize(2 * end, 0);
    }
}

// The new vertex comes after `earlier`, and after all that comes before `earlier`.
void OrderGraph::comes_after_vertex(uint32_t earlier) {
    const uint32_t * known = before(earlier);
    uint32_t * row = before(static_cast<uint32_t>(vertices_.size()));
    for (size_t chain = 0; chain < lengths_.size(); chain++) {
        row[chain] = std::max(row[chain], known[chain]);
    }
    row[chain_of_[earlier]] = std::max(row[chain_of_[earlier]], position_of_[earlier] + 1);
}

// Adds the vertex that was begun, and returns its number.
uint32_t OrderGraph::end_vertex(const Vertex & vertex) {
    const uint32_t id = static_cast<uint32_t>(vertices_.size());
    vertices_.push_back(vertex);
    choose_chain(id);
    return id;
}

// Appends a vertex to a chain. All of the chain must come before the vertex. Each lane has a chain. Copies that are in
// no lane's order share the chains behind these.
void OrderGraph::choose_chain(uint32_t id) {
    const uint32_t * row = before(id);
    size_t chain = vertices_[id].lane;
    for (size_t i = tails_.size(); row[chain] != lengths_[chain]; i++) {
        if (i == lengths_.size()) {
            lengths_.push_back(0);
            if (lengths_.size() > stride_) {
                widen();
                row = before(id);
            }
        }
        chain = i;
    }
    chain_of_.push_back(static_cast<uint32_t>(chain));
    position_of_.push_back(lengths_[chain]++);
}

// Makes room for twice as many chains.
void OrderGraph::widen() {
    const size_t wider = 2 * stride_;
    std::vector<uint32_t> rows(before_.size() / stride_ * wider, 0);
    for (size_t id = 0; id < vertices_.size(); id++) {
        std::copy_n(before_.begin() + static_cast<std::ptrdiff_t>(id * stride_), stride_,
                    rows.begin() + static_cast<std::ptrdiff_t>(id * wider));
    }
    before_ = std::move(rows);
    stride_ = wider;
}

// Adds a vertex that comes after all that its lane and the host have done.
void OrderGraph::add_to_lane(const Vertex & vertex) {
    begin_vertex();
    comes_after_issue_on(vertex.lane);
    tails_[vertex.lane].assign(1, end_vertex(vertex));
}

// Returns the vertex that records an event; kNone if none has recorded it.
uint32_t & OrderGraph::record_of(plan::Lane lane, uint32_t part, int16_t event) {
    std::vector<uint32_t> & events = records_[static_cast<size_t>(lane) * machine_.window + part];
    if (events.size() <= static_cast<size_t>(event)) {
        events.resize(static_cast<size_t>(event) + 1, kNone);
    }
    return events[event];
}

void OrderGraph::reserve(const std::vector<const plan::Plan *> & plans) {
    size_t n_vertices = vertices_.size();
    size_t n_accesses = accesses_.size();
    for (const plan::Plan * plan : plans) {
        const plan::Program & program = plan->program;
        n_vertices += plan->waits.size() + program.caller_reads.size();
        for (const plan::Step & step : plan->steps) { // A task that touches host memory at the call has two vertices.
            n_vertices += step.kind == StepKind::Record ? 1
                          : step.kind == StepKind::Do   ? 1 + program.tasks[step.task].reads_at_call
                                                        : 0;
        }
        n_accesses += program.accesses.size() + program.caller_reads.size();
    }
    vertices_.reserve(n_vertices);
    chain_of_.reserve(n_vertices);
    position_of_.reserve(n_vertices);
    before_.resize(std::max(before_.size(), n_vertices * stride_), 0);
    accesses_.reserve(n_accesses);
}

void OrderGraph::add_run(const plan::Plan & plan) {
    run_++;
    bool has_begun = false;
    for (uint32_t i = 0; i < plan.steps.size(); i++) {
        const plan::Step & step = plan.steps[i];
        if (step.kind == StepKind::Do && !has_begun) { // The host issues every task after all that it has done.
            has_begun = true;
            begin_of_run_ = tails_[kHost].empty() ? kNone : tails_[kHost].front();
        }
        switch (step.kind) {
        case StepKind::Do: add_task(plan.program.tasks[step.task], step.task, plan.program); break;
        case StepKind::Record:
            add_to_lane({run_, step.lane, step.kind, i, step.lane});
            record_of(step.lane, part_of_ring(), step.event) = tails_[step.lane].front();
            break;
        case StepKind::Guard:
        case StepKind::Barrier:
            for (uint32_t w = 0; w < step.n_waits; w++) {
                add_wait(plan.waits[step.first_wait + w], i);
            }
            break;
        }
    }
}

void OrderGraph::add_caller_reads(const std::vector<plan::CallerRead> & reads) {
    for (uint32_t i = 0; i < reads.size(); i++) {
        add_to_lane({run_, reads[i].lane, StepKind::Do, i, reads[i].lane, true});
        accesses_.push_back({tails_[reads[i].lane].front(), 0, reads[i].bytes});
    }
}

// Adds a task. A task that touches host memory at its call has a vertex on the host for the call.
void OrderGraph::add_task(const plan::Task & task, uint32_t index, const plan::Program & program) {
    if (task.kind == TaskKind::CallerRead) {
        return; // add_caller_reads() has added these reads after the run before.
    }
    if (task.reads_at_call) {
        add_to_lane({run_, kHost, StepKind::Do, index, kHost});
        add_accesses(task, program, plan::is_at_call);
    }
    const bool on_source = task.kind == TaskKind::CopyAsync && task.order != plan::CopyOrder::InDestination;
    const Vertex vertex = {run_, task.lane, StepKind::Do, index, on_source ? task.source : task.lane};
    if (task.kind == TaskKind::CopyAsync) {
        add_copy(task, vertex);
    } else {
        add_to_lane(vertex);
    }
    add_accesses(task, program, plan::is_after_call);
}

void OrderGraph::add_accesses(const plan::Task & task, const plan::Program & program, Includes includes) {
    const uint32_t id = static_cast<uint32_t>(vertices_.size() - 1);
    for (uint32_t i = 0; i < task.n_accesses; i++) {
        const plan::Access & bytes = program.accesses[task.first_access + i];
        const uint32_t place = bytes.space == plan::kRing ? part_of_ring() : 0;
        if (includes(task, bytes)) {
            accesses_.push_back({id, place, bytes});
        }
    }
}

// A copy comes after all that is queued on the source, and before all that is queued on the destination later. Other
// orders depend on the queue that runs it.
void OrderGraph::add_copy(const plan::Task & task, const Vertex & vertex) {
    begin_vertex();
    comes_after_issue_on(task.source);
    if (task.order == plan::CopyOrder::InDestination) {
        comes_after(task.destination);
    }
    const uint32_t copy = end_vertex(vertex);
    switch (task.order) {
    case plan::CopyOrder::InSource:
        tails_[task.source].assign(1, copy);
        tails_[task.destination].push_back(copy);
        break;
    case plan::CopyOrder::InDestination: tails_[task.destination].assign(1, copy); break;
    case plan::CopyOrder::Unordered: tails_[task.destination].push_back(copy); break;
    }
}

// Adds a wait: the waiter goes on when the target has come to the event, or to its end.
void OrderGraph::add_wait(const plan::Wait & wait, uint32_t step) {
    begin_vertex();
    comes_after_issue_on(wait.waiter);
    if (wait.event == plan::kWholeLane) {
        comes_after(wait.target);
    } else {
        // The wait is for the last record of the event. If there is none, it waits for nothing.
        const uint32_t part = (run_ + machine_.window - wait.age) % machine_.window;
        const uint32_t record = record_of(wait.target, part, wait.event);
        if (record != kNone) {
            comes_after_vertex(record);
        }
    }
    tails_[wait.waiter].assign(1, end_vertex({run_, wait.waiter, StepKind::Guard, step, wait.waiter}));
}

} // namespace ggml_sched::observe
