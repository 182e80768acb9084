// The later passes of the assignment: neighbours, upgrades, and what is left.

#pragma once

#include "assign/assign.h"

namespace ggml_sched {

// Nodes without a backend join that of the nearest node before them, then after them: first the devices spread, so that
// the CPU gets only what lies between CPU nodes or what a device does not support, then everybody. True if all have one
// now.
bool spread(const GraphView & graph, const std::vector<host::Backend> & backends, Assignment & result);

// Upgrades nodes to backends of higher priority, and finds the best backend for those that nobody reached.
void settle(const GraphView & graph, const std::vector<host::Backend> & backends, bool all_have_one,
            Assignment & result);

// Operands, views, nodes that write into other tensors. Fails for a node that no backend supports.
Status assign_rest(const GraphView & graph, const std::vector<host::Backend> & backends, bool move_writers,
                   Assignment & result);

} // namespace ggml_sched
