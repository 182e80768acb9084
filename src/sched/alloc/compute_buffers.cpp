#include "alloc/compute_buffers.h"

#include <algorithm>
#include <new>

#include "host/owned_buffers.h"

namespace ggml_sched {

ComputeBuffers::ComputeBuffers(const std::vector<host::Backend> & backends)
    : backends_(backends)
    , pools_(backends.size()) {}

ComputeBuffers::~ComputeBuffers() {
    for (const std::vector<Buffer> & pool : pools_) {
        for (const Buffer & buffer : pool) {
            host::free_owned_buffer(buffer.handle);
        }
    }
    std::for_each(retired_.begin(), retired_.end(), host::free_owned_buffer);
}

template <typename Visitor> void ComputeBuffers::visit_too_small(const MemoryPlan & plan, Visitor visit) const {
    for (size_t pool = 0; pool < plan.sizes.size(); pool++) {
        for (size_t part = 0; part < plan.sizes[pool].size(); part++) {
            if (part >= pools_[pool].size() || !pools_[pool][part].has_room_for(plan.sizes[pool][part])) {
                visit(pool, part);
            }
        }
    }
}

bool ComputeBuffers::have_room_for(const MemoryPlan & plan) const {
    bool have_room = true;
    visit_too_small(plan, [&](size_t /*pool*/, size_t /*part*/) { have_room = false; });
    return have_room;
}

std::vector<ggml_backend_buffer_t> ComputeBuffers::too_small_for(const MemoryPlan & plan) const {
    std::vector<ggml_backend_buffer_t> result;
    visit_too_small(plan, [&](size_t pool, size_t part) {
        if (part < pools_[pool].size() && pools_[pool][part].handle) {
            result.push_back(pools_[pool][part].handle);
        }
    });
    return result;
}

bool ComputeBuffers::grow_for(const MemoryPlan & plan) {
    number_++;
    visit_too_small(plan, [&](size_t pool, size_t part) { retire(pool, part); });
    bool ok = true;
    visit_too_small(plan, [&](size_t pool, size_t part) {
        if (pools_[pool].size() <= part) {
            pools_[pool].resize(part + 1);
        }
        Buffer & buffer = pools_[pool][part];
        buffer.handle = ok ? host::new_owned_buffer(backends_[pool].buft, plan.sizes[pool][part], this) : nullptr;
        ok = buffer.handle != nullptr;
        if (ok) {
            buffer.base = static_cast<char *>(ggml_backend_buffer_get_base(buffer.handle));
            buffer.inits_tensors = host::inits_tensors(buffer.handle);
            buffer.size = ggml_backend_buffer_get_size(buffer.handle);
        }
    });
    return ok;
}

void ComputeBuffers::retire(size_t pool, size_t part) {
    if (part < pools_[pool].size() && pools_[pool][part].handle) {
        retired_.push_back(pools_[pool][part].handle);
        host::free_memory_of(pools_[pool][part].handle);
        pools_[pool][part] = {};
    }
}

void ComputeBuffers::reset() const {
    for (const std::vector<Buffer> & pool : pools_) {
        for (const Buffer & buffer : pool) {
            if (buffer.handle) {
                ggml_backend_buffer_reset(buffer.handle);
            }
        }
    }
}

size_t ComputeBuffers::size(BackendId backend) const {
    size_t bytes = 0;
    for (const Buffer & buffer : pools_[backend]) {
        bytes += buffer.size;
    }
    return bytes;
}

} // namespace ggml_sched
