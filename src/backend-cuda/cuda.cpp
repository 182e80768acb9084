// ggml-cuda.h: the public functions, for the devices of this vendor.

#include "ggml-cuda.h"

#include "backend.h"
#include "ggml-impl.h"

#include <cstdio>

static_assert(GGML_CUDA_MAX_DEVICES == ggml_sched::gpu::kMaxDevices, "the header says how many there may be");

namespace ggml_sched::gpu {
inline namespace GGML_SCHED_GPU_VENDOR {

namespace {

// NULL, and a line in the log, if there is none
Device * device_at(int index, const char * function) {
    if (index >= 0 && static_cast<size_t>(index) < devices().size()) {
        return devices()[static_cast<size_t>(index)].get();
    }
    GGML_LOG_ERROR("%s: there is no device %d; this machine has %zu\n", function, index, devices().size());
    return nullptr;
}

} // namespace

} // namespace GGML_SCHED_GPU_VENDOR
} // namespace ggml_sched::gpu

using namespace ggml_sched::gpu;

ggml_backend_t ggml_backend_cuda_init(int device) {
    Device * found = device_at(device, __func__);
    return found != nullptr ? new_backend(*found) : nullptr;
}

bool ggml_backend_is_cuda(ggml_backend_t backend) {
    return is_own_backend(backend);
}

ggml_backend_buffer_type_t ggml_backend_cuda_buffer_type(int device) {
    Device * found = device_at(device, __func__);
    return found != nullptr ? found->buffer_type() : nullptr;
}

ggml_backend_buffer_type_t ggml_backend_cuda_host_buffer_type(void) {
    return host_buffer_type();
}

int ggml_backend_cuda_get_device_count(void) {
    return static_cast<int>(devices().size());
}

void ggml_backend_cuda_get_device_description(int device, char * description, size_t description_size) {
    const Device * found = device_at(device, __func__);
    if (description != nullptr && description_size > 0) {
        (void) std::snprintf(description, description_size, "%s", found != nullptr ? found->info().name : "");
    }
}

void ggml_backend_cuda_get_device_memory(int device, size_t * free, size_t * total) {
    Device * found = device_at(device, __func__);
    if (free == nullptr || total == nullptr) {
        GGML_LOG_ERROR("%s: free or total is NULL\n", __func__);
        return;
    }
    *free = 0;
    *total = 0;
    if (found != nullptr) {
        ggml_backend_dev_memory(found->handle(), free, total);
    }
}

bool ggml_backend_cuda_register_host_buffer(void * buffer, size_t size) {
    return register_host_memory(buffer, size);
}

void ggml_backend_cuda_unregister_host_buffer(void * buffer) {
    unregister_host_memory(buffer);
}

ggml_backend_reg_t ggml_backend_cuda_reg(void) {
    return registry();
}
