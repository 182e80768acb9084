// null_backend.h - the null backend's functions: its registry, its devices, and queues on them.
//
// The null backend has eight devices. Their memory is host memory, and their queues do nothing. A scheduler plans for
// them as for GPUs, so they show plans, and the scheduler's own time. They are also a skeleton to clone: see README.md.

#pragma once

#include "ggml-backend.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { null_device_count = 8 };

// Returns the registry. ggml_backend_register() makes its devices known to ggml_backend_dev_by_name() and the like.
ggml_backend_reg_t null_backend_reg(void);

// Returns device `index`, which lives as long as the process; NULL if there is none.
ggml_backend_dev_t null_backend_device(int index);

// Makes a backend, which is one queue, on device `index`. The caller frees it. NULL: there is no such device or no
// memory.
ggml_backend_t null_backend_init(int index);

#ifdef __cplusplus
}
#endif
