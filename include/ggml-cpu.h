// ggml-cpu.h - the CPU backend, which computes on threads of its own during the call. The number of threads does not
// change the results. One thread at a time uses a backend.

#pragma once

#include "ggml-backend.h"

#ifdef __cplusplus
extern "C" {
#endif

// Makes a backend, which the caller frees. Returns NULL if memory runs out.
GGML_BACKEND_API ggml_backend_t     ggml_backend_cpu_init(void);
GGML_BACKEND_API bool               ggml_backend_is_cpu(ggml_backend_t backend);
// Sets the number of threads of later computations. It is clamped to 1 to GGML_MAX_N_THREADS.
GGML_BACKEND_API void               ggml_backend_cpu_set_n_threads(ggml_backend_t backend_cpu, int n_threads);
// Sets a callback that is asked before each node. If it stops a computation, that returns GGML_STATUS_ABORTED.
GGML_BACKEND_API void               ggml_backend_cpu_set_abort_callback(ggml_backend_t backend_cpu, ggml_abort_callback abort_callback,
                                                                        void * abort_callback_data);
GGML_BACKEND_API ggml_backend_reg_t ggml_backend_cpu_reg(void);

#ifdef __cplusplus
}
#endif
