// Place memo - what a memo of places keeps, and when it fits. A later graph that is split and ordered in the same way
// can be placed in the same way if each of its tensors fits its place.
//
// session/allocation.h owns the memo. fits() is a pure function.

#pragma once

#include <memory>

#include "alloc/memory_plan.h"
#include "alloc/node_order.h"
#include "graph/comparison.h"
#include "reuse/memo.h"

namespace ggml_sched {

// KeptPlaces - a memory plan, and the last graph that it fitted
struct KeptPlaces {
    std::shared_ptr<const MemoryPlan> plan;
    NodeOrder order;          // that of the graph that they were made for
    GraphVersion last_fitted; // version of the last graph
    uint64_t fitted = 0;      // number of the last graph
};

// Returns true if the plan fits this graph. The graph is split and ordered in the same way, and its nodes read the
// copies. `since` is the number of a graph that the plan fits.
bool fits(const MemoryPlan & plan, const CutGraph & graph, const GraphComparison & comparison,
          const std::vector<host::Backend> & backends, uint64_t since);

} // namespace ggml_sched
