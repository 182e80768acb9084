// ggml-hip.h - the backend for AMD GPUs. The library has it if it was built with GGML_SCHED_HIP.
//
// A backend is one stream of a device, and several backends of one device are several streams. Ownership and threading
// are those of ggml-backend.h. The project's docs/gpu.md says what each operation promises.

#pragma once

#include "ggml-backend.h"

#ifdef __cplusplus
extern "C" {
#endif

#define GGML_HIP_MAX_DEVICES 16

// Makes a backend, which the caller frees. Returns NULL, with a line in the log, if there is no such device or memory.
GGML_BACKEND_API ggml_backend_t ggml_backend_hip_init(int device);
GGML_BACKEND_API bool           ggml_backend_is_hip(ggml_backend_t backend);

// Returns the type of the device's memory; NULL, with a line in the log, if there is no such device.
GGML_BACKEND_API ggml_backend_buffer_type_t ggml_backend_hip_buffer_type(int device);
// Returns the type of pinned host memory, with which transfers are asynchronous; NULL if there is no device.
GGML_BACKEND_API ggml_backend_buffer_type_t ggml_backend_hip_host_buffer_type(void);

// Returns the number of devices; 0 if there is no driver.
GGML_BACKEND_API int  ggml_backend_hip_get_device_count(void);
// These write a name of at most description_size bytes, and bytes of memory; "" and 0 for an unknown device.
GGML_BACKEND_API void ggml_backend_hip_get_device_description(int device, char * description, size_t description_size);
GGML_BACKEND_API void ggml_backend_hip_get_device_memory(int device, size_t * free, size_t * total);

// Pins memory of the caller, so that transfers with it are asynchronous. Returns false, with a line in the log, if that
// fails. Unregister the memory before it is freed, when no transfer uses it.
GGML_BACKEND_API bool ggml_backend_hip_register_host_buffer(void * buffer, size_t size);
GGML_BACKEND_API void ggml_backend_hip_unregister_host_buffer(void * buffer);

GGML_BACKEND_API ggml_backend_reg_t ggml_backend_hip_reg(void);

#ifdef __cplusplus
}
#endif
