#include "host/execute.h"

#include <exception>

#include "host/internals.h"
#include "host/log.h"

namespace ggml_sched::host {

namespace {

// Returns a tensor of `size` bytes, that far into another one.
ggml_tensor range_at(const ggml_tensor & tensor, size_t offset, size_t size) {
    return bytes_at(tensor.buffer, static_cast<char *>(tensor.data) + offset, size);
}

} // namespace

ggml_status place(ggml_tensor * tensor, ggml_backend_buffer_t buffer, void * data) {
    tensor->buffer = buffer;
    tensor->data = data;
    const ggml_status status =
        buffer && has_init_tensor(buffer) ? ggml_backend_buffer_init_tensor(buffer, tensor) : GGML_STATUS_SUCCESS;
    if (status != GGML_STATUS_SUCCESS) {
        tensor->buffer = nullptr;
        tensor->data = nullptr;
    }
    return status;
}

void synchronize(ggml_backend_t backend) {
    ggml_backend_synchronize(backend);
}

ggml_backend_event_t event_new(ggml_backend_dev_t device) {
    return ggml_backend_event_new(device);
}

void event_free(ggml_backend_event_t event) {
    ggml_backend_event_free(event);
}

void event_record(ggml_backend_event_t event, ggml_backend_t backend) {
    ggml_backend_event_record(event, backend);
}

void event_wait(ggml_backend_t backend, ggml_backend_event_t event) {
    ggml_backend_event_wait(backend, event);
}

void event_synchronize(ggml_backend_event_t event) {
    ggml_backend_event_synchronize(event);
}

void finish_device(const Backend & backend, ggml_backend_event_t event) noexcept {
    ggml_backend_t other = nullptr;
    bool is_done = false;
    try { // Vulkan throws where it has no memory, or where its device is lost.
        other = second_backend(backend);
        if (other) {
            event_record(event, other);
            event_synchronize(event);
            is_done = true;
        }
    } catch (const std::exception &) {
        is_done = false;
    }
    if (!is_done) {
        log_error("a device could not be waited for when its scheduler was freed; call ggml_backend_sched_synchronize "
                  "before ggml_backend_sched_free");
    }
    if (other) {
        ggml_backend_free(other);
    }
}

ggml_status launch(ggml_backend_t backend, ggml_cgraph * graph) {
    return ggml_backend_graph_compute_async(backend, graph);
}

ggml_status take_failure(const Backend & backend, uint64_t & mark) {
    return backend.take_failure ? backend.take_failure(backend.handle, &mark) : GGML_STATUS_SUCCESS;
}

void set_async(ggml_backend_t backend, ggml_tensor * dst, const void * data, size_t offset, size_t size) {
    ggml_backend_tensor_set_async(backend, dst, data, offset, size);
}

void set_range_async(ggml_backend_t backend, const ggml_tensor * first, const void * data, size_t size) {
    ggml_tensor range = range_at(*first, 0, size);
    ggml_backend_tensor_set_async(backend, &range, data, 0, size);
}

void get_async(ggml_backend_t backend, const ggml_tensor * src, void * data) {
    ggml_backend_tensor_get_async(backend, src, data, 0, ggml_nbytes(src));
}

bool copy_async(ggml_backend_t src_backend, ggml_backend_t dst_backend, const ggml_tensor * src, ggml_tensor * dst) {
    return try_copy_async(src_backend, dst_backend, src, dst);
}

bool copy_range_async(ggml_backend_t backend, const ggml_tensor & src, size_t src_offset, const ggml_tensor & dst,
                      size_t dst_offset, size_t size) {
    const ggml_tensor from = range_at(src, src_offset, size);
    ggml_tensor to = range_at(dst, dst_offset, size);
    return try_copy_async(backend, backend, &from, &to);
}

void set_blocking(ggml_tensor * dst, const void * data, size_t offset, size_t size) {
    ggml_backend_tensor_set(dst, data, offset, size);
}

void get_blocking(const ggml_tensor * src, void * data) {
    ggml_backend_tensor_get(src, data, 0, ggml_nbytes(src));
}

void copy_blocking(const ggml_tensor * src, ggml_tensor * dst) {
    ggml_backend_tensor_copy(const_cast<ggml_tensor *>(src), dst); // ggml only reads it; older versions lack the const
}

} // namespace ggml_sched::host
