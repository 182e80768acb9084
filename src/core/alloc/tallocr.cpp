#include "arguments.h"
#include "ggml-alloc.h"
#include "ggml-backend-impl.h"

using ggml_sched::given;

ggml_tallocr ggml_tallocr_new(ggml_backend_buffer_t buffer) {
    if (!given(buffer, __func__, "buffer")) {
        return {nullptr, nullptr, 1, 0};
    }
    void * base = ggml_backend_buffer_get_base(buffer);
    const size_t alignment = ggml_backend_buffer_get_alignment(buffer);
    // A buffer around somebody's memory may begin anywhere.
    const size_t offset = (0 - reinterpret_cast<uintptr_t>(base)) & (alignment - 1);
    return {buffer, base, alignment, offset};
}

enum ggml_status ggml_tallocr_alloc(ggml_tallocr * talloc, ggml_tensor * tensor) {
    if (!given(talloc, __func__, "talloc") || !given(talloc->buffer, __func__, "talloc->buffer") ||
        !given(tensor, __func__, "tensor")) {
        return GGML_STATUS_FAILED;
    }
    const size_t total = ggml_backend_buffer_get_size(talloc->buffer);
    const size_t size = ggml_backend_buffer_get_alloc_size(talloc->buffer, tensor);
    size_t padded = 0;
    if (!ggml_sched::align_up(size, talloc->alignment, &padded) ||
        !ggml_sched::in_bounds(talloc->offset, size, total)) {
        GGML_LOG_ERROR("%s: no room for tensor %s (%zu bytes) in a %s buffer of %zu bytes; make it larger\n", __func__,
                       tensor->name, size, ggml_backend_buffer_name(talloc->buffer), total);
        return GGML_STATUS_ALLOC_FAILED;
    }
    void * address = total != 0 ? static_cast<char *>(talloc->base) + talloc->offset : nullptr;
    const enum ggml_status status = ggml_backend_tensor_alloc(talloc->buffer, tensor, address);
    if (status == GGML_STATUS_SUCCESS) {
        talloc->offset += padded;
    }
    return status;
}
