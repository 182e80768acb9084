// Blocking access to the bytes of tensors. An access out of bounds, or to a tensor without a place, is logged and has
// no effect.

#include "backend/tensor_access.h"
#include "ggml-backend-impl.h"
#include "ggml-impl.h"

#include <algorithm>
#include <memory>
#include <new>

using ggml_sched::accessible;
using ggml_sched::accessible_2d;
using ggml_sched::buffer_of;

void ggml_backend_tensor_set(ggml_tensor * tensor, const void * data, size_t offset, size_t size) {
    if (accessible(tensor, data, offset, size, __func__)) {
        ggml_backend_buffer_t buffer = buffer_of(tensor);
        buffer->iface.set_tensor(buffer, tensor, data, offset, size);
    }
}

void ggml_backend_tensor_get(const ggml_tensor * tensor, void * data, size_t offset, size_t size) {
    if (accessible(tensor, data, offset, size, __func__)) {
        ggml_backend_buffer_t buffer = buffer_of(tensor);
        buffer->iface.get_tensor(buffer, tensor, data, offset, size);
    }
}

void ggml_backend_tensor_memset(ggml_tensor * tensor, uint8_t value, size_t offset, size_t size) {
    if (!accessible(tensor, tensor, offset, size, __func__)) {
        return;
    }
    ggml_backend_buffer_t buffer = buffer_of(tensor);
    if (buffer->iface.memset_tensor == nullptr) {
        GGML_LOG_ERROR("%s: %s buffers cannot be filled; use ggml_backend_tensor_set\n", __func__,
                       ggml_backend_buffer_name(buffer));
        return;
    }
    buffer->iface.memset_tensor(buffer, tensor, value, offset, size);
}

void ggml_backend_tensor_set_2d(ggml_tensor * tensor, const void * data, size_t offset, size_t size, size_t n_copies,
                                size_t stride_tensor, size_t stride_data) {
    if (!accessible_2d(tensor, data, {offset, size, n_copies, stride_tensor}, __func__)) {
        return;
    }
    ggml_backend_buffer_t buffer = buffer_of(tensor);
    if (n_copies > 1 && buffer->iface.set_tensor_2d != nullptr) {
        buffer->iface.set_tensor_2d(buffer, tensor, data, offset, size, n_copies, stride_tensor, stride_data);
        return;
    }
    for (size_t i = 0; i < n_copies; i++) {
        buffer->iface.set_tensor(buffer, tensor, static_cast<const char *>(data) + i * stride_data,
                                 offset + i * stride_tensor, size);
    }
}

void ggml_backend_tensor_get_2d(const ggml_tensor * tensor, void * data, size_t offset, size_t size, size_t n_copies,
                                size_t stride_tensor, size_t stride_data) {
    if (!accessible_2d(tensor, data, {offset, size, n_copies, stride_tensor}, __func__)) {
        return;
    }
    ggml_backend_buffer_t buffer = buffer_of(tensor);
    if (n_copies > 1 && buffer->iface.get_tensor_2d != nullptr) {
        buffer->iface.get_tensor_2d(buffer, tensor, data, offset, size, n_copies, stride_tensor, stride_data);
        return;
    }
    for (size_t i = 0; i < n_copies; i++) {
        buffer->iface.get_tensor(buffer, tensor, static_cast<char *>(data) + i * stride_data,
                                 offset + i * stride_tensor, size);
    }
}

namespace {

// Copies through host memory. Nobody could be told that there is none: then it goes piece by piece.
void copy_through_host(const ggml_tensor * src, ggml_tensor * dst, size_t size) {
    char piece[1024];
    const std::unique_ptr<char[]> all(new (std::nothrow) char[size]);
    char * const bytes = all ? all.get() : piece;
    const size_t most = all ? size : sizeof(piece);
    for (size_t offset = 0; offset < size; offset += most) {
        const size_t n = std::min(most, size - offset);
        ggml_backend_tensor_get(src, bytes, offset, n);
        ggml_backend_tensor_set(dst, bytes, offset, n);
    }
}

} // namespace

void ggml_backend_tensor_copy(const ggml_tensor * src, ggml_tensor * dst) {
    if (!ggml_sched::copyable(src, dst, __func__) || src == dst) {
        return;
    }
    ggml_backend_buffer_t src_buffer = buffer_of(src);
    ggml_backend_buffer_t dst_buffer = buffer_of(dst);
    if (src_buffer == dst_buffer && src->data == dst->data) {
        return;
    }
    const size_t size = ggml_nbytes(src);
    if (ggml_backend_buffer_is_host(src_buffer)) {
        ggml_backend_tensor_set(dst, src->data, 0, size);
        return;
    }
    if (ggml_backend_buffer_is_host(dst_buffer)) {
        ggml_backend_tensor_get(src, dst->data, 0, size);
        return;
    }
    if (dst_buffer->iface.cpy_tensor != nullptr && dst_buffer->iface.cpy_tensor(dst_buffer, src, dst)) {
        return;
    }
    copy_through_host(src, dst, size);
}
