#include "lower/spaces.h"

#include "host/query.h"

namespace ggml_sched {

plan::Space Spaces::of(ggml_backend_buffer_t buffer) {
    // Asked first: a host buffer may be where the description of a device's buffer was, before that was freed.
    if (host::is_host(buffer)) {
        return plan::kHostMemory;
    }
    if (last_ < buffers_.size() && buffers_[last_] == buffer) {
        return plan::kFirstBufferSpace + static_cast<plan::Space>(last_);
    }
    for (last_ = 0; last_ < buffers_.size(); last_++) {
        if (buffers_[last_] == buffer) {
            return plan::kFirstBufferSpace + static_cast<plan::Space>(last_);
        }
    }
    buffers_.push_back(buffer);
    return plan::kFirstBufferSpace + static_cast<plan::Space>(last_);
}

} // namespace ggml_sched
