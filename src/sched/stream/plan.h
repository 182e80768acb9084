// StreamPlan - all that is decided about the streamed inputs of a split graph: how much memory of each device they
// pass through, where each of them lies there, and when its copy is issued. It is a value: the same splits, sizes and
// rings lead to the same plan.

#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "ggml-sched.h"
#include "host/topology.h"
#include "stream/cut_policy.h"
#include "stream/layout.h"

namespace ggml_sched {

// The device memory that streaming may use on one backend, and that it has, in bytes
struct RingMemory {
    size_t most = 0;
    size_t had = 0;

    friend bool operator==(const RingMemory & a, const RingMemory & b) { return a.most == b.most && a.had == b.had; }
};

struct StreamPlan {
    // Ring - the copies that are streamed to one backend
    struct Ring {
        size_t bytes = 0;              // of device memory
        std::vector<StreamSlot> slots; // in the order of their use
        std::vector<uint32_t> order;   // all slots, by index, in the order in which their copies are issued
        std::vector<int32_t> urgent; // splits, in order, whose other copies from the host take the queue of the weights
        bool runs_ahead = false;     // something is streamed without the host waiting for the copies

        friend bool operator==(const Ring & a, const Ring & b) {
            return a.bytes == b.bytes && a.slots == b.slots && a.order == b.order && a.urgent == b.urgent &&
                   a.runs_ahead == b.runs_ahead;
        }
    };

    std::vector<Ring> rings; // by backend; none: nothing is streamed
    std::vector<CacheWrite> cache_writes;
    StreamedExperts experts;
    ggml_sched_stream_decision decision = GGML_SCHED_STREAM_DECISION_OFF; // why this, or nothing, is streamed
    bool whole_experts = false;     // all of them are sent ahead, not only those that ids name
    std::vector<RingMemory> memory; // by backend: that there was when the plan was made

    // Returns true if other copies from the host for this split take the queue of the weights.
    bool is_urgent(BackendId backend, int32_t split) const;
    bool runs_ahead(BackendId backend) const { return !rings.empty() && rings[backend].runs_ahead; }
    // Returns how many of the largest weight fit the ring of a backend; very many if no copy has to wait for a slot.
    double slots_in_ring(BackendId backend) const;
};

// Plans what is streamed of a graph that was split by StreamCuts. `memory` has one for each backend; limits that follow
// from it (limit_of) are those by which the graph was split.
StreamPlan plan_streams(const GraphView & graph, const Splits & splits, const StreamedInputs & streamed,
                        const Assignment & assignment, const std::vector<host::Backend> & backends,
                        const Topology & topology, std::vector<RingMemory> memory, bool whole_experts);

} // namespace ggml_sched
