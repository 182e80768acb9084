#include "observe/verifier.h"

#include <algorithm>

#include "observe/conflict_search.h"

namespace ggml_sched::observe {

namespace {

// Report - describes a conflict. The text uses names where they are known, and numbers elsewhere.
class Report {
  public:
    struct Run {
        const plan::Plan * plan;
        const Names * names; // NULL if they are not known
    };

    // The last of `runs` is the one that is checked. `graph` and `tensors_at` must stay.
    Report(const OrderGraph & graph, std::vector<Run> runs, const TensorsAt & tensors_at)
        : graph_(graph)
        , runs_(std::move(runs))
        , tensors_at_(tensors_at) {}

    std::string of(const Conflict & conflict) const {
        const VertexAccess & first = conflict.first;
        const VertexAccess & second = conflict.second;
        const char * kind = !first.bytes.write   ? "write-after-read"
                            : second.bytes.write ? "write-after-write"
                                                 : "read-after-write";
        const plan::Access overlap = {first.bytes.space, true, std::max(first.bytes.begin, second.bytes.begin),
                                      std::min(first.bytes.end, second.bytes.end)};
        const Vertex & before = graph_.vertices()[first.vertex];
        const Vertex & after = graph_.vertices()[second.vertex];
        return std::string(kind) + " hazard: nothing orders " + step_text(before) + tensors_text(before, overlap) +
               " before " + step_text(after) + tensors_text(after, overlap) + " on " + text_of(overlap) + "; " +
               lane_text(after, after.delayed_by_waits_on) + " would have to wait for " +
               lane_text(before, before.lane) + " after " + step_text(before);
    }

  private:
    const Names * names_of(const Vertex & vertex) const {
        return vertex.run == 0 ? nullptr : runs_[vertex.run - 1].names; // Run 0 stands for reads before all runs.
    }

    plan::Task task_of(const Vertex & vertex) const {
        return vertex.by_caller ? plan::Task{plan::TaskKind::CallerRead, vertex.lane}
                                : runs_[vertex.run - 1].plan->program.tasks[vertex.index];
    }

    std::string lane_text(const Vertex & vertex, plan::Lane lane) const {
        const Names * names = names_of(vertex);
        return names ? names->lanes[lane] : "lane " + std::to_string(lane);
    }

    std::string step_text(const Vertex & vertex) const {
        const Names * names = names_of(vertex);
        const std::string number = std::to_string(vertex.index);
        const std::string run = (vertex.by_caller ? " after run " : " of run ") + std::to_string(vertex.run);
        const std::string what = vertex.by_caller ? "the caller's read " + number
                                 : names          ? "\"" + text_of(task_of(vertex), *names) + "\" (task " + number + ")"
                                                  : "task " + number;
        return what + run + " on " + lane_text(vertex, vertex.lane);
    }

    std::string tensors_text(const Vertex & vertex, const plan::Access & bytes) const {
        const Names * names = names_of(vertex);
        const bool is_known = tensors_at_ && names && names == runs_.back().names;
        const std::string tensors = is_known ? tensors_at_(task_of(vertex), bytes) : "";
        return tensors.empty() ? "" : ", which touches " + tensors + ",";
    }

    const OrderGraph & graph_;
    const std::vector<Run> runs_;
    const TensorsAt & tensors_at_;
};

} // namespace

std::string Verifier::check(const plan::Plan & plan, const std::shared_ptr<const Names> & names,
                            const TensorsAt & tensors_at) const {
    OrderGraph graph(machine_);
    graph.add_caller_reads(caller_reads_);
    std::vector<const plan::Plan *> plans;
    for (const Run & run : runs_) {
        plans.push_back(run.plan.get());
    }
    plans.push_back(&plan);
    graph.reserve(plans);
    for (const Run & run : runs_) {
        graph.add_run(*run.plan);
        graph.add_caller_reads(run.plan->program.caller_reads);
    }
    graph.add_run(plan);
    const Conflict conflict = find_conflict(graph);
    if (!conflict.found) {
        return {};
    }
    std::vector<Report::Run> runs;
    for (const Run & run : runs_) {
        runs.push_back({run.plan.get(), run.names.get()});
    }
    runs.push_back({&plan, names.get()});
    return Report(graph, std::move(runs), tensors_at).of(conflict);
}

std::string Verifier::find_superfluous_wait(const plan::Plan & plan) const {
    for (const plan::Step & step : plan.steps) {
        for (uint32_t i = step.first_wait; i < step.first_wait + step.n_waits; i++) {
            const plan::WaitCause cause = plan.waits[i].reason.cause;
            if (cause == plan::WaitCause::Mode || cause == plan::WaitCause::Throttle) {
                continue;
            }
            plan::Plan without = plan;
            without.waits[i].target = without.waits[i].waiter; // A lane need not wait for itself.
            without.waits[i].event = plan::kWholeLane;
            if (check(without).empty()) {
                return "wait " + std::to_string(i) + " of lane " + std::to_string(plan.waits[i].waiter) + " for lane " +
                       std::to_string(plan.waits[i].target) + " orders nothing that is not ordered without it";
            }
        }
    }
    return {};
}

void Verifier::note(std::shared_ptr<const plan::Plan> plan, std::shared_ptr<const Names> names) {
    runs_.push_back({std::move(plan), std::move(names)});
    if (runs_.size() > static_cast<size_t>(machine_.window)) {
        // The reads that the caller has enqueued after the forgotten run may still be in flight.
        caller_reads_ = runs_.front().plan->program.caller_reads;
        runs_.pop_front();
    }
}

} // namespace ggml_sched::observe
