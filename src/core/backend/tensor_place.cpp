// Gives tensors their places in buffers.

#include "arguments.h"
#include "ggml-backend-impl.h"

using ggml_sched::given;

namespace {

// Forgets the place again if the buffer refuses the tensor.
enum ggml_status init_or_forget(ggml_tensor * tensor) {
    const enum ggml_status status = ggml_backend_buffer_init_tensor(tensor->buffer, tensor);
    if (status != GGML_STATUS_SUCCESS) {
        tensor->buffer = nullptr;
        tensor->data = nullptr;
    }
    return status;
}

} // namespace

enum ggml_status ggml_backend_tensor_alloc(ggml_backend_buffer_t buffer, ggml_tensor * tensor, void * addr) {
    if (!given(buffer, __func__, "buffer") || !given(tensor, __func__, "tensor")) {
        return GGML_STATUS_FAILED;
    }
    if (tensor->buffer != nullptr || tensor->data != nullptr || tensor->view_src != nullptr) {
        GGML_LOG_ERROR("%s: tensor %s already has a place or is a view; allocate each tensor once\n", __func__,
                       tensor->name);
        return GGML_STATUS_FAILED;
    }
    const auto base = reinterpret_cast<uintptr_t>(ggml_backend_buffer_get_base(buffer));
    const auto address = reinterpret_cast<uintptr_t>(addr);
    const size_t size = ggml_backend_buffer_get_alloc_size(buffer, tensor);
    if (address < base || !ggml_sched::in_bounds(address - base, size, buffer->size)) {
        GGML_LOG_ERROR("%s: tensor %s (%zu bytes) does not fit into the %s buffer at this address\n", __func__,
                       tensor->name, size, ggml_backend_buffer_name(buffer));
        return GGML_STATUS_FAILED;
    }
    tensor->buffer = buffer;
    tensor->data = addr;
    return init_or_forget(tensor);
}

enum ggml_status ggml_backend_view_init(ggml_tensor * tensor) {
    if (!given(tensor, __func__, "tensor")) {
        return GGML_STATUS_FAILED;
    }
    const ggml_tensor * source = tensor->view_src;
    if (source == nullptr || tensor->buffer != nullptr) {
        GGML_LOG_ERROR("%s: tensor %s is no view or already has a place\n", __func__, tensor->name);
        return GGML_STATUS_FAILED;
    }
    const bool empty_buffer = source->buffer != nullptr && source->buffer->size == 0;
    if (source->buffer == nullptr || (source->data == nullptr && !empty_buffer)) {
        GGML_LOG_ERROR("%s: tensor %s is a view of %s, which has no place yet; allocate that first\n", __func__,
                       tensor->name, source->name);
        return GGML_STATUS_FAILED;
    }
    tensor->buffer = source->buffer;
    tensor->data = source->data != nullptr ? static_cast<char *>(source->data) + tensor->view_offs : nullptr;
    return init_or_forget(tensor);
}
