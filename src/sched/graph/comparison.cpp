#include "graph/comparison.h"

namespace ggml_sched {

void GraphComparison::take(const ggml_cgraph * graph) {
    restore_order();
    const bool can_compare = is_valid_;
    is_valid_ = false;
    number_++;
    if (!can_compare || !is_like_last(graph)) {
        build(graph);
        version_.structure++;
        changed_in_.assign(n_tensors(), number_);
        op_changed_in_.assign(n_tensors(), number_);
    }
    is_valid_ = true;
}

// This is the walk of GraphView::build() with the numbers that it must find. It ends at the first difference.
bool GraphComparison::is_like_last(const ggml_cgraph * graph) {
    const host::Nodes nodes = host::nodes_of(graph);
    const host::Nodes leafs = host::leafs_of(graph);
    if (nodes_.size() != static_cast<size_t>(nodes.size) || n_listed_leafs_ != static_cast<size_t>(leafs.size)) {
        return false;
    }
    ids_.clear();
    difference_ = {};
    for (int i = 0; i < leafs.size; i++) {
        if (!match(leafs_[i], leafs[i])) {
            return false;
        }
    }
    for (int i = 0; i < nodes.size; i++) {
        if (!match_node(nodes_[i], nodes[i])) {
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

bool GraphComparison::match_node(const GraphNode & expected, ggml_tensor * tensor) {
    if (!match(expected.tensor, tensor)) {
        return false;
    }
    bool has_changed = has_just_changed(expected.tensor);
    const auto [first, end] = operands_of(expected);
    const Operand * operand = first;
    const int n_slots = n_slots_of(*tensor);
    for (int slot = 0; slot < n_slots; slot++) {
        ggml_tensor * const at_slot = operand_at(*tensor, slot);
        if (!at_slot) {
            continue;
        }
        if (operand == end || operand->slot != slot || !match(operand->tensor, at_slot)) {
            return false;
        }
        has_changed = has_changed || has_just_changed(operand->tensor);
        ++operand;
    }
    op_changed_in_[expected.tensor] = has_changed ? number_ : op_changed_in_[expected.tensor];
    return operand == end;
}

// Gives the tensor its number if `expected` is the next free one. A tensor could get two numbers this way, so
// is_like_last() confirms at the end that none did.
bool GraphComparison::match(TensorId expected, ggml_tensor * tensor) {
    if (expected < ids_.size()) {
        return ids_[expected] == tensor;
    }
    ids_.append(tensor);
    if (contents_[expected].update(*tensor, bytes_[expected], difference_)) {
        changed_in_[expected] = number_;
        if (difference_.kind) {
            return false;
        }
    }
    const TensorId root = roots_[expected];
    return tensor->view_src ? root != expected && match(root, tensor->view_src) : root == expected;
}

} // namespace ggml_sched
