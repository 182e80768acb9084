// Not every ggml declares this function. The file is built for those that do.

#include "choice.h"

GGML_SCHED_DECLARE_BOTH(get_buffer_type)

ggml_backend_buffer_type_t ggml_backend_sched_get_buffer_type(ggml_backend_sched_t sched, ggml_backend_t backend) {
    return ggml_sched::call(ggml_stock_sched_get_buffer_type, ggml_ours_sched_get_buffer_type, sched, backend);
}
