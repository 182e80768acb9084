// GraphComparison - in what a graph differs from the one before. Engines build the same graph anew for every token: so
// one pass over its tensors compares it with the last one and takes their numbers from there. Only a graph of another
// structure is numbered anew.

#pragma once

#include <cstdint>
#include <vector>

#include "graph/graph_view.h"

namespace ggml_sched {

// Numbers that change when a graph differs in that from the one before: what was found out for a graph holds for
// others of the same numbers. Compared is all that the stages up to the split look at, a backend's supports_op
// included.
struct GraphVersion {
    uint64_t structure = 0;  // who reads and views whom, and each tensor's kind (see Difference)
    uint64_t parameters = 0; // these three say nothing across a change of structure
    uint64_t layout = 0;
    uint64_t place = 0;

    friend bool operator==(const GraphVersion & a, const GraphVersion & b) {
        return a.structure == b.structure && a.parameters == b.parameters && a.layout == b.layout && a.place == b.place;
    }
};

class GraphComparison final : public GraphView {
  public:
    // Makes the view that of the graph.
    void take(const ggml_cgraph * graph);
    // Lets the next graph be numbered anew.
    void forget() noexcept { is_valid_ = false; }

    const GraphVersion & version() const { return version_; }
    // Returns how many graphs have been taken.
    uint64_t number() const { return number_; }
    // True if the tensor has changed since graph `since`. All have where the structure has.
    bool has_changed(TensorId id, uint64_t since) const { return changed_in_[id] > since; }
    // True if the node, one of its operands, or what that views has changed.
    bool has_changed_op(TensorId node, uint64_t since) const { return op_changed_in_[node] > since; }

  private:
    bool is_like_last(const ggml_cgraph * graph);
    bool match(TensorId expected, ggml_tensor * tensor);
    bool match_node(const GraphNode & expected, ggml_tensor * tensor);
    bool has_just_changed(TensorId id) const {
        return changed_in_[id] == number_ || changed_in_[roots_[id]] == number_;
    }

    bool is_valid_ = false; // the view is that of the graph that was taken last
    GraphVersion version_;
    uint64_t number_ = 0;
    Difference difference_;               // of this graph to the last, while it is compared
    std::vector<uint64_t> changed_in_;    // by tensor: the number of that graph
    std::vector<uint64_t> op_changed_in_; // likewise
};

} // namespace ggml_sched
