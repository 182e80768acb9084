#include "graph/graph_view.h"

#include <algorithm>

#include "host/query.h"

namespace ggml_sched {

TensorId GraphView::describe(TensorId id, ggml_tensor * tensor) {
    view_sources_.push_back(kNoTensor);
    is_node_.push_back(0);
    if (tensor->flags & GGML_TENSOR_FLAG_INPUT) {
        inputs_.push_back(id);
    }
    if (tensor->view_src) {
        const TensorId source = add(tensor->view_src);
        view_sources_[id] = source;
    }
    return id;
}

void GraphView::clear() {
    ids_.clear();
    view_sources_.clear();
    is_node_.clear();
    leafs_.clear();
    inputs_.clear();
    nodes_.clear();
    operands_.clear();
}

void GraphView::add_node(ggml_tensor * tensor) {
    GraphNode node = {add(tensor), host::is_view_op(tensor), static_cast<uint32_t>(operands_.size()), 0};
    is_node_[node.tensor] = 1;
    for (int slot = 0; slot < GGML_MAX_SRC; slot++) {
        if (tensor->src[slot]) {
            operands_.push_back({add(tensor->src[slot]), static_cast<uint8_t>(slot)});
        }
    }
    node.n_operands = static_cast<uint32_t>(operands_.size()) - node.first_operand;
    nodes_.push_back(node);
}

void GraphView::build(const ggml_cgraph * graph) {
    const host::Nodes nodes = host::nodes_of(graph);
    const host::Nodes leafs = host::leafs_of(graph);

    clear();
    ids_.reserve(static_cast<size_t>(nodes.size) + leafs.size);
    for (int i = 0; i < leafs.size; i++) {
        leafs_.push_back(add(leafs[i]));
    }
    for (int i = 0; i < nodes.size; i++) {
        add_node(nodes[i]);
    }
    inputs_.erase(std::remove_if(inputs_.begin(), inputs_.end(), [&](TensorId id) { return is_node_[id] != 0; }),
                  inputs_.end());
}

void GraphView::reorder(const ggml_cgraph * graph) {
    node_of_.assign(ids_.size(), 0);
    const std::vector<GraphNode> before = nodes_;
    for (uint32_t i = 0; i < before.size(); i++) {
        node_of_[before[i].tensor] = i;
    }
    const host::Nodes nodes = host::nodes_of(graph);
    for (int i = 0; i < nodes.size; i++) {
        nodes_[i] = before[node_of_[ids_.find(nodes[i])]];
    }
}

} // namespace ggml_sched
