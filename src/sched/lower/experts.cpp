#include "lower/experts.h"

#include <algorithm>

namespace ggml_sched {

namespace {

TensorId ids_of(const GraphView & graph, const GraphNode & node) {
    const Operands operands = graph.operands_of(node);
    const Operand * ids = std::find_if(operands.begin(), operands.end(),
                                       [](const Operand & operand) { return operand.slot == kExpertIdsSlot; });
    return ids == operands.end() ? kNoTensor : ids->tensor;
}

bool has_copies_of_experts(const GraphView & graph, const Splits & splits) {
    return std::any_of(splits.rewires.begin(), splits.rewires.end(), [&](const Rewire & rewire) {
        return rewire.slot == kExpertsSlot && graph.content(rewire.node).op() == GGML_OP_MUL_MAT_ID;
    });
}

// The ids of each node that is a MUL_MAT_ID
std::unordered_map<TensorId, TensorId> ids_by_node(const GraphView & graph) {
    std::unordered_map<TensorId, TensorId> ids;
    for (const GraphNode & node : graph.nodes()) {
        if (node.op == GGML_OP_MUL_MAT_ID) {
            ids[node.tensor] = ids_of(graph, node);
        }
    }
    return ids;
}

// The last node that writes the memory of each of these ids; none for ids that no node computes
std::unordered_map<TensorId, int32_t> last_writes(const GraphView & graph,
                                                  const std::unordered_map<TensorId, TensorId> & ids) {
    std::unordered_map<TensorId, int32_t> last; // by root
    for (const auto & [node, tensor] : ids) {
        if (tensor != kNoTensor) {
            last[graph.root(tensor)] = kNoNode;
        }
    }
    for (size_t i = 0; i < graph.nodes().size(); i++) {
        const GraphNode & node = graph.nodes()[i];
        const auto known = node.is_view ? last.end() : last.find(graph.root(node.tensor));
        if (known != last.end()) {
            known->second = static_cast<int32_t>(i);
        }
    }
    return last;
}

} // namespace

ExpertCopies find_experts(const GraphView & graph, const Splits & splits,
                          const std::function<bool(uint32_t)> & is_partial) {
    if (!has_copies_of_experts(graph, splits)) {
        return {};
    }
    const std::unordered_map<TensorId, TensorId> ids = ids_by_node(graph);
    const std::unordered_map<TensorId, int32_t> last = last_writes(graph, ids);
    std::unordered_map<uint32_t, TensorId> candidates;
    for (const Rewire & rewire : splits.rewires) {
        const auto node = ids.find(rewire.node);
        const bool as_experts = node != ids.end() && rewire.slot == kExpertsSlot;
        const TensorId needed = as_experts ? node->second : kNoTensor;
        if (candidates.emplace(rewire.copy, needed).first->second != needed) {
            candidates[rewire.copy] = kNoTensor; // read in different ways
        }
    }
    ExpertCopies result;
    for (const Split & split : splits.splits) {
        for (const uint32_t copy : split.inputs) {
            const auto found = candidates.find(copy);
            if (found == candidates.end() || found->second == kNoTensor || !is_partial(copy)) {
                continue;
            }
            const int32_t written = last.at(graph.root(found->second));
            if (written != kNoNode && written < split.begin) {
                result[copy] = {found->second, written};
            }
        }
    }
    return result;
}

} // namespace ggml_sched
