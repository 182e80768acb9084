// Topology - the facts about the backends of a scheduler: their lanes, and the links between them. A new scheduler
// finds them out and owns them. It adds what a device refuses later. It is a value; one thread at a time.

#pragma once

#include <array>
#include <cstddef>
#include <vector>

#include "host/query.h"
#include "host/status.h"
#include "plan/machine.h"

namespace ggml_sched {

// Topology - the facts about the backends that lowering needs.
struct Topology {
    std::array<plan::Lane, plan::kMaxLanes> lane_of = {};   // by backend
    std::array<plan::Lane, plan::kMaxLanes> stream_of = {}; // by backend: its lane for streamed weights; kHost: none
    // Link - how a backend copies to another one.
    struct Link {
        bool async = false; // the pair has asynchronous copies
        plan::CopyOrder order = plan::CopyOrder::Unordered;
    };
    std::array<std::array<Link, plan::kMaxLanes>, plan::kMaxLanes> links = {}; // by source and destination backend
    ggml_backend_buffer_type_t ring_buft = nullptr;                            // type of the ring on the host
    // By backend: copies out of pageable memory cannot go in chunks, since there is no pinned memory for them.
    std::array<bool, plan::kMaxLanes> cannot_stage = {};
    size_t n_refusals = 0; // number of changes of cannot_stage, and of links that turned out not to be asynchronous
};

// Fails for backends or buffer types with which a scheduler cannot work, and says why. `bufts` may be NULL.
Status check_backends(ggml_backend_t * backends, ggml_backend_buffer_type_t * bufts, int n_backends);

// Returns the lanes of the backends and the links between them.
Topology topology_of(const std::vector<host::Backend> & backends);

// Returns the planner's picture of the topology.
plan::Machine machine_of(const std::vector<host::Backend> & backends, const Topology & topology, int n_copies);

} // namespace ggml_sched
