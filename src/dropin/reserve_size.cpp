// Not every ggml declares this function. The file is built for those that do.

#include "choice.h"

GGML_SCHED_DECLARE_BOTH(reserve_size)

void ggml_backend_sched_reserve_size(ggml_backend_sched_t sched, ggml_cgraph * measure_graph, size_t * sizes) {
    const ggml_sched::Running running(sched);
    if (ggml_sched::Record * record = ggml_sched::record_of(sched)) {
        record->reset(); // Our scheduler resets, whether it fails or not.
    }
    ggml_sched::call(ggml_stock_sched_reserve_size, ggml_ours_sched_reserve_size, sched, measure_graph, sizes);
}
