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

ggml_tensor * TensorPool::view_of(ggml_tensor * source) {
    ggml_tensor * tensor = like(source);
    tensor->view_src = source->view_src ? source->view_src : source;
    tensor->view_offs = source->view_offs;
    tensor->data = source->data;
    tensor->src[0] = source;
    return tensor;
}

} // namespace ggml_sched
