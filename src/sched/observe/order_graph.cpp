#include "observe/order_graph.h"

#include <cstddef>

namespace ggml_sched::observe {

using plan::kHost;
using plan::StepKind;
using plan::TaskKind;

OrderGraph::OrderGraph(const plan::Machine & machine)
    : machine_(machine)
    , tails_(machine.n_lanes) {}

uint32_t OrderGraph::add_vertex(const Vertex & vertex, Predecessors predecessors) {
    vertices_.push_back(vertex);
    predecessors_.push_back(std::move(predecessors));
    return static_cast<uint32_t>(vertices_.size() - 1);
}

void OrderGraph::append(Predecessors & to, plan::Lane lane) const {
    to.insert(to.end(), tails_[lane].begin(), tails_[lane].end());
}

// The host issues every step: it comes after all that the host has done. And a lane is in order.
OrderGraph::Predecessors OrderGraph::issued_on(plan::Lane lane) const {
    Predecessors result = tails_[kHost];
    if (lane != kHost) {
        append(result, lane);
    }
    return result;
}

void OrderGraph::add_to_lane(const Vertex & vertex) {
    tails_[vertex.lane] = {add_vertex(vertex, issued_on(vertex.lane))};
}

void OrderGraph::add_run(const plan::Plan & plan) {
    run_++;
    for (uint32_t i = 0; i < plan.steps.size(); i++) {
        const plan::Step & step = plan.steps[i];
        switch (step.kind) {
        case StepKind::Do: add_task(plan.program.tasks[step.task], step.task, plan.program); break;
        case StepKind::Record:
            add_to_lane({run_, step.lane, step.kind, i, step.lane});
            records_[{step.lane, run_ % machine_.window, step.event}] = tails_[step.lane].front();
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

void OrderGraph::add_task(const plan::Task & task, uint32_t index, const plan::Program & program) {
    if (task.kind == TaskKind::CallerRead) {
        return; // known from the run before
    }
    if (task.reads_at_call) {
        add_to_lane({run_, kHost, StepKind::Do, index, kHost});
        add_accesses(task, program, false);
    }
    const bool on_source = task.kind == TaskKind::CopyAsync && task.order != plan::CopyOrder::InDestination;
    const Vertex vertex = {run_, task.lane, StepKind::Do, index, on_source ? task.source : task.lane};
    if (task.kind == TaskKind::CopyAsync) {
        add_copy(task, vertex);
    } else {
        add_to_lane(vertex);
    }
    add_accesses(task, program, true);
}

// Of the newest vertex
void OrderGraph::add_accesses(const plan::Task & task, const plan::Program & program, bool writes_too) {
    const uint32_t id = static_cast<uint32_t>(vertices_.size() - 1);
    for (uint32_t i = 0; i < task.n_accesses; i++) {
        const plan::Access & bytes = program.accesses[task.first_access + i];
        const uint32_t place = bytes.space == plan::kRing ? run_ % machine_.window : 0;
        if (writes_too || !bytes.write) {
            accesses_.push_back({id, place, bytes});
        }
    }
}

// After all that is queued on the source, before all that is queued on the destination later. What else orders it
// depends on whose queue runs it.
void OrderGraph::add_copy(const plan::Task & task, const Vertex & vertex) {
    Predecessors predecessors = issued_on(task.source);
    if (task.order == plan::CopyOrder::InDestination) {
        append(predecessors, task.destination);
    }
    const uint32_t copy = add_vertex(vertex, std::move(predecessors));
    switch (task.order) {
    case plan::CopyOrder::InSource:
        tails_[task.source] = {copy};
        tails_[task.destination].push_back(copy);
        break;
    case plan::CopyOrder::InDestination: tails_[task.destination] = {copy}; break;
    case plan::CopyOrder::Unordered: tails_[task.destination].push_back(copy); break;
    }
}

void OrderGraph::add_wait(const plan::Wait & wait, uint32_t step) {
    Predecessors predecessors = issued_on(wait.waiter);
    if (wait.event == plan::kWholeLane) {
        append(predecessors, wait.target);
    } else {
        // Binds to the record that is current now. Without one it waits for nothing.
        const uint32_t part = (run_ + machine_.window - wait.age) % machine_.window;
        const auto record = records_.find({wait.target, part, wait.event});
        if (record != records_.end()) {
            predecessors.push_back(record->second);
        }
    }
    tails_[wait.waiter] = {
        add_vertex({run_, wait.waiter, StepKind::Guard, step, wait.waiter}, std::move(predecessors))};
}

// Predecessors have smaller numbers, so one pass in order sees them finished.
void OrderGraph::close() {
    const size_t n = vertices_.size();
    words_ = (n + 63) / 64;
    before_.assign(n * words_, 0);
    for (size_t to = 0; to < n; to++) {
        uint64_t * row = &before_[to * words_];
        for (const uint32_t from : predecessors_[to]) {
            const uint64_t * earlier = &before_[from * words_];
            for (size_t word = 0; word <= from / 64; word++) {
                row[word] |= earlier[word];
            }
            row[from / 64] |= uint64_t{1} << (from % 64);
        }
    }
}

} // namespace ggml_sched::observe
