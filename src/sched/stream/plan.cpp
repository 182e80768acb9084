#include "stream/plan.h"

#include <algorithm>
#include <utility>

#include "host/tuning.h"
#include "stream/issue_order.h"

namespace ggml_sched {

namespace {

// slots_in_ring() returns this number if all weights fit the ring.
constexpr double kManySlots = 1e6;

// Splits that were cut by limit_of(memory.most) need no more than half of the ring, so it always fits.
void lay_out(StreamPlan::Ring & ring, const RingMemory & memory) {
    const size_t wanted = ring_size(ring.slots, memory.most);
    const bool is_enough =
        memory.had < wanted && memory.had / Tuning::kLeastOfRing >= wanted / (Tuning::kLeastOfRing + 1);
    ring.bytes = is_enough && lay_out(ring.slots, memory.had) ? memory.had : wanted;
    lay_out(ring.slots, ring.bytes);
}

// Returns why one copy is streamed, or not. Only weights in host memory need to be.
ggml_sched_stream_decision decision_of(const InputCopy & copy, const ggml_tensor * tensor,
                                       const StreamedInputs & streamed, const std::vector<host::Backend> & backends,
                                       const Topology & topology) {
    if (copy.streamed) {
        return GGML_SCHED_STREAM_DECISION_STREAMED;
    }
    if (!tensor->buffer || !host::is_weights(tensor->buffer) || !host::is_host(tensor->buffer)) {
        return GGML_SCHED_STREAM_DECISION_NOT_NEEDED;
    }
    if (topology.stream_of[copy.backend] == plan::kHost) {
        return GGML_SCHED_STREAM_DECISION_NO_QUEUE;
    }
    if (streamed.is_small[copy.backend]) {
        return GGML_SCHED_STREAM_DECISION_SMALL_WEIGHTS;
    }
    const size_t limit = streamed.limits[copy.backend].weight;
    if (limit == 0) {
        return GGML_SCHED_STREAM_DECISION_NO_MEMORY;
    }
    return size_on(backends[copy.backend], tensor) > limit ? GGML_SCHED_STREAM_DECISION_LARGE_WEIGHTS
                                                           : GGML_SCHED_STREAM_DECISION_WRITTEN_WEIGHTS;
}

// Returns why weights are streamed, or not: the largest decision of all copies.
ggml_sched_stream_decision decision_of(const GraphView & graph, const Splits & splits, const StreamedInputs & streamed,
                                       const std::vector<host::Backend> & backends, const Topology & topology) {
    ggml_sched_stream_decision decision = GGML_SCHED_STREAM_DECISION_NOT_NEEDED;
    for (const InputCopy & copy : splits.copies) {
        decision = std::max(decision, decision_of(copy, graph.tensor(copy.tensor), streamed, backends, topology));
    }
    return decision;
}

} // namespace

bool StreamPlan::is_urgent(BackendId backend, int32_t split) const {
    return !rings.empty() && std::binary_search(rings[backend].urgent.begin(), rings[backend].urgent.end(), split);
}

double StreamPlan::slots_in_ring(BackendId backend) const {
    const Ring & ring = rings[backend];
    size_t largest = 1;
    size_t total = 0;
    for (const StreamSlot & slot : ring.slots) {
        largest = std::max(largest, slot.size);
        total += slot.size;
    }
    return total <= ring.bytes ? kManySlots : static_cast<double>(ring.bytes) / static_cast<double>(largest);
}

StreamPlan plan_streams(const GraphView & graph, const Splits & splits, const StreamedInputs & streamed,
                        const Assignment & assignment, const std::vector<host::Backend> & backends,
                        const Topology & topology, std::vector<RingMemory> memory, bool whole_experts) {
    StreamPlan plan;
    plan.cache_writes = streamed.cache_writes;
    plan.experts = streamed.experts;
    plan.whole_experts = whole_experts;
    plan.decision = decision_of(graph, splits, streamed, backends, topology);
    plan.rings.resize(backends.size());
    for (size_t b = 0; b < backends.size(); b++) {
        plan.rings[b].slots = streamed_to(static_cast<BackendId>(b), graph, splits, backends);
        lay_out(plan.rings[b], memory[b]);
    }
    plan.memory = std::move(memory);
    find_issue_order(plan, graph, splits, assignment, backends, topology);
    return plan;
}

} // namespace ggml_sched
