// Not every ggml declares this function. The file is built for those that do.

#include "choice.h"

GGML_SCHED_DECLARE_BOTH(split_graph)

void ggml_backend_sched_split_graph(ggml_backend_sched_t sched, ggml_cgraph * graph) {
    const ggml_sched::Running running(sched);
    if (ggml_sched::Record * record = ggml_sched::record_of(sched)) {
        record->forget_graph();
    }
    ggml_sched::call(ggml_stock_sched_split_graph, ggml_ours_sched_split_graph, sched, graph);
}
