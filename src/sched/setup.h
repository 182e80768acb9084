// What a new scheduler finds out about its backends.

#pragma once

#include <vector>

#include "lower/lower.h"
#include "plan/machine.h"
#include "status.h"

namespace ggml_sched {

// Fails, saying why, for backends or buffer types that a scheduler cannot work with. bufts may be NULL.
Status check_backends(ggml_backend_t * backends, ggml_backend_buffer_type_t * bufts, int n_backends);

// Lanes, links between backends, and how inputs travel.
Topology topology_of(const std::vector<host::Backend> & backends, bool parallel);

// The planner's picture of it.
plan::Machine machine_of(const std::vector<host::Backend> & backends, const Topology & topology, int n_copies);

} // namespace ggml_sched
