// KnownPlaces - where the allocator has placed a graph, for the next graph that is split in the same way: it fits there
// if none of its tensors is larger, and the allocator need not look at it.

#pragma once

#include <cstdint>
#include <vector>

#include "split/slots.h"

namespace ggml_sched {

class KnownPlaces {
  public:
    // What the allocator's decisions depend on, next to sizes
    struct Key {
        uint64_t splits;  // a number that changes with the graph's structure, its assignment and its splits
        uint64_t buffers; // a number that changes when buffers may have moved

        friend bool operator==(const Key & a, const Key & b) { return a.splits == b.splits && a.buffers == b.buffers; }
    };

    // May graphs of this key be placed here? Not where the allocator left tensors without a place.
    bool is_for(const Key & key) const { return is_complete_ && is_taken_ && key_ == key; }
    bool is_for_same(const GraphView & graph) const { return taken_from_ == graph.version(); }
    // Does a graph of the same key fit, too? Asked after its operands have become the copies of its slots.
    bool fits(const GraphView & graph, const Slots & slots) const;
    // Places a fitting graph, none of whose tensors the allocator has placed yet. False if a buffer refuses a tensor.
    bool place(const GraphView & graph, const Slots & slots);

    // A graph that the allocator has placed
    void take(const Key & key, const GraphView & graph, const Splits & splits, const Slots & slots);

    // Its nodes had an order of their own; what may share memory in that may not in another.
    void refuse_others() { is_complete_ = false; }

    // Changes when places do.
    uint64_t version() const { return version_; }

  private:
    struct Place {
        ggml_backend_buffer_t buffer;
        void * data;
        size_t size; // that the allocator has found room for; there may be more

        bool is_known() const { return buffer && data; }
        bool has_room_for(const ggml_tensor * tensor) const;
    };
    // A node in the place of its operand src[slot]: the allocator does that only if both have the same layout.
    struct InPlace {
        TensorId node;
        uint8_t slot;
    };
    void note(const ggml_tensor * tensor, Place & place);
    void take_tensors(const GraphView & graph);
    void take_copies(const Splits & splits);
    void take_in_place(const GraphView & graph);

    bool is_taken_ = false;
    bool is_complete_ = false; // every tensor has a place
    Key key_ = {};
    GraphVersion taken_from_;
    uint64_t version_ = 0;
    bool have_moved_ = false;       // some of the places, while a graph is taken
    std::vector<TensorId> tensors_; // those that the allocator places
    std::vector<Place> places_;     // of `tensors_`
    std::vector<uint32_t> copies_;  // whose slots it places, too
    std::vector<Place> slots_;      // of `copies_`
    std::vector<TensorId> views_;
    std::vector<InPlace> in_place_;
};

} // namespace ggml_sched
