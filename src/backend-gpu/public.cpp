// public.cpp - the functions of ggml-cuda.h or ggml-hip.h: ggml_backend_cuda_init and so on.
//
// The file is compiled once for each vendor. The vendor's vendor.h names the header and its functions.

#include "backend.h"
#include "ggml-impl.h"
#include "vendor.h"

#include GGML_SCHED_GPU_HEADER

#include <cstdio>

static_assert(GGML_SCHED_GPU_MAX_DEVICES == ggml_sched::gpu::kMaxDevices, "the header says how many there may be");

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

ggml_backend_t GGML_SCHED_GPU_PUBLIC(init)(int device) {
    Device * found = device_at(device, __func__);
    return found != nullptr ? new_backend(*found) : nullptr;
}

bool GGML_SCHED_GPU_IS_OWN(ggml_backend_t backend) {
    return is_own_backend(backend);
}

ggml_backend_buffer_type_t GGML_SCHED_GPU_PUBLIC(buffer_type)(int device) {
    Device * found = device_at(device, __func__);
    return found != nullptr ? found->buffer_type() : nullptr;
}

ggml_backend_buffer_type_t GGML_SCHED_GPU_PUBLIC(host_buffer_type)(void) {
    return host_buffer_type();
}

int GGML_SCHED_GPU_PUBLIC(get_device_count)(void) {
    return static_cast<int>(devices().size());
}

void GGML_SCHED_GPU_PUBLIC(get_device_description)(int device, char * description, size_t description_size) {
    const Device * found = device_at(device, __func__);
    if (description != nullptr && description_size > 0) {
        (void) std::snprintf(description, description_size, "%s", found != nullptr ? found->info().name : "");
    }
}

void GGML_SCHED_GPU_PUBLIC(get_device_memory)(int device, size_t * free, size_t * total) {
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

bool GGML_SCHED_GPU_PUBLIC(register_host_buffer)(void * buffer, size_t size) {
    return register_host_memory(buffer, size);
}

void GGML_SCHED_GPU_PUBLIC(unregister_host_buffer)(void * buffer) {
    unregister_host_memory(buffer);
}

ggml_backend_reg_t GGML_SCHED_GPU_PUBLIC(reg)(void) {
    return registry();
}
