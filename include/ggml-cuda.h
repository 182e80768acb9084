// ggml-cuda.h - the backend for NVIDIA GPUs, by the CUDA runtime. There if the library was built with GGML_SCHED_CUDA.
//
// A backend is one stream of a device; several of one device are several streams. docs/gpu.md says what each operation
// promises. Threading: as in ggml-backend.h.

#pragma once

#include "ggml-backend.h"

#ifdef __cplusplus
extern "C" {
#endif

#define GGML_CUDA_MAX_DEVICES 16

// NULL, and a line in the log, if there is no such device or memory runs out.
GGML_BACKEND_API ggml_backend_t ggml_backend_cuda_init(int device);
GGML_BACKEND_API bool           ggml_backend_is_cuda(ggml_backend_t backend);

// NULL if there is no such device
GGML_BACKEND_API ggml_backend_buffer_type_t ggml_backend_cuda_buffer_type(int device);
// Pinned host memory, from which and into which transfers are asynchronous; NULL without a device
GGML_BACKEND_API ggml_backend_buffer_type_t ggml_backend_cuda_host_buffer_type(void);

// 0 where there is no driver
GGML_BACKEND_API int  ggml_backend_cuda_get_device_count(void);
GGML_BACKEND_API void ggml_backend_cuda_get_device_description(int device, char * description, size_t description_size);
GGML_BACKEND_API void ggml_backend_cuda_get_device_memory(int device, size_t * free, size_t * total);

// Pins memory that others allocated, so that transfers from it are asynchronous; false, and a line in the log, if that
// fails. Unregister it before it is freed, when no transfer uses it.
GGML_BACKEND_API bool ggml_backend_cuda_register_host_buffer(void * buffer, size_t size);
GGML_BACKEND_API void ggml_backend_cuda_unregister_host_buffer(void * buffer);

GGML_BACKEND_API ggml_backend_reg_t ggml_backend_cuda_reg(void);

#ifdef __cplusplus
}
#endif
