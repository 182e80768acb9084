#include "alloc/split_graphs.h"

namespace ggml_sched {

void SplitGraphs::prepare(GraphView & graph, ggml_cgraph * cgraph, const Splits & splits, const Slots & slots,
                          const std::vector<host::Backend> & backends) {
    copies_.clear();
    for (const OperandReplacement & replacement : splits.replacements) {
        copies_.add(&graph.tensor(replacement.node)->src[replacement.slot], slots.of(replacement.copy));
    }
    replace_operands();

    bool may_have_ordered = false;
    keeps_.clear();
    if (graphs_.size() < splits.splits.size()) {
        graphs_.resize(splits.splits.size());
    }
    for (size_t i = 0; i < splits.splits.size(); i++) {
        const Split & split = splits.splits[i];
        graphs_[i].view(cgraph, split.begin, split.end);
        graphs_[i].set_identity();
        if (backends[split.backend].optimizes_graphs) {
            graphs_[i].optimize_for(backends[split.backend].handle, keeps_);
            may_have_ordered = true;
        }
    }
    find_order(graph, splits, slots, may_have_ordered && graph.reorder(cgraph));
}

// Finds the numbers of what backends have asked for.
void SplitGraphs::find_order(const GraphView & graph, const Splits & splits, const Slots & slots, bool has_ordered) {
    order_.nodes.clear();
    if (has_ordered) {
        for (const GraphNode & node : graph.nodes()) {
            order_.nodes.push_back(node.tensor);
        }
    }
    order_.dependencies.clear();
    for (const host::Keep & keep : keeps_) {
        uint32_t kept = graph.ids().find(keep.tensor);
        for (uint32_t copy = 0; kept == kNoTensor && copy < splits.copies.size(); copy++) {
            kept = slots.of(copy) == keep.tensor ? static_cast<uint32_t>(graph.n_tensors()) + copy : kNoTensor;
        }
        const TensorId until = graph.ids().find(keep.until);
        if (kept != kNoTensor && until != kNoTensor && (graph.facts(until) & kIsNode)) {
            order_.dependencies.push_back({kept, until});
        }
    }
}

} // namespace ggml_sched
