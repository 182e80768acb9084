#include "arguments.h"
#include "backend/tensor_access.h"
#include "ggml-backend-impl.h"

#include <cstring>

using ggml_sched::accessible;
using ggml_sched::accessible_2d;
using ggml_sched::given;

ggml_guid_t ggml_backend_guid(ggml_backend_t backend) {
    return given(backend, __func__, "backend") ? backend->guid : nullptr;
}

bool ggml_guid_matches(ggml_guid_t guid_a, ggml_guid_t guid_b) {
    return guid_a != nullptr && guid_b != nullptr && std::memcmp(guid_a, guid_b, sizeof(ggml_guid)) == 0;
}

const char * ggml_backend_name(ggml_backend_t backend) {
    return given(backend, __func__, "backend") ? backend->iface.get_name(backend) : "(null)";
}

void ggml_backend_free(ggml_backend_t backend) {
    if (backend != nullptr) {
        ggml_backend_synchronize(backend);
        backend->iface.free(backend);
    }
}

ggml_backend_dev_t ggml_backend_get_device(ggml_backend_t backend) {
    return given(backend, __func__, "backend") ? backend->device : nullptr;
}

ggml_backend_buffer_type_t ggml_backend_get_default_buffer_type(ggml_backend_t backend) {
    return given(backend, __func__, "backend") ? ggml_backend_dev_buffer_type(backend->device) : nullptr;
}

ggml_backend_buffer_t ggml_backend_alloc_buffer(ggml_backend_t backend, size_t size) {
    ggml_backend_buffer_type_t buft = ggml_backend_get_default_buffer_type(backend);
    return buft != nullptr ? ggml_backend_buft_alloc_buffer(buft, size) : nullptr;
}

size_t ggml_backend_get_alignment(ggml_backend_t backend) {
    ggml_backend_buffer_type_t buft = ggml_backend_get_default_buffer_type(backend);
    return buft != nullptr ? ggml_backend_buft_get_alignment(buft) : 1;
}

size_t ggml_backend_get_max_size(ggml_backend_t backend) {
    ggml_backend_buffer_type_t buft = ggml_backend_get_default_buffer_type(backend);
    return buft != nullptr ? ggml_backend_buft_get_max_size(buft) : 0;
}

void ggml_backend_synchronize(ggml_backend_t backend) {
    if (given(backend, __func__, "backend") && backend->iface.synchronize != nullptr) {
        backend->iface.synchronize(backend);
    }
}

enum ggml_status ggml_backend_graph_compute(ggml_backend_t backend, ggml_cgraph * cgraph) {
    const enum ggml_status status = ggml_backend_graph_compute_async(backend, cgraph);
    if (backend != nullptr) {
        ggml_backend_synchronize(backend);
    }
    return status;
}

enum ggml_status ggml_backend_graph_compute_async(ggml_backend_t backend, ggml_cgraph * cgraph) {
    if (!given(backend, __func__, "backend") || !given(cgraph, __func__, "cgraph")) {
        return GGML_STATUS_FAILED;
    }
    if (cgraph->overflow) {
        GGML_LOG_ERROR("%s: the graph is incomplete; build it with room for more than %d nodes\n", __func__,
                       cgraph->size);
        return GGML_STATUS_FAILED;
    }
    return backend->iface.graph_compute(backend, cgraph);
}

bool ggml_backend_supports_op(ggml_backend_t backend, const ggml_tensor * op) {
    return given(backend, __func__, "backend") && ggml_backend_dev_supports_op(backend->device, op);
}

bool ggml_backend_supports_buft(ggml_backend_t backend, ggml_backend_buffer_type_t buft) {
    return given(backend, __func__, "backend") && ggml_backend_dev_supports_buft(backend->device, buft);
}

bool ggml_backend_offload_op(ggml_backend_t backend, const ggml_tensor * op) {
    return given(backend, __func__, "backend") && ggml_backend_dev_offload_op(backend->device, op);
}

void ggml_backend_tensor_set_async(ggml_backend_t backend, ggml_tensor * tensor, const void * data, size_t offset,
                                   size_t size) {
    if (!given(backend, __func__, "backend") || !accessible(tensor, data, offset, size, __func__)) {
        return;
    }
    if (backend->iface.set_tensor_async != nullptr) {
        backend->iface.set_tensor_async(backend, tensor, data, offset, size);
        return;
    }
    ggml_backend_synchronize(backend);
    ggml_backend_tensor_set(tensor, data, offset, size);
}

void ggml_backend_tensor_get_async(ggml_backend_t backend, const ggml_tensor * tensor, void * data, size_t offset,
                                   size_t size) {
    if (!given(backend, __func__, "backend") || !accessible(tensor, data, offset, size, __func__)) {
        return;
    }
    if (backend->iface.get_tensor_async != nullptr) {
        backend->iface.get_tensor_async(backend, tensor, data, offset, size);
        return;
    }
    ggml_backend_synchronize(backend);
    ggml_backend_tensor_get(tensor, data, offset, size);
}

void ggml_backend_tensor_set_2d_async(ggml_backend_t backend, ggml_tensor * tensor, const void * data, size_t offset,
                                      size_t size, size_t n_copies, size_t stride_tensor, size_t stride_data) {
    if (!given(backend, __func__, "backend") ||
        !accessible_2d(tensor, data, {offset, size, n_copies, stride_tensor}, __func__)) {
        return;
    }
    if (n_copies > 1 && backend->iface.set_tensor_2d_async != nullptr) {
        backend->iface.set_tensor_2d_async(backend, tensor, data, offset, size, n_copies, stride_tensor, stride_data);
        return;
    }
    for (size_t i = 0; i < n_copies; i++) {
        ggml_backend_tensor_set_async(backend, tensor, static_cast<const char *>(data) + i * stride_data,
                                      offset + i * stride_tensor, size);
    }
}

void ggml_backend_tensor_get_2d_async(ggml_backend_t backend, const ggml_tensor * tensor, void * data, size_t offset,
                                      size_t size, size_t n_copies, size_t stride_tensor, size_t stride_data) {
    if (!given(backend, __func__, "backend") ||
        !accessible_2d(tensor, data, {offset, size, n_copies, stride_tensor}, __func__)) {
        return;
    }
    if (n_copies > 1 && backend->iface.get_tensor_2d_async != nullptr) {
        backend->iface.get_tensor_2d_async(backend, tensor, data, offset, size, n_copies, stride_tensor, stride_data);
        return;
    }
    for (size_t i = 0; i < n_copies; i++) {
        ggml_backend_tensor_get_async(backend, tensor, static_cast<char *>(data) + i * stride_data,
                                      offset + i * stride_tensor, size);
    }
}

void ggml_backend_tensor_copy_async(ggml_backend_t backend_src, ggml_backend_t backend_dst, const ggml_tensor * src,
                                    ggml_tensor * dst) {
    if (!given(backend_src, __func__, "backend_src") || !given(backend_dst, __func__, "backend_dst") ||
        !ggml_sched::copyable(src, dst, __func__) || src == dst) {
        return;
    }
    if (backend_dst->iface.cpy_tensor_async != nullptr &&
        backend_dst->iface.cpy_tensor_async(backend_src, backend_dst, src, dst)) {
        return;
    }
    ggml_backend_synchronize(backend_src);
    ggml_backend_synchronize(backend_dst);
    ggml_backend_tensor_copy(src, dst);
}
