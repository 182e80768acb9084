// The first pass of the assignment: what memory, inputs and weights decide, and on the way how far devices expand from
// there to the nodes behind.

#pragma once

#include "assign/expand.h"

namespace ggml_sched {

// Fails for a tensor that already has memory which no backend can use for its operation.
Status assign_by_placement(const GraphView & graph, const std::vector<host::Backend> & backends, bool op_offload,
                           Expansion & devices, Assignment & result);

} // namespace ggml_sched
