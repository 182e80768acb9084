// PlaceProof - shows that a memory plan is good for a graph, without asking the planner: it plays the graph node by
// node, keeps for each byte whose value it holds, and looks at each read whether the value is still there.

#pragma once

#include <string>
#include <vector>

#include "alloc/memory_plan.h"

namespace ggml_sched {

// Returns the first fault in words, or "": a tensor that does not fit into its place, a place that its backend cannot
// use or that is not aligned, a value that is overwritten before its last reader, or a node that overwrites an operand
// while it reads it. The nodes must read the copies already (SplitGraphs::replacement). Slow.
std::string find_misplaced(const MemoryPlan & plan, const CutGraph & graph,
                           const std::vector<host::Backend> & backends);

} // namespace ggml_sched
