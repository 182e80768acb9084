#include "graph/graph_view.h"

#include <algorithm>

#include "host/operations.h"

namespace ggml_sched {

bool GraphView::has_same_buffers() const {
    return std::all_of(buffers_.entries().begin(), buffers_.entries().end(),
                       [](const auto & known) { return host::facts_of(known.first) == known.second; });
}

bool GraphView::has_owned_buffers() const {
    return std::any_of(buffers_.entries().begin(), buffers_.entries().end(),
                       [](const auto & known) { return known.second.owner; });
}

const void * GraphView::owner(TensorId id) const {
    const auto known = std::find_if(buffers_.entries().begin(), buffers_.entries().end(),
                                    [&](const auto & buffer) { return buffer.first == contents_[id].buffer(); });
    return known == buffers_.entries().end() ? nullptr : known->second.owner;
}

void GraphView::build(const ggml_cgraph * graph) {
    restore_order();
    const host::Nodes nodes = host::nodes_of(graph);
    const host::Nodes leafs = host::leafs_of(graph);

    ids_.clear();
    ids_.reserve(static_cast<size_t>(nodes.size) + leafs.size);
    make_room(static_cast<size_t>(nodes.size) + leafs.size);
    leafs_.clear();
    inputs_.clear();
    views_.clear();
    buffers_.clear();
    for (int i = 0; i < leafs.size; i++) {
        leafs_.push_back(add(leafs[i]));
    }
    n_listed_leafs_ = leafs_.size();
    add_nodes(nodes);
    add_unlisted_leafs();
    inputs_.erase(std::remove_if(inputs_.begin(), inputs_.end(), [&](TensorId id) { return is_computed_here(id); }),
                  inputs_.end());
}

// A view that is a node computes nothing. The caller writes it if no node computes its root.
bool GraphView::is_computed_here(TensorId id) const {
    return views_another(id) ? !(facts_[id] & kIsInput) : (facts_[id] & kIsNode) != 0;
}

void GraphView::make_room(size_t n_tensors) {
    if (room_ < n_tensors) {
        contents_.resize(n_tensors);
        bytes_.resize(n_tensors);
        facts_.resize(n_tensors);
        roots_.resize(n_tensors);
        room_ = n_tensors;
    }
}

void GraphView::add_nodes(const host::Nodes & nodes) {
    nodes_.resize(static_cast<size_t>(nodes.size));
    GraphNode * node = nodes_.data();
    const ggml_tensor * previous = nullptr;
    TensorId previous_id = kNoTensor;
    uint32_t n_operands = 0;
    for (int i = 0; i < nodes.size; i++, ++node) {
        if (n_operands + GGML_MAX_SRC > operands_.size()) {
            operands_.resize(2 * operands_.size() + GGML_MAX_SRC);
        }
        ggml_tensor * const tensor = nodes[i];
        const TensorId id = add(tensor);
        facts_[id] |= kIsNode;
        *node = {id, host::is_view_op(tensor), static_cast<uint16_t>(tensor->op), n_operands, 0};
        const int n_slots = n_slots_of(*tensor);
        for (int slot = 0; slot < n_slots; slot++) {
            if (ggml_tensor * operand = operand_at(*tensor, slot)) { // often the previous node, which needs no lookup
                const TensorId its = operand == previous ? previous_id : add(operand);
                operands_[n_operands++] = {its, static_cast<uint8_t>(slot)};
            }
        }
        node->n_operands = n_operands - node->first_operand;
        previous = tensor;
        previous_id = id;
    }
    n_operands_ = n_operands;
}

// ggml_graph_add_node() adds a node alone, so the graph does not list the leafs that the node reads.
void GraphView::add_unlisted_leafs() {
    if (ids_.size() == n_listed_leafs_ + nodes_.size()) {
        return;
    }
    std::vector<bool> is_listed(ids_.size(), false);
    for (size_t i = 0; i < n_listed_leafs_; i++) {
        is_listed[leafs_[i]] = true;
    }
    for (TensorId id = 0; id < ids_.size(); id++) {
        if (!is_listed[id] && !(facts_[id] & kIsNode)) {
            leafs_.push_back(id);
        }
    }
}

// Most tensors are dense results without memory. They need no more than this.
void GraphView::describe(TensorId id, const ggml_tensor * tensor) {
    TensorContent & content = contents_[id];
    const bool is_dense = content.take(*tensor, bytes_[id]);
    const bool is_view = tensor->view_src;
    const int computed = content.op() != GGML_OP_NONE ? kIsComputed : 0;
    const int needs_memory = is_view || tensor->data ? 0 : kNeedsMemory;
    facts_[id] = static_cast<uint8_t>((content.flags() & (kIsInput | kIsOutput)) | computed | needs_memory);
    roots_[id] = id;
    if (!is_dense || content.buffer() || (content.flags() & kIsInput)) {
        describe_more(id, tensor);
    }
}

void GraphView::describe_more(TensorId id, const ggml_tensor * tensor) {
    bytes_[id] = ggml_nbytes(tensor);
    if (const ggml_backend_buffer_t buffer = contents_[id].buffer()) {
        const bool is_weights = buffers_.of(buffer, host::facts_of).weights && tensor->buffer;
        facts_[id] = static_cast<uint8_t>((facts_[id] & ~kNeedsMemory) | kIsPlaced | (is_weights ? kIsWeights : 0));
    }
    if (facts_[id] & kIsInput) {
        inputs_.push_back(id);
    }
}

void GraphView::add_view(TensorId id, ggml_tensor * of) {
    const TensorId root = add(of);
    roots_[id] = root;
    views_.push_back(id);
    if (facts_[id] & kIsInput) { // the caller then writes bytes of the root, unless a node computes it
        if (facts_[root] & kIsComputed) {
            facts_[id] &= static_cast<uint8_t>(~kIsInput);
        } else {
            facts_[root] |= kIsInput;
        }
    }
}

void GraphView::restore_order() {
    if (!unordered_nodes_.empty()) {
        nodes_.swap(unordered_nodes_);
        unordered_nodes_.clear();
    }
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
