#include "reuse/graph_proof.h"

#include <algorithm>
#include <tuple>
#include <utility>

#include "host/operations.h"

namespace ggml_sched {

namespace {

bool are_equal(const Operand & a, const Operand & b) {
    return a.tensor == b.tensor && a.slot == b.slot;
}

bool are_equal(const GraphNode & a, const GraphNode & b) {
    return std::tie(a.tensor, a.is_view, a.op, a.first_operand, a.n_operands) ==
           std::tie(b.tensor, b.is_view, b.op, b.first_operand, b.n_operands);
}

template <typename List> bool are_equal_lists(const List & a, const List & b) {
    return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                      [](const auto & one, const auto & other) { return are_equal(one, other); });
}

std::string name_of(const GraphView & view, TensorId id) {
    return std::string("tensor '") + view.tensor(id)->name + "'";
}

// Returns what differs of one tensor, among all that the stages read; "" if nothing does.
std::string difference_of(const GraphView & view, const GraphView & fresh, TensorId id) {
    if (view.tensor(id) != fresh.tensor(id)) {
        return "has the number of '" + std::string(fresh.tensor(id)->name) + "'";
    }
    const TensorContent & kept = view.content(id);
    const TensorContent & now = fresh.content(id);
    return !kept.has_kind_of(now)              ? "has another operation, flag or buffer"
           : !kept.has_layout_of(now)          ? "has another layout"
           : !kept.has_place_of(now)           ? "has another place"
           : view.bytes(id) != fresh.bytes(id) ? "has another size"
           : view.facts(id) != fresh.facts(id) ? "has other facts"
           : view.root(id) != fresh.root(id)   ? "views another tensor"
           : view.owner(id) != fresh.owner(id) ? "lies in the memory of another scheduler"
           : !kept.has_parameters_of(now)      ? "has other parameters"
                                               : "";
}

// Returns the first difference between two views of one graph; "" if there is none.
std::string find_difference(const GraphView & view, const GraphView & fresh) {
    if (view.n_tensors() != fresh.n_tensors() || view.nodes().size() != fresh.nodes().size()) {
        return "the graph has another number of tensors";
    }
    for (TensorId id = 0; id < fresh.n_tensors(); id++) {
        if (const std::string difference = difference_of(view, fresh, id); !difference.empty()) {
            return name_of(view, id) + " " + difference;
        }
    }
    const bool has_same_lists = view.leafs() == fresh.leafs() && view.inputs() == fresh.inputs() &&
                                view.views() == fresh.views() && are_equal_lists(view.nodes(), fresh.nodes()) &&
                                are_equal_lists(view.operands(), fresh.operands());
    return has_same_lists ? "" : "the graph has other leafs, inputs, views, nodes or operands";
}

} // namespace

std::string GraphProof::check(const GraphView & view, const GraphComparison & comparison, const ggml_cgraph * graph) {
    auto fresh = std::make_unique<GraphView>();
    fresh->build(graph);
    std::string difference = find_difference(view, *fresh);
    if (difference.empty() && last_ && comparison.version().structure == version_.structure) {
        difference = check_changes(view, comparison, *fresh);
    }
    last_ = std::move(fresh);
    version_ = comparison.version();
    number_ = comparison.number();
    return difference;
}

// Returns the first tensor that has changed since the last graph without being listed; "" if there is none.
std::string GraphProof::check_changes(const GraphView & view, const GraphComparison & comparison,
                                      const GraphView & fresh) const {
    const GraphVersion & now = comparison.version();
    for (TensorId id = 0; id < fresh.n_tensors(); id++) {
        const TensorContent & before = last_->content(id);
        const TensorContent & content = fresh.content(id);
        const bool is_view = host::is_view_op(view.tensor(id));
        const bool has_new_parameters = !is_view && !content.has_parameters_of(before);
        if (!content.has_kind_of(before)) {
            return name_of(view, id) + " is of another kind, and the structure has not changed";
        }
        if ((!content.has_layout_of(before) && now.layout == version_.layout) ||
            (!content.has_place_of(before) && now.place == version_.place) ||
            (has_new_parameters && now.parameters == version_.parameters)) {
            return name_of(view, id) + " has another layout, place or parameters, and the version has not changed";
        }
        const bool has_changed = !content.has_layout_of(before) || !content.has_place_of(before) || has_new_parameters;
        if (has_changed && number_ != comparison.number() && !comparison.has_changed(id, number_)) {
            return name_of(view, id) + " has changed, and is not listed as changed";
        }
    }
    return "";
}

} // namespace ggml_sched
