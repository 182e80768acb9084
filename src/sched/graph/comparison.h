// GraphComparison - a GraphView that knows in what a graph differs from the one before. Engines build the same graph
// anew for every token. One pass over its tensors compares them with the last graph's and keeps their numbers. Only a
// graph of another structure is numbered anew.
//
// A GraphVersion counts the differences. A GraphComparison does not own the tensors. One thread at a time may use it.

#pragma once

#include <cstdint>
#include <vector>

#include "graph/graph_view.h"

namespace ggml_sched {

// GraphVersion - counters, each of which changes when a graph differs in that respect from the one before. What holds
// for a graph holds for others of the same version. The comparison covers all that assignment and splitting look at,
// and what a backend's supports_op() looks at.
struct GraphVersion {
    uint64_t structure = 0;  // which tensors each node reads and views, and each tensor's kind (see Difference)
    uint64_t parameters = 0; // see Difference; comparable only if `structure` is equal
    uint64_t layout = 0;     // like `parameters`
    uint64_t place = 0;      // like `parameters`

    friend bool operator==(const GraphVersion & a, const GraphVersion & b) {
        return a.structure == b.structure && a.parameters == b.parameters && a.layout == b.layout && a.place == b.place;
    }
};

// GraphComparison - the view of the last graph, and the number of the graph in which each tensor changed last.
class GraphComparison final : public GraphView {
  public:
    // Makes the view that of `graph`, and finds in what it differs from the last one.
    void take(const ggml_cgraph * graph);
    // Lets the next graph be numbered anew.
    void forget() noexcept { is_valid_ = false; }

    // Returns the version of the graph that was taken last.
    const GraphVersion & version() const { return version_; }
    // Returns how many graphs have been taken.
    uint64_t number() const { return number_; }
    // True if the tensor has changed since graph number `since`. All tensors change with the structure.
    bool has_changed(TensorId id, uint64_t since) const { return changed_in_[id] > since; }
    // True if the node, one of its operands, or the root of one of them has changed since graph number `since`.
    bool has_changed_op(TensorId node, uint64_t since) const { return op_changed_in_[node] > since; }

  private:
    // True if the graph has the structure of the last one. Notes what has changed.
    bool is_like_last(const ggml_cgraph * graph);
    // True if the tensor has this number and the kind that the last graph had there. Notes what has changed.
    bool match(TensorId expected, ggml_tensor * tensor);
    // Does the same for a node and its operands.
    bool match_node(const GraphNode & expected, ggml_tensor * tensor);
    // True if the tensor or its root differs from the last graph's.
    bool has_just_changed(TensorId id) const {
        return changed_in_[id] == number_ || changed_in_[roots_[id]] == number_;
    }

    bool is_valid_ = false; // the view is that of the graph that was taken last
    GraphVersion version_;
    uint64_t number_ = 0;                 // the number of the graph that was taken last
    Difference difference_;               // between this graph and the last, so far
    std::vector<uint64_t> changed_in_;    // by tensor: the number of the graph in which it changed last
    std::vector<uint64_t> op_changed_in_; // by node: the number of the graph in which has_changed_op() was last true
};

} // namespace ggml_sched
