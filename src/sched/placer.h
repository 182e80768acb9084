// Placer - gives a graph's tensors their places, and waits first for exactly what still uses that memory.

#pragma once

#include "alloc/allocation.h"
#include "flight.h"
#include "known_places.h"
#include "lower/spaces.h"

namespace ggml_sched {

// A graph as the stages before allocation left it
struct CutGraph {
    const GraphView & view;
    const Splits & splits;
    const Slots & slots;
    const Assignment & assignment;
};

class Placer {
  public:
    // All of them must stay. The allocation has been prepared for the graph that is then placed or reserved for.
    Placer(Allocation & allocation, Spaces & spaces, Flight & flight, const plan::Rules & rules)
        : allocation_(allocation)
        , spaces_(spaces)
        , flight_(flight)
        , rules_(rules) {}

    // Where a graph that is split in the same way was placed, if this one fits there; else by the allocator. `splits`
    // is the number of those splits. The places are known then.
    Status place(const CutGraph & graph, uint64_t splits, KnownPlaces & places);
    Status reserve(const CutGraph & graph);
    // The caller writes its inputs as soon as they have their places, and earlier runs may still use that memory.
    // `free_after` is the history after which no wait was needed for these places, and is kept so; NULL if not known.
    Status wait_for_inputs(const GraphView & view, std::shared_ptr<const plan::History> & free_after);

  private:
    bool place_as_before(const CutGraph & graph, uint64_t splits, KnownPlaces & places);
    Status place_by_allocator(const CutGraph & graph);
    Status wait_for_buffers();

    Allocation & allocation_;
    Spaces & spaces_;
    Flight & flight_;
    const plan::Rules & rules_;
};

} // namespace ggml_sched
