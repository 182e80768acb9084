#include "arguments.h"
#include "ggml-backend-impl.h"

using ggml_sched::given;

const char * ggml_backend_buft_name(ggml_backend_buffer_type_t buft) {
    return given(buft, __func__, "buft") ? buft->iface.get_name(buft) : "(null)";
}

ggml_backend_buffer_t ggml_backend_buft_alloc_buffer(ggml_backend_buffer_type_t buft, size_t size) {
    if (!given(buft, __func__, "buft")) {
        return nullptr;
    }
    if (size == 0) {
        return ggml_backend_buffer_init(buft, {}, nullptr, 0);
    }
    // No object may be larger than PTRDIFF_MAX, whatever the buffer type says.
    if (size > PTRDIFF_MAX || size > ggml_backend_buft_get_max_size(buft)) {
        GGML_LOG_ERROR(
            "%s: a %s buffer of %zu bytes exceeds the greatest size, %zu bytes; use smaller batches or fewer "
            "layers on this device\n",
            __func__, ggml_backend_buft_name(buft), size, ggml_backend_buft_get_max_size(buft));
        return nullptr;
    }
    return buft->iface.alloc_buffer(buft, size);
}

size_t ggml_backend_buft_get_alignment(ggml_backend_buffer_type_t buft) {
    return given(buft, __func__, "buft") ? buft->iface.get_alignment(buft) : 1;
}

size_t ggml_backend_buft_get_max_size(ggml_backend_buffer_type_t buft) {
    if (!given(buft, __func__, "buft")) {
        return 0;
    }
    return buft->iface.get_max_size != nullptr ? buft->iface.get_max_size(buft) : SIZE_MAX;
}

size_t ggml_backend_buft_get_alloc_size(ggml_backend_buffer_type_t buft, const ggml_tensor * tensor) {
    if (!given(buft, __func__, "buft") || !given(tensor, __func__, "tensor")) {
        return 0;
    }
    return buft->iface.get_alloc_size != nullptr ? buft->iface.get_alloc_size(buft, tensor) : ggml_nbytes(tensor);
}

bool ggml_backend_buft_is_host(ggml_backend_buffer_type_t buft) {
    return given(buft, __func__, "buft") && buft->iface.is_host != nullptr && buft->iface.is_host(buft);
}

ggml_backend_dev_t ggml_backend_buft_get_device(ggml_backend_buffer_type_t buft) {
    return given(buft, __func__, "buft") ? buft->device : nullptr;
}
