// StreamPlan - all that is decided about the streamed inputs of a split graph. It says how much memory of each device
// they pass through, where each of them lies there, and when its copy is issued.
//
// A plan has a ring for each backend, and a ring has a slot for each copy. The plan is a value, which owns all that it
// says: the same splits, sizes and rings lead to the same plan.

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

// RingMemory - the device memory of one backend for streaming, in bytes
struct RingMemory {
    size_t most = 0; // bytes that streaming may use
    size_t had = 0;  // bytes that it has already

    friend bool operator==(const RingMemory & a, const RingMemory & b) { return a.most == b.most && a.had == b.had; }
};

// StreamPlan - the rings of all backends, and what streaming knows of the graph
struct StreamPlan {
    // Ring - the copies that are streamed to one backend
    struct Ring {
        size_t bytes = 0;              // size of the ring in device memory
        std::vector<StreamSlot> slots; // in the order of their use
        std::vector<uint32_t> order;   // indices of all slots, in the order in which their copies are issued
        std::vector<int32_t> urgent;   // the urgent splits, in order
        // True if the device reads the first copy by itself before the run. It is also true if only caches are
        // streamed, and out of pageable memory.
        bool runs_ahead = false;

        friend bool operator==(const Ring & a, const Ring & b) {
            return a.bytes == b.bytes && a.slots == b.slots && a.order == b.order && a.urgent == b.urgent &&
                   a.runs_ahead == b.runs_ahead;
        }
    };

    std::vector<Ring> rings; // by backend; empty if nothing is streamed
    std::vector<CacheWrite> cache_writes;
    StreamedExperts experts;
    ggml_sched_stream_decision decision = GGML_SCHED_STREAM_DECISION_OFF; // why this, or nothing, is streamed
    bool whole_experts = false;     // true if all experts are sent ahead, not only those that ids name
    std::vector<RingMemory> memory; // by backend: the memory when the plan was made

    // Returns true if the other copies of this split from the host take the queue of the weights.
    bool is_urgent(BackendId backend, int32_t split) const;
    // Returns Ring::runs_ahead of a backend.
    bool runs_ahead(BackendId backend) const { return !rings.empty() && rings[backend].runs_ahead; }
    // Returns how many of the largest weight fit the ring of a backend. It is a very large number if all weights fit.
    double slots_in_ring(BackendId backend) const;
};

// Plans what is streamed of a graph that was split by StreamCuts. `memory` has one entry for each backend. The limits
// of StreamCuts followed from the same memory.
StreamPlan plan_streams(const GraphView & graph, const Splits & splits, const StreamedInputs & streamed,
                        const Assignment & assignment, const std::vector<host::Backend> & backends,
                        const Topology & topology, std::vector<RingMemory> memory, bool whole_experts);

} // namespace ggml_sched
