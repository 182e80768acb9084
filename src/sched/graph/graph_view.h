// GraphView - a graph's tensors by number: the nodes in order, what each is computed from, and what each view views.
// It is read-only and knows nothing about backends.

#pragma once

#include <vector>

#include "graph/tensor_ids.h"

namespace ggml_sched {

struct Operand {
    TensorId tensor;
    uint8_t slot; // index into ggml_tensor::src
};

struct GraphNode {
    TensorId tensor;
    bool is_view; // moves no bytes
    uint32_t first_operand;
    uint32_t n_operands;
};

class GraphView {
  public:
    // Numbers the leafs, the nodes and all their operands. Keeps its memory from graph to graph.
    void build(const ggml_cgraph * graph);

    void clear();

    // The nodes may have been put into another order meanwhile.
    void reorder(const ggml_cgraph * graph);

    const TensorIds & ids() const { return ids_; }
    size_t n_tensors() const { return ids_.size(); }
    ggml_tensor * tensor(TensorId id) const { return ids_[id]; }
    TensorId view_source(TensorId id) const { return view_sources_[id]; } // kNoTensor if it is no view

    const std::vector<TensorId> & leafs() const { return leafs_; }
    // What the caller writes: flagged INPUT, and not computed
    const std::vector<TensorId> & inputs() const { return inputs_; }
    bool is_node(TensorId id) const { return is_node_[id]; }
    const std::vector<GraphNode> & nodes() const { return nodes_; }
    const std::vector<Operand> & operands() const { return operands_; } // of all nodes, each node's together
    const Operand * operands_begin(const GraphNode & node) const { return operands_.data() + node.first_operand; }
    const Operand * operands_end(const GraphNode & node) const { return operands_begin(node) + node.n_operands; }

  private:
    TensorId add(ggml_tensor * tensor) {
        const TensorId id = ids_.find_or_add(tensor);
        return id < view_sources_.size() ? id : describe(id, tensor);
    }
    TensorId describe(TensorId id, ggml_tensor * tensor);
    void add_node(ggml_tensor * tensor);

    TensorIds ids_;
    std::vector<TensorId> view_sources_; // by tensor
    std::vector<uint8_t> is_node_;       // by tensor
    std::vector<TensorId> leafs_;
    std::vector<TensorId> inputs_;
    std::vector<GraphNode> nodes_;
    std::vector<Operand> operands_;
    std::vector<uint32_t> node_of_; // by tensor, while reordering
};

} // namespace ggml_sched
