#include "lower/spaces.h"

#include "host/query.h"

namespace ggml_sched {

plan::Space Spaces::of(ggml_backend_buffer_t buffer) {
    if (last_ < buffers_.size() && buffers_[last_] == buffer) {
        return plan::kFirstBufferSpace + static_cast<plan::Space>(last_);
    }
    if (host::is_host(buffer)) {
        return plan::kHostMemory;
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
