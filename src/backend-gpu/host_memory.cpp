// Pinned host memory, which all devices of the vendor reach: allocated here, or the caller's and registered

#include "backend/host_buffer.h"
#include "device.h"
#include "ggml-impl.h"
#include "system_memory.h"

#include <cstdint>

namespace ggml_sched::gpu {
inline namespace GGML_SCHED_GPU_VENDOR {

namespace {

constexpr size_t kHostAlignment = 128;

//
// Buffers: the host's own memory, whoever allocated it
//

void free_allocated(ggml_backend_buffer_t buffer) {
    (void) succeeded(free_host(buffer->context), kHostBufferName, "freeing a buffer");
}
void free_registered(ggml_backend_buffer_t buffer) {
    unregister_host_memory(buffer->context);
}
ggml_backend_buffer_t allocate(ggml_backend_buffer_type_t buft, size_t size) {
    void * memory = nullptr;
    if (!devices().front()->select() ||
        !succeeded(allocate_host(&memory, size), kHostBufferName, "allocating a buffer")) {
        return nullptr;
    }
    ggml_backend_buffer_t buffer =
        ggml_backend_buffer_init(buft, core::host_buffer_interface(free_allocated), memory, size);
    if (buffer == nullptr) {
        (void) succeeded(free_host(memory), kHostBufferName, "freeing a buffer");
    }
    return buffer;
}

//
// The type, one for all devices
//

const char * get_name(ggml_backend_buffer_type_t) {
    return kHostBufferName;
}
size_t host_alignment(ggml_backend_buffer_type_t) {
    return kHostAlignment;
}
bool is_host(ggml_backend_buffer_type_t) {
    return true;
}

ggml_backend_buffer_type make_host_buffer_type(Device & device) {
    ggml_backend_buffer_type buft = {};
    buft.iface.get_name = get_name;
    buft.iface.alloc_buffer = allocate;
    buft.iface.get_alignment = host_alignment;
    buft.iface.is_host = is_host;
    buft.device = device.handle();
    return buft;
}

//
// Registration
//

// What is pinned is whole pages. They are known again by the same address.
char * first_page(void * memory) {
    return static_cast<char *>(memory) - reinterpret_cast<uintptr_t>(memory) % core::page_size();
}

// False, and the reason, if they are not the pages of a range of addresses
bool find_pages(void * memory, size_t size, void ** pages, size_t * pages_size, const char ** problem) {
    const auto begin = reinterpret_cast<uintptr_t>(memory);
    *problem = memory == nullptr                                    ? "it is NULL"
               : size == 0                                          ? "it is empty"
               : size > UINTPTR_MAX - core::page_size() + 1 - begin ? "it reaches beyond the last address"
                                                                    : nullptr;
    if (*problem != nullptr) {
        return false;
    }
    char * first = first_page(memory);
    const size_t used = static_cast<size_t>(static_cast<char *>(memory) - first) + size;
    *pages = first;
    *pages_size = (used + core::page_size() - 1) / core::page_size() * core::page_size();
    return true;
}

// Mapped files are often read-only, which has to be said; what may be written must not be registered like that.
Error register_pages(void * pages, size_t size) {
    if (register_host(pages, size, false) == kSuccess) {
        return kSuccess;
    }
    (void) take_last_error();
    const Error error = register_host(pages, size, true);
    if (error != kSuccess) {
        (void) take_last_error();
    }
    return error;
}

} // namespace

ggml_backend_buffer_type_t host_buffer_type() {
    if (devices().empty()) {
        return nullptr;
    }
    static ggml_backend_buffer_type buft = make_host_buffer_type(*devices().front());
    return &buft;
}

bool register_host_memory(void * memory, size_t size) {
    const char * problem = "there is no device";
    void * pages = nullptr;
    size_t pages_size = 0;
    if (!devices().empty() && find_pages(memory, size, &pages, &pages_size, &problem)) {
        if (!devices().front()->select()) {
            return false;
        }
        const Error error = register_pages(pages, pages_size);
        if (error == kSuccess) {
            return true;
        }
        problem = error_text(error);
    }
    GGML_LOG_ERROR(
        "%s: %zu bytes of the caller's cannot be pinned: %s; use them as they are, or copy them to memory of "
        "type %s\n",
        kVendorName, size, problem, kHostBufferName);
    return false;
}

void unregister_host_memory(void * memory) {
    if (!devices().empty() && devices().front()->select()) {
        (void) succeeded(unregister_host(first_page(memory)), kVendorName, "unpinning memory of the caller");
    }
}

ggml_backend_buffer_t buffer_from_host_ptr(ggml_backend_dev_t, void * memory, size_t size, size_t) {
    if (!register_host_memory(memory, size)) {
        return nullptr;
    }
    ggml_backend_buffer_t buffer =
        ggml_backend_buffer_init(host_buffer_type(), core::host_buffer_interface(free_registered), memory, size);
    if (buffer == nullptr) {
        unregister_host_memory(memory);
    }
    return buffer;
}

} // namespace GGML_SCHED_GPU_VENDOR
} // namespace ggml_sched::gpu
