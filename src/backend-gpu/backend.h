// backend.h - the backends of a device, each with a queue of its own. One thread at a time each.

#pragma once

#include "device.h"
#include "queue.h"

namespace ggml_sched::gpu {
inline namespace GGML_SCHED_GPU_VENDOR {

constexpr int kMaxDevices = 16;

ggml_backend_t new_backend(Device & device);
bool is_own_backend(ggml_backend_t backend);

inline Queue & queue_of(ggml_backend_t backend) {
    return *static_cast<Queue *>(backend->context);
}

// Asynchronous members that move bytes
void set_tensor_async(ggml_backend_t backend, ggml_tensor * tensor, const void * data, size_t offset, size_t size);
void get_tensor_async(ggml_backend_t backend, const ggml_tensor * tensor, void * data, size_t offset, size_t size);
void set_tensor_2d_async(ggml_backend_t backend, ggml_tensor * tensor, const void * data, size_t offset, size_t size,
                         size_t n_copies, size_t stride_tensor, size_t stride_data);
void get_tensor_2d_async(ggml_backend_t backend, const ggml_tensor * tensor, void * data, size_t offset, size_t size,
                         size_t n_copies, size_t stride_tensor, size_t stride_data);
bool cpy_tensor_async(ggml_backend_t backend_src, ggml_backend_t backend_dst, const ggml_tensor * src,
                      ggml_tensor * dst);
// On whose queue copies run
enum ggml_backend_copy_queue copy_queue(ggml_backend_dev_t src, ggml_backend_dev_t dst);

enum ggml_status graph_compute(ggml_backend_t backend, ggml_cgraph * cgraph);

} // namespace GGML_SCHED_GPU_VENDOR
} // namespace ggml_sched::gpu
