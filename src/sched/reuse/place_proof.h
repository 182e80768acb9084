// Place proof - shows that a memory plan is good for a graph, without asking the planner. The proof plays the graph
// node by node, and notes for each byte whose value it holds. At each read it checks that the value is still there.
//
// It is a pure function, and so any thread may call it.

#pragma once

#include <string>
#include <vector>

#include "alloc/memory_plan.h"
#include "alloc/node_order.h"

namespace ggml_sched {

// Returns the first fault in words, "" if there is none. It is slow. The nodes must read the copies
// (SplitGraphs::replace_operands). Faults are:
// - A tensor does not fit into its place.
// - A place is not aligned, or its backend cannot use it.
// - A value is overwritten before its last reader.
// - A node overwrites an operand while it reads it.
// - A value is overwritten although an alloc dependency keeps it.
std::string find_misplaced(const MemoryPlan & plan, const CutGraph & graph,
                           const std::vector<AllocDependency> & dependencies,
                           const std::vector<host::Backend> & backends);

} // namespace ggml_sched
