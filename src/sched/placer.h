// Placer - gives a graph's tensors their places, and waits first for exactly what still uses that memory.
//
// The places of one graph are kept for the next ones that are split in the same way: each fits there if none of its
// tensors is larger.

#pragma once

#include "alloc/compute_buffers.h"
#include "alloc/memory_planner.h"
#include "alloc/split_graphs.h"
#include "flight.h"
#include "lower/spaces.h"

namespace ggml_sched {

class Placer {
  public:
    // All of them must stay.
    Placer(const std::vector<host::Backend> & backends, ComputeBuffers & buffers, Spaces & spaces, Flight & flight,
           const plan::Rules & rules)
        : backends_(backends)
        , buffers_(buffers)
        , spaces_(spaces)
        , flight_(flight)
        , rules_(rules)
        , planner_(backends) {}

    // `prepared` is the graph's, and `splits` the number of those splits: see Cutter::number().
    Status place(const CutGraph & graph, const SplitGraphs & prepared, uint64_t splits);
    // Makes the buffers that the graph would need, and keeps its places in mind.
    Status reserve(const CutGraph & graph, const SplitGraphs & prepared, uint64_t splits);
    // What the buffers of each backend would need for the graph, in bytes
    Status measure(const CutGraph & graph, const SplitGraphs & prepared, size_t * sizes);
    // The caller writes its inputs as soon as they have their places, and earlier runs may still use that memory.
    // `free_after` is the history after which no wait was needed for these places, and is kept so; NULL if not known.
    Status wait_for_inputs(const GraphView & view, std::shared_ptr<const plan::History> & free_after);

    const Followers & followers() const { return plan_.followers; }

    // Changes when places do.
    uint64_t version() const { return n_plans_ + buffers_.number(); }

  private:
    bool knows_places_for(const CutGraph & graph, const SplitGraphs & prepared, uint64_t splits) const;
    Status find_places(const CutGraph & graph, const SplitGraphs & prepared, uint64_t splits);
    Status make_room();
    Status give_places(const CutGraph & graph) const;

    const std::vector<host::Backend> & backends_;
    ComputeBuffers & buffers_;
    Spaces & spaces_;
    Flight & flight_;
    const plan::Rules & rules_;
    MemoryPlanner planner_;
    MemoryPlan plan_;
    uint64_t n_plans_ = 0;
    bool is_known_ = false;    // the plan, also to other graphs
    uint64_t splits_ = 0;      // of these splits
    GraphVersion last_fitted_; // the last graph that it was good for
};

} // namespace ggml_sched
