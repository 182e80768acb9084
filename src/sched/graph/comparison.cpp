#include "graph/comparison.h"

namespace ggml_sched {

// The walk of GraphView::build(), but it knows which numbers it has to find. It ends as soon as it finds another. The
// data of the lists are noted once: a compiler would load these anew after each byte that is written anywhere.
class GraphComparison::Walk {
  public:
    Walk(GraphComparison & comparison, GraphView & view)
        : view_(view)
        , ids_(view.ids_)
        , contents_(view.contents_.data())
        , bytes_(view.bytes_.data())
        , roots_(view.roots_.data())
        , changed_in_(comparison.changed_in_.data())
        , op_changed_in_(comparison.op_changed_in_.data())
        , number_(comparison.number_) {}

    bool match_node(const GraphNode & expected, ggml_tensor * tensor) {
        if (!match(expected.tensor, tensor)) {
            return false;
        }
        bool has_changed = has_just_changed(expected.tensor);
        const auto [first, end] = view_.operands_of(expected);
        const Operand * operand = first;
        const int n_slots = n_slots_of(*tensor);
        for (int slot = 0; slot < n_slots; slot++) {
            if (!tensor->src[slot]) {
                continue;
            }
            if (operand == end || operand->slot != slot || !match(operand->tensor, tensor->src[slot])) {
                return false;
            }
            has_changed = has_changed || has_just_changed(operand->tensor);
            ++operand;
        }
        op_changed_in_[expected.tensor] = has_changed ? number_ : op_changed_in_[expected.tensor];
        return operand == end;
    }

    // Has the tensor this number? It may be the next one, which the tensor then gets. That no tensor gets two is
    // confirmed at the end.
    bool match(TensorId expected, ggml_tensor * tensor) {
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

    const Difference & difference() const { return difference_; }

  private:
    bool has_just_changed(TensorId id) const {
        return changed_in_[id] == number_ || changed_in_[roots_[id]] == number_;
    }

    const GraphView & view_;
    TensorIds & ids_;
    TensorContent * const contents_;
    size_t * const bytes_;
    const TensorId * const roots_;
    uint64_t * const changed_in_;
    uint64_t * const op_changed_in_;
    const uint64_t number_;
    Difference difference_;
};

void GraphComparison::take(const ggml_cgraph * graph) {
    view_.restore_order();
    const bool can_compare = is_valid_;
    is_valid_ = false;
    number_++;
    if (!can_compare || !is_like_last(graph)) {
        view_.build(graph);
        version_.structure++;
        changed_in_.assign(view_.n_tensors(), number_);
        op_changed_in_.assign(view_.n_tensors(), number_);
    }
    is_valid_ = true;
}

bool GraphComparison::is_like_last(const ggml_cgraph * graph) {
    const host::Nodes nodes = host::nodes_of(graph);
    const host::Nodes leafs = host::leafs_of(graph);
    if (view_.nodes_.size() != static_cast<size_t>(nodes.size) ||
        view_.n_listed_leafs_ != static_cast<size_t>(leafs.size)) {
        return false;
    }
    view_.ids_.clear();
    Walk walk(*this, view_);
    for (int i = 0; i < leafs.size; i++) {
        if (!walk.match(view_.leafs_[i], leafs[i])) {
            return false;
        }
    }
    for (int i = 0; i < nodes.size; i++) {
        if (!walk.match_node(view_.nodes_[i], nodes[i])) {
            return false;
        }
    }
    if (!view_.ids_.confirm() || !view_.has_same_buffers()) {
        return false;
    }
    version_.parameters += walk.difference().parameters;
    version_.layout += walk.difference().layout;
    version_.place += walk.difference().place;
    return true;
}

} // namespace ggml_sched
