// PlaceMemo - where the tensors of the last few graphs lie. A later graph that is split in the same way can be placed
// in the same way if each of its tensors fits.

#pragma once

#include <memory>

#include "alloc/memory_plan.h"
#include "graph/comparison.h"
#include "reuse/memo.h"

namespace ggml_sched {

struct KeptPlaces {
    std::shared_ptr<const MemoryPlan> plan;
    GraphVersion last_fitted; // of the last graph that the plan was good for
    uint64_t fitted = 0;      // the number of that graph
};

// Returns true if the plan also fits this graph, which is split in the same way and whose nodes read the copies.
// `since` is the number of a graph that it fits.
bool fits(const MemoryPlan & plan, const CutGraph & graph, const GraphComparison & comparison,
          const std::vector<host::Backend> & backends, uint64_t since);

} // namespace ggml_sched
