// Allocation - gives the tensors of a graph their places, and waits first for exactly what still uses that memory.
//
// find() finds the places, and give() gives them to the tensors. The places of a graph are kept for later graphs that
// are split and ordered in the same way. A later graph fits these places if none of its tensors is larger.
//
// Allocation owns the places, and not the buffers. One thread at a time uses it.

#pragma once

#include "alloc/compute_buffers.h"
#include "alloc/memory_planner.h"
#include "alloc/split_graphs.h"
#include "lower/spaces.h"
#include "reuse/key_field.h"
#include "reuse/place_memo.h"
#include "reuse/place_proof.h"
#include "session/earlier_places.h"
#include "session/in_flight.h"

namespace ggml_sched {

class Allocation {
  public:
    // All arguments must stay.
    Allocation(const std::vector<host::Backend> & backends, ComputeBuffers & buffers, Spaces & spaces,
               InFlight & flight, const plan::Rules & rules, const IgnoredFields & ignored)
        : backends_(backends)
        , buffers_(buffers)
        , spaces_(spaces)
        , in_flight_(flight)
        , rules_(rules)
        , ignored_(ignored)
        , planner_(backends) {}

    // SplitsId - the splits of a graph. SplitMemo::splits() returns the same object for equal splits.
    using SplitsId = std::shared_ptr<const Splits>;

    // Finds the places of a graph. `prepared` are the split graphs of the graph.
    Status find(const CutGraph & graph, const SplitGraphs & prepared, const GraphComparison & comparison,
                const SplitsId & splits);
    // True if a buffer is too small for the places that were found.
    bool must_grow() const { return !buffers_.have_room_for(*places_); }
    // Makes the buffers large enough for the places that were found, and gives each tensor its place. On a failure no
    // tensor has one.
    Status give(const CutGraph & graph);
    // Undoes the last give(): the tensors, which must exist, have no memory again.
    void take_back(const GraphView & view, const Splits & splits) const;
    // Returns the tensors of the last give() whose contents outlive a run.
    const std::vector<LastingTensor> & lasting() const { return lasting_; }
    // Returns the first fault of the places that were found last, "" if there is none. The nodes read the copies. It is
    // slow.
    std::string find_misplaced(const CutGraph & graph, const SplitGraphs & prepared) const {
        return ggml_sched::find_misplaced(*places_, graph, prepared.order().dependencies, backends_);
    }
    // Forgets all places.
    void forget() noexcept;
    // Lets the next graph get new places. The last graph keeps its places.
    void forget_places() noexcept;
    // Makes the buffers that the graph needs, and keeps its places for later graphs.
    Status reserve(const CutGraph & graph, const SplitGraphs & prepared, const GraphComparison & comparison,
                   const SplitsId & splits);
    // Writes to `sizes` the bytes that the buffers of each backend would need for the graph.
    Status measure(const CutGraph & graph, const SplitGraphs & prepared, size_t * sizes);
    // Waits until the caller may write its inputs: earlier runs may still use their memory. `free_after` is a history
    // after which these places needed no wait; NULL if none is known. The call notes a newer one there.
    Status wait_for_inputs(const GraphView & view, std::shared_ptr<const plan::History> & free_after);
    // True if the host would have to wait now before the caller writes its inputs.
    bool must_wait_for_inputs(const GraphView & view) const;

    // Return the places of the last graph, and its adjacent copies.
    const AdjacentCopies & adjacent_copies() const { return places_->adjacent_copies; }
    const std::shared_ptr<const MemoryPlan> & places() const { return places_; }
    // Returns another number whenever the address of a buffer has changed.
    uint64_t buffers() const { return buffers_.number(); }

  private:
    bool find_kept(const CutGraph & graph, const SplitGraphs & prepared, const GraphComparison & comparison,
                   const SplitsId & splits);
    Status find_new(const CutGraph & graph, const SplitGraphs & prepared);
    Status make_room();
    Status give_places(const CutGraph & graph);
    bool place_view(const GraphView & view, TensorId id);

    const std::vector<host::Backend> & backends_;
    ComputeBuffers & buffers_;
    Spaces & spaces_;
    InFlight & in_flight_;
    const plan::Rules & rules_;
    const IgnoredFields & ignored_;
    MemoryPlanner planner_;
    Memo<SplitsId, KeptPlaces> kept_{4};                                              // by splits
    std::shared_ptr<const MemoryPlan> places_ = std::make_shared<const MemoryPlan>(); // places of the last graph
    std::vector<TensorId> placed_views_; // views that the last give() has given memory
    std::vector<LastingTensor> lasting_;
};

} // namespace ggml_sched
