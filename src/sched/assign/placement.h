// Placement - the first pass of the assignment (see assign/assign.h): memory, inputs and weights decide. On the same
// walk devices expand down to the nodes behind.

#pragma once

#include "assign/expand.h"

namespace ggml_sched {

// Assigns tensors by memory, inputs and weights, and lets `devices` visit each node. Fails for a tensor whose memory no
// backend can use for its operation.
Status assign_by_placement(const GraphView & graph, const std::vector<host::Backend> & backends, bool op_offload,
                           Expansion & devices, Assignment & result);

} // namespace ggml_sched
