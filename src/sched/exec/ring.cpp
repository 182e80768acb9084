#include "exec/ring.h"

namespace ggml_sched {

bool Ring::grow(size_t part_bytes) {
    ggml_backend_buffer_free(buffer_);
    base_ = nullptr;
    part_bytes_ = 0;
    buffer_ = ggml_backend_buft_alloc_buffer(buft_, part_bytes * n_parts_);
    if (!buffer_) {
        return false;
    }
    base_ = static_cast<char *>(ggml_backend_buffer_get_base(buffer_));
    part_bytes_ = part_bytes;
    return true;
}

} // namespace ggml_sched
