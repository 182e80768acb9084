// PartedPattern - the nodes that part the pairs of one pattern, and what they change in the caller's nodes.
//
// The functions keep nothing, and change no node of the caller. One thread at a time may use a TensorPool.

#pragma once

#include <array>
#include <deque>
#include <vector>

#include "experts/expert_pattern.h"
#include "experts/parting.h"

namespace ggml_sched {

// Computation - what a node computes
struct Computation {
    ggml_op op;
    std::array<int32_t, GGML_MAX_OP_PARAMS / sizeof(int32_t)> op_params;
    std::array<ggml_tensor *, GGML_MAX_SRC> src;

    static Computation of(const ggml_tensor * node);
    void give_to(ggml_tensor * node) const;
};

// Change - a node of the caller, and what it computes before and after
struct Change {
    ggml_tensor * node;
    Computation before;
    Computation after;
};

// Insertion - new nodes that come before the node at this index of the caller's graph
struct Insertion {
    int index;
    std::vector<ggml_tensor *> nodes;
};

// PlacedNode - a node that must be computed by this backend
struct PlacedNode {
    const ggml_tensor * node;
    BackendId backend;
};

struct PartedPattern {
    std::vector<Change> changes;
    std::vector<Insertion> insertions; // before its first node and before its last one
    std::vector<PlacedNode> placed;

    // Return the index of the pattern's first and of its last node in the graph.
    int first() const { return insertions.front().index; }
    int last() const { return insertions.back().index; }
};

// NodePool - tensors that stay where they are from graph to graph
class NodePool {
  public:
    void clear() { n_used_ = 0; }
    // Returns a tensor without content.
    ggml_tensor * next();

  private:
    std::deque<ggml_tensor> tensors_;
    size_t n_used_ = 0;
};

// Makes the nodes. `parting` and `bank` must stay as long as they do.
PartedPattern part_pattern(const ExpertPattern & pattern, ExpertBank & bank, Misses misses, BackendId cpu,
                           Parting & parting, NodePool & pool);

} // namespace ggml_sched
