// Topology - the facts about the backends: lanes, links, and whether they can be used. A new scheduler finds them out;
// what a device refuses later is added.

#pragma once

#include <array>
#include <cstddef>
#include <vector>

#include "host/query.h"
#include "host/status.h"
#include "plan/machine.h"

namespace ggml_sched {

// The facts about the backends that lowering needs.
struct Topology {
    std::array<plan::Lane, plan::kMaxLanes> lane_of = {};   // by backend
    std::array<plan::Lane, plan::kMaxLanes> stream_of = {}; // the lane that streams weights to it; kHost: none
    struct Link {
        bool async = false;
        plan::CopyOrder order = plan::CopyOrder::Unordered;
    };
    std::array<std::array<Link, plan::kMaxLanes>, plan::kMaxLanes> links = {}; // by source and destination backend
    ggml_backend_buffer_type_t ring_buft = nullptr;
    // True for a backend to which copies out of pageable memory cannot go in chunks: there is no pinned memory for
    // that.
    std::array<bool, plan::kMaxLanes> cannot_stage = {};
    size_t n_refusals = 0; // counts changes of cannot_stage, and links that have turned out not to be asynchronous
};

// Fails, saying why, for backends or buffer types that a scheduler cannot work with. bufts may be NULL.
Status check_backends(ggml_backend_t * backends, ggml_backend_buffer_type_t * bufts, int n_backends);

// Returns the lanes of the backends and the links between them.
Topology topology_of(const std::vector<host::Backend> & backends);

// The planner's picture of it.
plan::Machine machine_of(const std::vector<host::Backend> & backends, const Topology & topology, int n_copies);

} // namespace ggml_sched
