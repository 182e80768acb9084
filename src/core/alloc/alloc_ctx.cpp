// One buffer for the tensors of a context.

#include "arguments.h"
#include "ggml-alloc.h"
#include "ggml-backend-impl.h"

using ggml_sched::given;

namespace {

bool needs_place(const ggml_tensor * tensor) {
    return tensor->data == nullptr && tensor->buffer == nullptr && tensor->view_src == nullptr;
}

// The bytes that the tensors without a place need; false if that is more than a size_t holds.
bool total_size(const ggml_context * ctx, ggml_backend_buffer_type_t buft, size_t * total) {
    const size_t alignment = ggml_backend_buft_get_alignment(buft);
    *total = 0;
    for (ggml_tensor * t = ggml_get_first_tensor(ctx); t != nullptr; t = ggml_get_next_tensor(ctx, t)) {
        if (!needs_place(t)) {
            continue;
        }
        size_t padded = 0;
        if (!ggml_sched::align_up(ggml_backend_buft_get_alloc_size(buft, t), alignment, &padded) ||
            padded > SIZE_MAX - *total) {
            return false;
        }
        *total += padded;
    }
    return true;
}

bool place_tensors(const ggml_context * ctx, ggml_backend_buffer_t buffer) {
    ggml_tallocr allocator = ggml_tallocr_new(buffer);
    for (ggml_tensor * t = ggml_get_first_tensor(ctx); t != nullptr; t = ggml_get_next_tensor(ctx, t)) {
        if (needs_place(t) && ggml_tallocr_alloc(&allocator, t) != GGML_STATUS_SUCCESS) {
            return false;
        }
    }
    return true;
}

// Views of tensors without a buffer stay as they are.
bool place_views(const ggml_context * ctx) {
    for (ggml_tensor * t = ggml_get_first_tensor(ctx); t != nullptr; t = ggml_get_next_tensor(ctx, t)) {
        if (t->view_src == nullptr || t->view_src->buffer == nullptr || t->buffer != nullptr) {
            continue;
        }
        if (ggml_backend_view_init(t) != GGML_STATUS_SUCCESS) {
            return false;
        }
    }
    return true;
}

void forget_all(const ggml_context * ctx, ggml_backend_buffer_t buffer) {
    for (ggml_tensor * t = ggml_get_first_tensor(ctx); t != nullptr; t = ggml_get_next_tensor(ctx, t)) {
        if (t->buffer == buffer) {
            t->buffer = nullptr;
            t->data = nullptr;
        }
    }
}

} // namespace

size_t ggml_backend_alloc_ctx_tensors_from_buft_size(ggml_context * ctx, ggml_backend_buffer_type_t buft) {
    if (!given(ctx, __func__, "ctx") || !given(buft, __func__, "buft")) {
        return 0;
    }
    size_t size = 0;
    return total_size(ctx, buft, &size) ? size : SIZE_MAX;
}

ggml_backend_buffer * ggml_backend_alloc_ctx_tensors_from_buft(ggml_context * ctx, ggml_backend_buffer_type_t buft) {
    if (!given(ctx, __func__, "ctx") || !given(buft, __func__, "buft")) {
        return nullptr;
    }
    const size_t size = ggml_backend_alloc_ctx_tensors_from_buft_size(ctx, buft);
    if (size == 0) {
        place_views(ctx);
        return nullptr;
    }
    ggml_backend_buffer_t buffer = ggml_backend_buft_alloc_buffer(buft, size);
    if (buffer == nullptr) {
        GGML_LOG_ERROR("%s: no %s buffer of %zu bytes; distribute the tensors over more contexts or devices\n",
                       __func__, ggml_backend_buft_name(buft), size);
        return nullptr;
    }
    if (!place_tensors(ctx, buffer) || !place_views(ctx)) {
        GGML_LOG_ERROR("%s: the %s buffer refuses a tensor; nothing was allocated\n", __func__,
                       ggml_backend_buft_name(buft));
        forget_all(ctx, buffer);
        ggml_backend_buffer_free(buffer);
        return nullptr;
    }
    return buffer;
}

ggml_backend_buffer * ggml_backend_alloc_ctx_tensors(ggml_context * ctx, ggml_backend_t backend) {
    if (!given(ctx, __func__, "ctx") || !given(backend, __func__, "backend")) {
        return nullptr;
    }
    return ggml_backend_alloc_ctx_tensors_from_buft(ctx, ggml_backend_get_default_buffer_type(backend));
}
