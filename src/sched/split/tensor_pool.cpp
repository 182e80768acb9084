#include "split/tensor_pool.h"

#include <algorithm>

namespace ggml_sched {

ggml_tensor * TensorPool::next() {
    if (used_ == chunks_.size() * kChunk) {
        chunks_.push_back(std::make_unique<ggml_tensor[]>(kChunk));
    }
    ggml_tensor * tensor = &chunks_[used_ / kChunk][used_ % kChunk];
    used_++;
    *tensor = {};
    return tensor;
}

ggml_tensor * TensorPool::like(const ggml_tensor * like) {
    ggml_tensor * tensor = next();
    tensor->type = like->type;
    std::copy_n(like->ne, GGML_MAX_DIMS, tensor->ne);
    std::copy_n(like->nb, GGML_MAX_DIMS, tensor->nb);
    return tensor;
}

} // namespace ggml_sched
