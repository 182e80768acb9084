// ggml-cpu.h - the CPU backend: synchronous, multi-threaded. Its results do not depend on the number of threads.

#pragma once

#include "ggml-backend.h"

#ifdef __cplusplus
extern "C" {
#endif

// NULL when memory runs out. The backend owns its threads, which start at the first computation that needs them.
GGML_BACKEND_API ggml_backend_t     ggml_backend_cpu_init(void);
GGML_BACKEND_API bool               ggml_backend_is_cpu(ggml_backend_t backend);
// 1 to GGML_MAX_N_THREADS; other values are clamped. Not during a computation.
GGML_BACKEND_API void               ggml_backend_cpu_set_n_threads(ggml_backend_t backend_cpu, int n_threads);
// Asked between nodes; a computation that it stops returns GGML_STATUS_ABORTED. NULL removes it.
GGML_BACKEND_API void               ggml_backend_cpu_set_abort_callback(ggml_backend_t backend_cpu, ggml_abort_callback abort_callback,
                                                                        void * abort_callback_data);
GGML_BACKEND_API ggml_backend_reg_t ggml_backend_cpu_reg(void);

#ifdef __cplusplus
}
#endif
