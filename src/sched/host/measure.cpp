#include "host/measure.h"

#include "host/ggml_api.h"

namespace ggml_sched::host {

bool can_measure() {
    return GGML_SCHED_HAS_RESERVE_N_SIZE != 0;
}

void measure(ggml_gallocr_t galloc, ggml_cgraph * graph, const int * node_buffers, const int * leaf_buffers,
             size_t * sizes) {
#if GGML_SCHED_HAS_RESERVE_N_SIZE
    ggml_gallocr_reserve_n_size(galloc, graph, node_buffers, leaf_buffers, sizes);
#else
    static_cast<void>(galloc);
    static_cast<void>(graph);
    static_cast<void>(node_buffers);
    static_cast<void>(leaf_buffers);
    static_cast<void>(sizes);
#endif
}

} // namespace ggml_sched::host
