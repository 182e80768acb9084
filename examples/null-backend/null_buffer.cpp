// null_buffer.cpp - memory: two types of buffers, one for each device and one for pinned memory of the host.
// Both are ordinary memory here. A clone calls its driver in alloc_buffer, free_buffer and the functions that move
// bytes.

#include <cstring>
#include <new>

#include "null_impl.h"

namespace null_backend {

namespace {

constexpr size_t kAlignment = 256; // bytes

void * data_of(const ggml_tensor * tensor, size_t offset) {
    return static_cast<char *>(tensor->data) + offset;
}

// Buffers. Each function returns when the bytes have been moved.

void free_buffer(ggml_backend_buffer_t buffer) {
    ::operator delete(buffer->context, std::align_val_t(kAlignment));
}
void * get_base(ggml_backend_buffer_t buffer) {
    return buffer->context;
}
void memset_tensor(ggml_backend_buffer_t, ggml_tensor * tensor, uint8_t value, size_t offset, size_t size) {
    std::memset(data_of(tensor, offset), value, size);
}
void set_tensor(ggml_backend_buffer_t, ggml_tensor * tensor, const void * data, size_t offset, size_t size) {
    std::memcpy(data_of(tensor, offset), data, size);
}
void get_tensor(ggml_backend_buffer_t, const ggml_tensor * tensor, void * data, size_t offset, size_t size) {
    std::memcpy(data, data_of(tensor, offset), size);
}
void clear(ggml_backend_buffer_t buffer, uint8_t value) {
    std::memset(buffer->context, value, buffer->size);
}

ggml_backend_buffer_i buffer_interface() {
    ggml_backend_buffer_i iface = {};
    iface.free_buffer = free_buffer;
    iface.get_base = get_base;
    iface.memset_tensor = memset_tensor;
    iface.set_tensor = set_tensor;
    iface.get_tensor = get_tensor;
    iface.clear = clear;
    return iface;
}

// Types of buffers

const char * device_memory_name(ggml_backend_buffer_type_t) {
    return "Null";
}
const char * pinned_memory_name(ggml_backend_buffer_type_t) {
    return "Null_Host";
}
ggml_backend_buffer_t alloc_buffer(ggml_backend_buffer_type_t type, size_t size) {
    void * memory = ::operator new(size > 0 ? size : 1, std::align_val_t(kAlignment), std::nothrow);
    return memory ? ggml_backend_buffer_init(type, buffer_interface(), memory, size) : nullptr;
}
size_t get_alignment(ggml_backend_buffer_type_t) {
    return kAlignment;
}
bool is_host(ggml_backend_buffer_type_t) {
    return true;
}

} // namespace

ggml_backend_buffer_type * null_device_memory(int index) {
    static ggml_backend_buffer_type types[null_device_count] = {};
    ggml_backend_buffer_type & type = types[index];
    if (!type.device) {
        type.iface.get_name = device_memory_name;
        type.iface.alloc_buffer = alloc_buffer;
        type.iface.get_alignment = get_alignment; // without is_host: the scheduler copies to it and from it
        type.device = null_backend_device(index);
    }
    return &type;
}

ggml_backend_buffer_type * null_pinned_memory() {
    static ggml_backend_buffer_type type = {};
    if (!type.device) {
        type.iface.get_name = pinned_memory_name;
        type.iface.alloc_buffer = alloc_buffer;
        type.iface.get_alignment = get_alignment;
        type.iface.is_host = is_host;
        type.device = null_backend_device(0);
    }
    return &type;
}

} // namespace null_backend
