#include "host/internals.h"

#include <utility>

#include "host/ggml_api.h"
#include "host/owned_buffers.h"

namespace ggml_sched::host {

namespace {

// Logs that the tensor's memory is gone.
void log_lost(const ggml_tensor * tensor) {
    GGML_LOG_ERROR("ggml-sched: tensor '%s' lies in memory that its scheduler has replaced; allocate its graph again\n",
                   tensor->name);
}

// Returns functions for a buffer without memory, which tensors of earlier graphs may still name. Reading and writing
// such a tensor only logs an error.
ggml_backend_buffer_i interface_without_memory() {
    ggml_backend_buffer_i iface = {};
    iface.get_base = [](ggml_backend_buffer_t) -> void * { return nullptr; };
    iface.memset_tensor = [](ggml_backend_buffer_t, ggml_tensor * tensor, uint8_t, size_t, size_t) {
        log_lost(tensor);
    };
    iface.set_tensor = [](ggml_backend_buffer_t, ggml_tensor * tensor, const void *, size_t, size_t) {
        log_lost(tensor);
    };
    iface.get_tensor = [](ggml_backend_buffer_t, const ggml_tensor * tensor, void *, size_t, size_t) {
        log_lost(tensor);
    };
    iface.clear = [](ggml_backend_buffer_t, uint8_t) {};
    return iface;
}

} // namespace

BackendFunctions functions_of(ggml_backend_t backend) {
    const ggml_backend_i & iface = backend->iface;
    BackendFunctions result;
    result.set_async = iface.set_tensor_async != nullptr;
    result.get_async = iface.get_tensor_async != nullptr;
    result.copy_async = iface.cpy_tensor_async != nullptr;
    result.synchronize = iface.synchronize != nullptr;
    result.events = iface.event_record && iface.event_wait;
#if GGML_SCHED_HAS_GRAPH_OPTIMIZE
    result.graph_optimize = iface.graph_optimize != nullptr;
#endif
    return result;
}

bool try_copy_async(ggml_backend_t src_backend, ggml_backend_t dst_backend, const ggml_tensor * src,
                    ggml_tensor * dst) {
    return dst_backend->iface.cpy_tensor_async &&
           dst_backend->iface.cpy_tensor_async(src_backend, dst_backend, src, dst);
}

bool has_props(ggml_backend_dev_t device) {
    return device->iface.get_props != nullptr;
}

bool makes_backends(ggml_backend_dev_t device) {
    return device->iface.init_backend != nullptr;
}

bool has_alloc_size(ggml_backend_buffer_type_t buft) {
    return buft->iface.get_alloc_size != nullptr;
}

bool has_init_tensor(ggml_backend_buffer_t buffer) {
    return buffer->iface.init_tensor != nullptr;
}

FreeBuffer exchange_free(ggml_backend_buffer_t buffer, FreeBuffer free_buffer) {
    return std::exchange(buffer->iface.free_buffer, free_buffer);
}

void free_memory_of(ggml_backend_buffer_t buffer) {
    if (buffer->iface.free_buffer) {
        buffer->iface.free_buffer(buffer);
    }
    buffer->iface = interface_without_memory();
    buffer->context = nullptr;
    buffer->size = 0;
}

} // namespace ggml_sched::host
