#include "arguments.h"
#include "ggml-backend-impl.h"

using ggml_sched::given;

const char * ggml_backend_dev_name(ggml_backend_dev_t device) {
    return given(device, __func__, "device") ? device->iface.get_name(device) : "(null)";
}

const char * ggml_backend_dev_description(ggml_backend_dev_t device) {
    return given(device, __func__, "device") ? device->iface.get_description(device) : "(null)";
}

void ggml_backend_dev_memory(ggml_backend_dev_t device, size_t * free, size_t * total) {
    size_t free_bytes = 0;
    size_t total_bytes = 0;
    if (given(device, __func__, "device")) {
        device->iface.get_memory(device, &free_bytes, &total_bytes);
    }
    if (free != nullptr) {
        *free = free_bytes;
    }
    if (total != nullptr) {
        *total = total_bytes;
    }
}

enum ggml_backend_dev_type ggml_backend_dev_type(ggml_backend_dev_t device) {
    // META, because nobody takes that for a device to compute on.
    return given(device, __func__, "device") ? device->iface.get_type(device) : GGML_BACKEND_DEVICE_TYPE_META;
}

void ggml_backend_dev_get_props(ggml_backend_dev_t device, ggml_backend_dev_props * props) {
    if (!given(props, __func__, "props")) {
        return;
    }
    *props = {};
    if (given(device, __func__, "device")) {
        device->iface.get_props(device, props);
    }
}

ggml_backend_reg_t ggml_backend_dev_backend_reg(ggml_backend_dev_t device) {
    return given(device, __func__, "device") ? device->reg : nullptr;
}

ggml_backend_t ggml_backend_dev_init(ggml_backend_dev_t device, const char * params) {
    return given(device, __func__, "device") ? device->iface.init_backend(device, params) : nullptr;
}

ggml_backend_buffer_type_t ggml_backend_dev_buffer_type(ggml_backend_dev_t device) {
    return given(device, __func__, "device") ? device->iface.get_buffer_type(device) : nullptr;
}

ggml_backend_buffer_type_t ggml_backend_dev_host_buffer_type(ggml_backend_dev_t device) {
    if (!given(device, __func__, "device") || device->iface.get_host_buffer_type == nullptr) {
        return nullptr;
    }
    return device->iface.get_host_buffer_type(device);
}

ggml_backend_buffer_t ggml_backend_dev_buffer_from_host_ptr(ggml_backend_dev_t device, void * ptr, size_t size,
                                                            size_t max_tensor_size) {
    if (!given(device, __func__, "device") || !given(ptr, __func__, "ptr")) {
        return nullptr;
    }
    if (device->iface.buffer_from_host_ptr == nullptr) {
        GGML_LOG_ERROR("%s: %s cannot use the host's memory; allocate a buffer and copy\n", __func__,
                       ggml_backend_dev_name(device));
        return nullptr;
    }
    return device->iface.buffer_from_host_ptr(device, ptr, size, max_tensor_size);
}

bool ggml_backend_dev_supports_op(ggml_backend_dev_t device, const ggml_tensor * op) {
    return given(device, __func__, "device") && given(op, __func__, "op") && device->iface.supports_op(device, op);
}

bool ggml_backend_dev_supports_buft(ggml_backend_dev_t device, ggml_backend_buffer_type_t buft) {
    return given(device, __func__, "device") && given(buft, __func__, "buft") &&
           device->iface.supports_buft(device, buft);
}

bool ggml_backend_dev_offload_op(ggml_backend_dev_t device, const ggml_tensor * op) {
    return given(device, __func__, "device") && given(op, __func__, "op") && device->iface.offload_op != nullptr &&
           device->iface.offload_op(device, op);
}
