#include "graph/graph_view.h"

#include <algorithm>

#include "host/query.h"

namespace ggml_sched {

void GraphView::build(const ggml_cgraph * graph) {
    if (!unordered_nodes_.empty()) {
        nodes_.swap(unordered_nodes_);
        unordered_nodes_.clear();
    }
    const bool can_compare = is_valid_;
    is_valid_ = false;
    if (!can_compare || !build_like_last(graph)) {
        build_anew(graph);
        version_.structure++;
    }
    is_valid_ = true;
}

// The walk is that of build_anew(), but knows which numbers it has to find. False as soon as it finds another.
bool GraphView::build_like_last(const ggml_cgraph * graph) {
    const host::Nodes nodes = host::nodes_of(graph);
    const host::Nodes leafs = host::leafs_of(graph);
    if (nodes_.size() != static_cast<size_t>(nodes.size) || leafs_.size() != static_cast<size_t>(leafs.size)) {
        return false;
    }
    ids_.clear();
    difference_ = {};
    for (int i = 0; i < leafs.size; i++) {
        if (!meet(leafs_[i], leafs[i])) {
            return false;
        }
    }
    for (int i = 0; i < nodes.size; i++) {
        if (!meet_node(nodes_[i], nodes[i])) {
            return false;
        }
    }
    if (!ids_.confirm() || !has_same_buffers()) {
        return false;
    }
    version_.parameters += difference_.parameters;
    version_.layout += difference_.layout;
    version_.place += difference_.place;
    return true;
}

bool GraphView::meet_node(const GraphNode & expected, ggml_tensor * tensor) {
    if (!meet(expected.tensor, tensor)) {
        return false;
    }
    const auto [first, end] = operands_of(expected);
    const Operand * operand = first;
    for (int slot = 0; slot < GGML_MAX_SRC; slot++) {
        if (!tensor->src[slot]) {
            continue;
        }
        if (operand == end || operand->slot != slot || !meet(operand->tensor, tensor->src[slot])) {
            return false;
        }
        ++operand;
    }
    return operand == end;
}

// Has the tensor this number? It may be the next one, which the tensor then gets. That no tensor gets two is
// confirmed at the end.
bool GraphView::meet(TensorId expected, ggml_tensor * tensor) {
    if (expected < ids_.size()) {
        return ids_[expected] == tensor;
    }
    ids_.append(tensor);
    contents_[expected].update(*tensor, difference_);
    if (difference_.kind) {
        return false;
    }
    const TensorId source = view_sources_[expected];
    return tensor->view_src ? source != kNoTensor && meet(source, tensor->view_src) : source == kNoTensor;
}

bool GraphView::has_same_buffers() const {
    return std::all_of(buffers_.begin(), buffers_.end(),
                       [](const auto & known) { return host::facts_of(known.first) == known.second; });
}

void GraphView::build_anew(const ggml_cgraph * graph) {
    const host::Nodes nodes = host::nodes_of(graph);
    const host::Nodes leafs = host::leafs_of(graph);

    ids_.clear();
    contents_.clear();
    view_sources_.clear();
    leafs_.clear();
    inputs_.clear();
    nodes_.clear();
    operands_.clear();
    buffers_.clear();
    last_buffer_ = nullptr;
    ids_.reserve(static_cast<size_t>(nodes.size) + leafs.size);
    for (int i = 0; i < leafs.size; i++) {
        leafs_.push_back(add(leafs[i]));
    }
    for (int i = 0; i < nodes.size; i++) {
        add_node(nodes[i]);
    }
    is_node_.assign(ids_.size(), 0);
    for (const GraphNode & node : nodes_) {
        is_node_[node.tensor] = 1;
    }
    inputs_.erase(std::remove_if(inputs_.begin(), inputs_.end(), [&](TensorId id) { return is_node_[id] != 0; }),
                  inputs_.end());
}

void GraphView::add_node(ggml_tensor * tensor) {
    GraphNode node = {add(tensor), host::is_view_op(tensor), static_cast<uint32_t>(operands_.size()), 0};
    for (int slot = 0; slot < GGML_MAX_SRC; slot++) {
        if (ggml_tensor * operand = tensor->src[slot]) {
            operands_.push_back({add(operand), static_cast<uint8_t>(slot)});
        }
    }
    node.n_operands = static_cast<uint32_t>(operands_.size()) - node.first_operand;
    nodes_.push_back(node);
}

TensorId GraphView::describe(TensorId id, ggml_tensor * tensor) {
    view_sources_.push_back(kNoTensor);
    note_buffer(contents_.emplace_back(*tensor).buffer());
    if (tensor->flags & GGML_TENSOR_FLAG_INPUT) {
        inputs_.push_back(id);
    }
    if (tensor->view_src) {
        const TensorId source = add(tensor->view_src);
        view_sources_[id] = source;
    }
    return id;
}

void GraphView::find_buffer(ggml_backend_buffer_t buffer) {
    const auto is_it = [buffer](const auto & known) { return known.first == buffer; };
    if (std::none_of(buffers_.begin(), buffers_.end(), is_it)) {
        buffers_.emplace_back(buffer, host::facts_of(buffer));
    }
    last_buffer_ = buffer;
}

bool GraphView::reorder(const ggml_cgraph * graph) {
    const host::Nodes nodes = host::nodes_of(graph);
    int first = 0;
    while (first < nodes.size && nodes[first] == tensor(nodes_[first].tensor)) {
        first++;
    }
    if (first == nodes.size) {
        return false;
    }
    unordered_nodes_ = nodes_;
    std::vector<uint32_t> node_of(ids_.size(), 0);
    for (uint32_t i = 0; i < nodes_.size(); i++) {
        node_of[nodes_[i].tensor] = i;
    }
    for (int i = first; i < nodes.size; i++) {
        nodes_[i] = unordered_nodes_[node_of[ids_.find(nodes[i])]];
    }
    return true;
}

} // namespace ggml_sched
