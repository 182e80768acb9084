#include "arguments.h"
#include "enumerator.h"
#include "ggml-backend-impl.h"

#include <new>

using ggml_sched::given;

ggml_backend_buffer_t ggml_backend_buffer_init(ggml_backend_buffer_type_t buft, ggml_backend_buffer_i iface,
                                               void * context, size_t size) {
    auto * buffer = new (std::nothrow) ggml_backend_buffer{iface, buft, context, size, GGML_BACKEND_BUFFER_USAGE_ANY};
    if (buffer == nullptr) {
        GGML_LOG_ERROR("%s: out of host memory; close other programs\n", __func__);
    }
    return buffer;
}

const char * ggml_backend_buffer_name(ggml_backend_buffer_t buffer) {
    return given(buffer, __func__, "buffer") ? ggml_backend_buft_name(buffer->buft) : "(null)";
}

void ggml_backend_buffer_free(ggml_backend_buffer_t buffer) {
    if (buffer == nullptr) {
        return;
    }
    if (buffer->iface.free_buffer != nullptr) {
        buffer->iface.free_buffer(buffer);
    }
    delete buffer;
}

void * ggml_backend_buffer_get_base(ggml_backend_buffer_t buffer) {
    if (!given(buffer, __func__, "buffer") || buffer->size == 0) {
        return nullptr; // an empty buffer has no interface and no base
    }
    return buffer->iface.get_base(buffer);
}

size_t ggml_backend_buffer_get_size(ggml_backend_buffer_t buffer) {
    return given(buffer, __func__, "buffer") ? buffer->size : 0;
}

enum ggml_status ggml_backend_buffer_init_tensor(ggml_backend_buffer_t buffer, ggml_tensor * tensor) {
    if (!given(buffer, __func__, "buffer") || !given(tensor, __func__, "tensor")) {
        return GGML_STATUS_FAILED;
    }
    return buffer->iface.init_tensor != nullptr ? buffer->iface.init_tensor(buffer, tensor) : GGML_STATUS_SUCCESS;
}

size_t ggml_backend_buffer_get_alignment(ggml_backend_buffer_t buffer) {
    return given(buffer, __func__, "buffer") ? ggml_backend_buft_get_alignment(buffer->buft) : 1;
}

size_t ggml_backend_buffer_get_max_size(ggml_backend_buffer_t buffer) {
    return given(buffer, __func__, "buffer") ? ggml_backend_buft_get_max_size(buffer->buft) : 0;
}

size_t ggml_backend_buffer_get_alloc_size(ggml_backend_buffer_t buffer, const ggml_tensor * tensor) {
    return given(buffer, __func__, "buffer") ? ggml_backend_buft_get_alloc_size(buffer->buft, tensor) : 0;
}

void ggml_backend_buffer_clear(ggml_backend_buffer_t buffer, uint8_t value) {
    if (given(buffer, __func__, "buffer") && buffer->size != 0) {
        buffer->iface.clear(buffer, value);
    }
}

bool ggml_backend_buffer_is_host(ggml_backend_buffer_t buffer) {
    return given(buffer, __func__, "buffer") && ggml_backend_buft_is_host(buffer->buft);
}

void ggml_backend_buffer_set_usage(ggml_backend_buffer_t buffer, enum ggml_backend_buffer_usage usage) {
    if (!given(buffer, __func__, "buffer")) {
        return;
    }
    if (!ggml_sched::core::is_below(usage, GGML_BACKEND_BUFFER_USAGE_COMPUTE + 1)) {
        GGML_LOG_ERROR("%s: there is no usage %d\n", __func__, ggml_sched::core::number_of(usage));
        return;
    }
    buffer->usage = usage;
}

enum ggml_backend_buffer_usage ggml_backend_buffer_get_usage(ggml_backend_buffer_t buffer) {
    return given(buffer, __func__, "buffer") ? buffer->usage : GGML_BACKEND_BUFFER_USAGE_ANY;
}

ggml_backend_buffer_type_t ggml_backend_buffer_get_type(ggml_backend_buffer_t buffer) {
    return given(buffer, __func__, "buffer") ? buffer->buft : nullptr;
}

void ggml_backend_buffer_reset(ggml_backend_buffer_t buffer) {
    if (given(buffer, __func__, "buffer") && buffer->iface.reset != nullptr) {
        buffer->iface.reset(buffer);
    }
}
