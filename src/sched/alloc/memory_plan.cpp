#include "alloc/memory_plan.h"

namespace ggml_sched {

Place place_of_copy(const MemoryPlan & plan, const CutGraph & graph, uint32_t copy, size_t cur_copy,
                    const std::vector<host::Backend> & backends) {
    Place place = plan.copies[copy * static_cast<size_t>(graph.slots.n_copies()) + cur_copy];
    if (!place.is_known() || plan.adjacent_copies[copy] == kNoAdjacentCopy) {
        return place;
    }
    const size_t alignment = ggml_backend_buft_get_alignment(backends[place.pool].buft);
    const size_t size = padded(size_on(backends[place.pool], graph.slots.of(copy)), alignment);
    place.range.offset += place.range.size - size;
    place.range.size = size;
    return place;
}

} // namespace ggml_sched
