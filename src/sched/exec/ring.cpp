#include "exec/ring.h"

#include <algorithm>

namespace ggml_sched {

Ring::~Ring() {
    ggml_backend_buffer_free(buffer_);
    forget_before(UINT64_MAX);
}

bool Ring::fit(size_t part_bytes, uint64_t run) {
    if (part_bytes <= part_bytes_) {
        return true;
    }
    // Inputs that grow with the context would otherwise need a larger ring every few runs.
    const size_t larger = std::max(part_bytes, 2 * part_bytes_);
    retired_.reserve(retired_.size() + 1); // There is room before there is a buffer, so that no buffer gets lost.
    const ggml_backend_buffer_t buffer = ggml_backend_buft_alloc_buffer(buft_, larger * n_parts_);
    if (!buffer) {
        return false;
    }
    if (buffer_) {
        retired_.push_back({buffer_, run});
    }
    buffer_ = buffer;
    base_ = static_cast<char *>(ggml_backend_buffer_get_base(buffer));
    part_bytes_ = larger;
    return true;
}

void Ring::forget_before(uint64_t run) {
    while (!retired_.empty() && retired_.front().run <= run) {
        ggml_backend_buffer_free(retired_.front().buffer);
        retired_.erase(retired_.begin());
    }
}

} // namespace ggml_sched
