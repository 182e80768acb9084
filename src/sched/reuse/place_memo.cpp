#include "reuse/place_memo.h"

#include <algorithm>

namespace ggml_sched {

bool fits(const MemoryPlan & plan, const CutGraph & graph, const GraphComparison & comparison,
          const std::vector<host::Backend> & backends, uint64_t since) {
    // The operands of a result may decide how much memory it takes.
    const auto fits_in = [&](const Place & place, TensorId id, const ggml_tensor * tensor) {
        const bool has_changed = comparison.has_changed(id, since) || comparison.has_changed_op(id, since);
        return !place.is_known() || !has_changed || size_on(backends[place.pool], tensor) <= place.range.size;
    };
    const auto n_copies = static_cast<size_t>(graph.slots.n_copies());
    for (TensorId id = 0; id < plan.tensors.size(); id++) {
        if (!fits_in(plan.tensors[id], id, graph.view.tensor(id))) {
            return false;
        }
    }
    for (uint32_t copy = 0; copy < graph.splits.copies.size(); copy++) {
        const TensorId source = graph.splits.copies[copy].tensor;
        if (!fits_in(plan.copies[copy * n_copies], source, graph.slots.of(copy))) {
            return false;
        }
    }
    for (size_t i = 0; i < graph.splits.rotated_inputs.size(); i++) {
        const TensorId input = graph.splits.rotated_inputs[i].tensor;
        if (!fits_in(plan.rotated_inputs[i * n_copies], input, graph.view.tensor(input))) {
            return false;
        }
    }
    return std::all_of(plan.in_place.begin(), plan.in_place.end(), [&](const InPlace & pair) {
        const ggml_tensor * node = graph.view.tensor(pair.node);
        return !comparison.has_changed_op(pair.node, since) || have_same_layout(node, node->src[pair.slot]);
    });
}

} // namespace ggml_sched
