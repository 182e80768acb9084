#include "lower/experts.h"

#include <algorithm>
#include <unordered_map>

namespace ggml_sched {

namespace {

// Returns the ids of a MUL_MAT_ID; kNoTensor if it has none.
TensorId ids_of(const GraphView & graph, const GraphNode & node) {
    const Operands operands = graph.operands_of(node);
    const Operand * ids = std::find_if(operands.begin(), operands.end(),
                                       [](const Operand & operand) { return operand.slot == kExpertIdsSlot; });
    return ids == operands.end() ? kNoTensor : ids->tensor;
}

// True if a MUL_MAT_ID reads a copy as its experts.
bool has_copies_of_experts(const GraphView & graph, const Splits & splits) {
    return std::any_of(
        splits.replacements.begin(), splits.replacements.end(), [&](const OperandReplacement & replacement) {
            return replacement.slot == kExpertsSlot && graph.content(replacement.node).op() == GGML_OP_MUL_MAT_ID;
        });
}

// Returns, for each MUL_MAT_ID, the ids as the node reads them.
std::unordered_map<TensorId, WrittenIds> ids_by_node(const GraphView & graph) {
    std::unordered_map<TensorId, WrittenIds> result;
    std::vector<int32_t> written_by(graph.n_tensors(), kNoNode); // by root
    for (size_t i = 0; i < graph.nodes().size(); i++) {
        const GraphNode & node = graph.nodes()[i];
        if (node.op == GGML_OP_MUL_MAT_ID) {
            const TensorId ids = ids_of(graph, node);
            result[node.tensor] = {ids, ids == kNoTensor ? kNoNode : written_by[graph.root(ids)]};
        }
        if (!node.is_view && node.op != GGML_OP_NONE) {
            written_by[graph.root(node.tensor)] = static_cast<int32_t>(i);
        }
    }
    return result;
}

} // namespace

ExpertCopies::ExpertCopies(const GraphView & graph, const Splits & splits,
                           const std::function<bool(uint32_t)> & is_partial) {
    if (!has_copies_of_experts(graph, splits)) {
        return;
    }
    find_readers(graph, splits);
    for (const Split & split : splits.splits) {
        for (const uint32_t copy : split.inputs) {
            const bool is_known = ids_[copy].written_by < split.begin;
            if (!is_known || !is_partial(copy)) {
                ids_[copy] = {};
            }
        }
    }
}

void ExpertCopies::find_readers(const GraphView & graph, const Splits & splits) {
    const std::unordered_map<TensorId, WrittenIds> ids = ids_by_node(graph);
    std::vector<bool> is_read(splits.copies.size(), false);
    ids_.resize(splits.copies.size());
    readers_.assign(splits.copies.size(), kNoTensor);
    for (const OperandReplacement & replacement : splits.replacements) {
        const auto node = ids.find(replacement.node);
        const bool as_experts = node != ids.end() && replacement.slot == kExpertsSlot;
        const WrittenIds needed = as_experts ? node->second : WrittenIds{};
        if (!is_read[replacement.copy]) {
            ids_[replacement.copy] = needed;
        } else if (!(ids_[replacement.copy] == needed)) {
            ids_[replacement.copy] = {}; // read in different ways
        }
        is_read[replacement.copy] = true;
        if (as_experts && readers_[replacement.copy] == kNoTensor) {
            readers_[replacement.copy] = replacement.node;
        }
    }
}

} // namespace ggml_sched
