// CUSTOM

#include "ops.h"
#include "params.h"

#include <algorithm>

namespace ggml_sched::cpu {

ggml_status compute_custom(ComputeContext & ctx, ggml_tensor * dst) {
    const ggml_custom_op_params params = custom_params(dst);
    const int n_threads = ctx.n_threads();
    const int nth = params.n_tasks == GGML_N_TASKS_MAX ? n_threads : std::min(params.n_tasks, n_threads);
    // Each task is worth a thread: the program has chosen their number.
    ctx.for_each_range(nth, kMinParallelWork, [&](int, int64_t begin, int64_t end) {
        for (int64_t ith = begin; ith < end; ++ith) {
            params.fun(dst, static_cast<int>(ith), nth, params.userdata);
        }
    });
    return GGML_STATUS_SUCCESS;
}

} // namespace ggml_sched::cpu
