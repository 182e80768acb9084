// Plain host memory, which belongs to no device.

#include "arguments.h"
#include "backend/host_buffer.h"

#include <cstring>
#include <new>

namespace {

constexpr size_t ALIGNMENT = 64; // a cache line, and the widest vector register

char * bytes_of(const ggml_tensor * tensor, size_t offset) {
    return static_cast<char *>(tensor->data) + offset;
}

void free_owned(ggml_backend_buffer_t buffer) {
    ::operator delete(buffer->context, std::align_val_t(ALIGNMENT));
}

void * get_base(ggml_backend_buffer_t buffer) {
    return buffer->context;
}

void memset_tensor(ggml_backend_buffer_t /*buffer*/, ggml_tensor * tensor, uint8_t value, size_t offset, size_t size) {
    std::memset(bytes_of(tensor, offset), value, size);
}

// memmove: the other side may be the same memory.
void set_tensor(ggml_backend_buffer_t /*buffer*/, ggml_tensor * tensor, const void * data, size_t offset, size_t size) {
    std::memmove(bytes_of(tensor, offset), data, size);
}

void get_tensor(ggml_backend_buffer_t /*buffer*/, const ggml_tensor * tensor, void * data, size_t offset, size_t size) {
    std::memmove(data, bytes_of(tensor, offset), size);
}

bool cpy_tensor(ggml_backend_buffer_t /*buffer*/, const ggml_tensor * src, ggml_tensor * dst) {
    ggml_backend_buffer_t src_buffer = src->view_src != nullptr ? src->view_src->buffer : src->buffer;
    if (!ggml_backend_buffer_is_host(src_buffer)) {
        return false;
    }
    std::memmove(dst->data, src->data, ggml_nbytes(src));
    return true;
}

void clear(ggml_backend_buffer_t buffer, uint8_t value) {
    std::memset(buffer->iface.get_base(buffer), value, buffer->size);
}

// Buffers of the CPU copy from any other host memory, too.
ggml_backend_buffer_i cpu_buffer_interface(void (*free_buffer)(ggml_backend_buffer_t)) {
    ggml_backend_buffer_i iface = ggml_sched::core::host_buffer_interface(free_buffer);
    iface.cpy_tensor = cpy_tensor;
    return iface;
}

const char * get_name(ggml_backend_buffer_type_t /*buft*/) {
    return "CPU";
}

ggml_backend_buffer_t alloc_buffer(ggml_backend_buffer_type_t buft, size_t size) {
    void * memory = ::operator new(size, std::align_val_t(ALIGNMENT), std::nothrow);
    if (memory == nullptr) {
        GGML_LOG_ERROR("%s: no host memory for a buffer of %zu bytes\n", __func__, size);
        return nullptr;
    }
    ggml_backend_buffer_t buffer = ggml_backend_buffer_init(buft, cpu_buffer_interface(free_owned), memory, size);
    if (buffer == nullptr) {
        ::operator delete(memory, std::align_val_t(ALIGNMENT));
    }
    return buffer;
}

size_t get_alignment(ggml_backend_buffer_type_t /*buft*/) {
    return ALIGNMENT;
}

bool is_host(ggml_backend_buffer_type_t /*buft*/) {
    return true;
}

ggml_backend_buffer_type make_buffer_type() {
    ggml_backend_buffer_type buft = {};
    buft.iface.get_name = get_name;
    buft.iface.alloc_buffer = alloc_buffer;
    buft.iface.get_alignment = get_alignment;
    buft.iface.is_host = is_host;
    return buft;
}

} // namespace

ggml_backend_buffer_i ggml_sched::core::host_buffer_interface(void (*free_buffer)(ggml_backend_buffer_t)) {
    ggml_backend_buffer_i iface = {};
    iface.free_buffer = free_buffer;
    iface.get_base = get_base;
    iface.memset_tensor = memset_tensor;
    iface.set_tensor = set_tensor;
    iface.get_tensor = get_tensor;
    iface.clear = clear;
    return iface;
}

ggml_backend_buffer_type_t ggml_backend_cpu_buffer_type(void) {
    static ggml_backend_buffer_type buft = make_buffer_type();
    return &buft;
}

ggml_backend_buffer_t ggml_backend_cpu_buffer_from_ptr(void * ptr, size_t size) {
    if (size == 0) {
        return ggml_backend_buft_alloc_buffer(ggml_backend_cpu_buffer_type(), 0);
    }
    if (!ggml_sched::given(ptr, __func__, "ptr")) {
        return nullptr;
    }
    return ggml_backend_buffer_init(ggml_backend_cpu_buffer_type(), cpu_buffer_interface(nullptr), ptr, size);
}
