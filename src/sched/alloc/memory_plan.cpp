#include "alloc/memory_plan.h"

#include <algorithm>

namespace ggml_sched {

Place place_of_copy(const MemoryPlan & plan, const CutGraph & graph, uint32_t copy, size_t turn,
                    const std::vector<host::Backend> & backends) {
    Place place = plan.copies[copy * static_cast<size_t>(graph.slots.n_copies()) + turn];
    if (!place.is_known() || plan.followers[copy] == kNoFollower) {
        return place;
    }
    const size_t alignment = ggml_backend_buft_get_alignment(backends[place.pool].buft);
    const size_t size = padded(size_on(backends[place.pool], graph.slots.of(copy)), alignment);
    place.range.offset += place.range.size - size;
    place.range.size = size;
    return place;
}

bool fits(const MemoryPlan & plan, const CutGraph & graph, const std::vector<host::Backend> & backends,
          uint64_t since) {
    // How much memory a result takes may depend on what it is computed from.
    const auto fits_in = [&](const Place & place, TensorId id, const ggml_tensor * tensor) {
        const bool has_changed = graph.view.has_changed(id, since) || graph.view.has_changed_op(id, since);
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
    for (size_t i = 0; i < graph.splits.rotating.size(); i++) {
        const TensorId input = graph.splits.rotating[i].tensor;
        if (!fits_in(plan.rotating[i * n_copies], input, graph.view.tensor(input))) {
            return false;
        }
    }
    return std::all_of(plan.in_place.begin(), plan.in_place.end(), [&](const InPlace & pair) {
        const ggml_tensor * node = graph.view.tensor(pair.node);
        return !graph.view.has_changed_op(pair.node, since) || have_same_layout(node, node->src[pair.slot]);
    });
}

} // namespace ggml_sched
