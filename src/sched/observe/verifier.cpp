#include "observe/verifier.h"

#include <algorithm>
#include <tuple>

#include "observe/order_graph.h"
#include "observe/text.h"

namespace ggml_sched::observe {

namespace {

bool by_address(const VertexAccess & a, const VertexAccess & b) {
    return std::tie(a.bytes.space, a.place, a.bytes.begin) < std::tie(b.bytes.space, b.place, b.bytes.begin);
}

std::string name_of(const OrderGraph & graph, uint32_t id) {
    const Vertex & vertex = graph.vertices()[id];
    return (vertex.by_caller ? "the caller's read " : "task ") + std::to_string(vertex.index) +
           (vertex.by_caller ? " after run " : " of run ") + std::to_string(vertex.run) + " on lane " +
           std::to_string(vertex.lane);
}

std::string describe(const OrderGraph & graph, const VertexAccess & first, const VertexAccess & second) {
    const char * kind = !first.bytes.write   ? "write-after-read"
                        : second.bytes.write ? "write-after-write"
                                             : "read-after-write";
    const plan::Access overlap = {first.bytes.space, true, std::max(first.bytes.begin, second.bytes.begin),
                                  std::min(first.bytes.end, second.bytes.end)};
    return std::string(kind) + " hazard: nothing orders " + name_of(graph, first.vertex) + " before " +
           name_of(graph, second.vertex) + " on " + text_of(overlap) + "; lane " +
           std::to_string(graph.vertices()[second.vertex].delayed_by_waits_on) + " would have to wait for lane " +
           std::to_string(graph.vertices()[first.vertex].lane) + " after " + name_of(graph, first.vertex);
}

// Sorted by address, an access can overlap only those that begin before it ends.
std::string first_violation(const OrderGraph & graph) {
    std::vector<VertexAccess> accesses = graph.accesses();
    std::sort(accesses.begin(), accesses.end(), by_address);
    for (size_t i = 0; i < accesses.size(); i++) {
        for (size_t j = i + 1; j < accesses.size(); j++) {
            const VertexAccess & a = accesses[i];
            const VertexAccess & b = accesses[j];
            if (b.bytes.space != a.bytes.space || b.place != a.place || b.bytes.begin >= a.bytes.end) {
                break;
            }
            const VertexAccess & first = a.vertex < b.vertex ? a : b;
            const VertexAccess & second = a.vertex < b.vertex ? b : a;
            if (first.vertex != second.vertex && (a.bytes.write || b.bytes.write) &&
                !graph.reaches(first.vertex, second.vertex)) {
                return describe(graph, first, second);
            }
        }
    }
    return {};
}

} // namespace

std::string Verifier::check(const plan::Plan & plan) const {
    OrderGraph graph(machine_);
    graph.add_caller_reads(caller_reads_);
    for (const std::shared_ptr<const plan::Plan> & run : runs_) {
        graph.add_run(*run);
        graph.add_caller_reads(run->program.caller_reads);
    }
    graph.add_run(plan);
    graph.close();
    return first_violation(graph);
}

std::string Verifier::find_superfluous_wait(const plan::Plan & plan) const {
    for (const plan::Step & step : plan.steps) {
        for (uint32_t i = step.first_wait; i < step.first_wait + step.n_waits; i++) {
            const plan::WaitCause cause = plan.waits[i].reason.cause;
            if (cause == plan::WaitCause::Mode || cause == plan::WaitCause::Throttle) {
                continue;
            }
            plan::Plan without = plan;
            without.waits[i].target = without.waits[i].waiter; // a lane need not wait for itself
            without.waits[i].event = plan::kWholeLane;
            if (check(without).empty()) {
                return "wait " + std::to_string(i) + " of lane " + std::to_string(plan.waits[i].waiter) + " for lane " +
                       std::to_string(plan.waits[i].target) + " orders nothing that is not ordered without it";
            }
        }
    }
    return {};
}

void Verifier::note(std::shared_ptr<const plan::Plan> plan) {
    runs_.push_back(std::move(plan));
    if (runs_.size() > static_cast<size_t>(machine_.window)) {
        runs_.pop_front();
        caller_reads_.clear();
    }
}

} // namespace ggml_sched::observe
