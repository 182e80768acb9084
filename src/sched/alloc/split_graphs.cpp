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
    const bool has_ordered = may_have_ordered && graph.reorder(cgraph);
    keep_order_ = !has_ordered && keeps_.empty();
}

} // namespace ggml_sched
