#include "host/owned_buffers.h"

#include <mutex>
#include <unordered_map>

namespace ggml_sched::host {

namespace {

// OwnedBuffers - the owner of each handle.
struct OwnedBuffers {
    std::mutex mutex;
    std::unordered_map<ggml_backend_buffer_t, const void *> owners;
};

// Returns the only object. It is never destroyed, since schedulers may be freed while the process ends.
OwnedBuffers & owned_buffers() {
    static auto * const buffers = new OwnedBuffers;
    return *buffers;
}

// Forgets the owner of a buffer.
void remove(ggml_backend_buffer_t buffer) {
    OwnedBuffers & owned = owned_buffers();
    const std::lock_guard<std::mutex> lock(owned.mutex);
    owned.owners.erase(buffer);
}

} // namespace

ggml_backend_buffer_t new_owned_buffer(ggml_backend_buffer_type_t buft, size_t size, const void * owner) {
    OwnedBuffers & owned = owned_buffers();
    const ggml_backend_buffer_t buffer = ggml_backend_buft_alloc_buffer(buft, size);
    if (!buffer) {
        return nullptr;
    }
    try {
        const std::lock_guard<std::mutex> lock(owned.mutex);
        owned.owners.emplace(buffer, owner);
    } catch (...) {
        ggml_backend_buffer_free(buffer);
        throw;
    }
    ggml_backend_buffer_set_usage(buffer, GGML_BACKEND_BUFFER_USAGE_COMPUTE);
    return buffer;
}

void free_owned_buffer(ggml_backend_buffer_t buffer) {
    if (buffer) {
        remove(buffer);
        ggml_backend_buffer_free(buffer);
    }
}

const void * owner_of(ggml_backend_buffer_t buffer) {
    OwnedBuffers & owned = owned_buffers();
    const std::lock_guard<std::mutex> lock(owned.mutex);
    const auto found = owned.owners.find(buffer);
    return found == owned.owners.end() ? nullptr : found->second;
}

} // namespace ggml_sched::host
