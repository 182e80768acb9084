#include "lower/spaces.h"

#include "host/query.h"

namespace ggml_sched {

plan::Space Spaces::of(ggml_backend_buffer_t buffer) {
    // This comes first, because a new host buffer may have the handle of a device's buffer that was freed.
    if (host::is_host(buffer)) {
        return plan::kHostMemory;
    }
    return spaces_.of(buffer, [this](ggml_backend_buffer_t) {
        return plan::kFirstBufferSpace + static_cast<plan::Space>(spaces_.entries().size());
    });
}

} // namespace ggml_sched
