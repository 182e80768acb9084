// Not every ggml declares this function. The file is built for those that do.

#include "choice.h"

GGML_SCHED_DECLARE_BOTH(set_copy_callback)

namespace {

using CopyCallback = bool (*)(ggml_backend_t backend, const ggml_tensor * src, ggml_tensor * dst, ggml_cgraph * graph,
                              void * user_data);

void give(ggml_backend_sched & sched) {
    ggml_sched::call(ggml_stock_sched_set_copy_callback, ggml_ours_sched_set_copy_callback, &sched,
                     reinterpret_cast<CopyCallback>(sched.callbacks.copy.function), sched.callbacks.copy.user_data);
}

} // namespace

void ggml_backend_sched_set_copy_callback(ggml_backend_sched_t sched, CopyCallback callback, void * user_data) {
    if (!sched) {
        ggml_ours_sched_set_copy_callback(nullptr, callback, user_data); // It logs that the scheduler is NULL.
        return;
    }
    ggml_sched::set_callback(*sched, sched->callbacks.copy, give, callback, user_data);
}
