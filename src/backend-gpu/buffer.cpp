// Device memory, and blocking access to it

#include "backend/tensor_access.h"
#include "device.h"

namespace ggml_sched::gpu {
inline namespace GGML_SCHED_GPU_VENDOR {

namespace {

constexpr size_t kAlignment = 128;

Device & device_of_buffer(ggml_backend_buffer_t buffer) {
    return *static_cast<Device *>(buffer->buft->context);
}

void device_free(ggml_backend_buffer_t buffer) {
    const Device & device = device_of_buffer(buffer);
    if (device.select()) {
        (void) succeeded(free_device(buffer->context), device.name(), "freeing a buffer");
    }
}

void * get_base(ggml_backend_buffer_t buffer) {
    return buffer->context;
}

void device_memset(ggml_backend_buffer_t buffer, ggml_tensor * tensor, uint8_t value, size_t offset, size_t size) {
    (void) device_of_buffer(buffer).run_blocking(
        "filling a tensor", [&](Stream stream) { return fill(address(tensor, offset), value, size, stream); });
}

void device_set(ggml_backend_buffer_t buffer, ggml_tensor * tensor, const void * data, size_t offset, size_t size) {
    (void) device_of_buffer(buffer).run_blocking(
        "writing a tensor", [&](Stream stream) { return copy_to_device(address(tensor, offset), data, size, stream); });
}

void device_get(ggml_backend_buffer_t buffer, const ggml_tensor * tensor, void * data, size_t offset, size_t size) {
    (void) device_of_buffer(buffer).run_blocking(
        "reading a tensor", [&](Stream stream) { return copy_to_host(data, address(tensor, offset), size, stream); });
}

void device_set_2d(ggml_backend_buffer_t buffer, ggml_tensor * tensor, const void * data, size_t offset, size_t size,
                   size_t n_copies, size_t stride_tensor, size_t stride_data) {
    (void) device_of_buffer(buffer).run_blocking("writing parts of a tensor", [&](Stream stream) {
        return copy_to_device_2d(address(tensor, offset), stride_tensor, data, stride_data, size, n_copies, stream);
    });
}

void device_get_2d(ggml_backend_buffer_t buffer, const ggml_tensor * tensor, void * data, size_t offset, size_t size,
                   size_t n_copies, size_t stride_tensor, size_t stride_data) {
    (void) device_of_buffer(buffer).run_blocking("reading parts of a tensor", [&](Stream stream) {
        return copy_to_host_2d(data, stride_data, address(tensor, offset), stride_tensor, size, n_copies, stream);
    });
}

// From devices of this vendor; the caller stages the others through the host.
bool device_cpy(ggml_backend_buffer_t buffer, const ggml_tensor * src, ggml_tensor * dst) {
    Device & to = device_of_buffer(buffer);
    const Device * from = device_of_memory(src);
    if (from == nullptr) {
        return false;
    }
    connect(*from, to);
    connect(to, *from);
    return to.run_blocking("copying a tensor", [&](Stream stream) {
        return from == &to ? copy_within_device(dst->data, src->data, ggml_nbytes(src), stream)
                           : copy_to_peer(dst->data, to.index(), src->data, from->index(), ggml_nbytes(src), stream);
    });
}

void device_clear(ggml_backend_buffer_t buffer, uint8_t value) {
    (void) device_of_buffer(buffer).run_blocking(
        "clearing a buffer", [&](Stream stream) { return fill(buffer->context, value, buffer->size, stream); });
}

ggml_backend_buffer_i device_buffer_interface() {
    ggml_backend_buffer_i iface = {};
    iface.free_buffer = device_free;
    iface.get_base = get_base;
    iface.memset_tensor = device_memset;
    iface.set_tensor = device_set;
    iface.get_tensor = device_get;
    iface.set_tensor_2d = device_set_2d;
    iface.get_tensor_2d = device_get_2d;
    iface.cpy_tensor = device_cpy;
    iface.clear = device_clear;
    return iface;
}

ggml_backend_buffer_t device_allocate(ggml_backend_buffer_type_t buft, size_t size) {
    const Device & device = *static_cast<Device *>(buft->context);
    void * memory = nullptr;
    if (!device.select() || !succeeded(allocate_device(&memory, size), device.name(), "allocating a buffer")) {
        return nullptr;
    }
    ggml_backend_buffer_t buffer = ggml_backend_buffer_init(buft, device_buffer_interface(), memory, size);
    if (buffer == nullptr) {
        (void) succeeded(free_device(memory), device.name(), "freeing a buffer");
    }
    return buffer;
}

const char * device_buft_name(ggml_backend_buffer_type_t buft) {
    return static_cast<Device *>(buft->context)->name();
}

size_t get_alignment(ggml_backend_buffer_type_t) {
    return kAlignment;
}

} // namespace

ggml_backend_buffer_type make_buffer_type(Device & device) {
    ggml_backend_buffer_type buft = {};
    buft.iface.get_name = device_buft_name;
    buft.iface.alloc_buffer = device_allocate;
    buft.iface.get_alignment = get_alignment;
    buft.device = device.handle();
    buft.context = &device;
    return buft;
}

Device * device_of_memory(const ggml_tensor * tensor) {
    const ggml_backend_buffer_t buffer = buffer_of(tensor);
    if (buffer == nullptr || buffer->buft == nullptr) {
        return nullptr;
    }
    Device * device = device_of(buffer->buft->device);
    return device != nullptr && buffer->buft == device->buffer_type() ? device : nullptr;
}

bool is_in_host_memory(const ggml_tensor * tensor) {
    const ggml_backend_buffer_t buffer = buffer_of(tensor);
    return buffer != nullptr && ggml_backend_buffer_is_host(buffer);
}

} // namespace GGML_SCHED_GPU_VENDOR
} // namespace ggml_sched::gpu
