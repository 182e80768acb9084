#include "stream_caches.h"

#include <algorithm>

#include "ggml-alloc.h"

namespace gpu_tests {

namespace {

constexpr int64_t kRounding = 32; // engines read a few more rows than are used, so that graphs stay the same

} // namespace

StreamCaches::StreamCaches(const StreamModel & model)
    : n_cells_(model.shape().n_cells) {
    if (n_cells_ == 0) {
        return;
    }
    const auto n_layers = static_cast<size_t>(model.shape().n_layers);
    context_.reset(ggml_init({n_layers * ggml_tensor_overhead(), nullptr, true}));
    for (size_t i = 0; i < n_layers; i++) {
        tensors_.push_back(ggml_new_tensor_2d(context_.get(), GGML_TYPE_F16, model.shape().width, n_cells_));
    }
    const ggml_backend_buffer_type_t buft = model.shape().cache_memory == WeightMemory::Pinned
                                                ? ggml_backend_dev_host_buffer_type(model.devices().front())
                                                : ggml_backend_cpu_buffer_type();
    if (buft != nullptr) {
        buffer_.reset(ggml_backend_alloc_ctx_tensors_from_buft(context_.get(), buft));
    }
}

size_t StreamCaches::n_bytes() const {
    return tensors_.size() * (tensors_.empty() ? 0 : ggml_nbytes(tensors_.front()));
}

void StreamCaches::clear() {
    next_ = 0;
    if (buffer_ != nullptr) {
        ggml_backend_buffer_clear(buffer_.get(), 0);
    }
}

// Odd steps meet each cell of a block once.
std::vector<int64_t> StreamCaches::take_rows(int64_t n_tokens) {
    constexpr int64_t kStep = 7;
    std::vector<int64_t> rows;
    for (int64_t i = 0; i < n_tokens && n_cells_ > 0; i++, next_++) {
        const int64_t block = next_ / kRounding * kRounding;
        rows.push_back((block + (next_ % kRounding) * kStep % kRounding) % n_cells_);
    }
    return rows;
}

int64_t StreamCaches::n_used() const {
    return std::min(n_cells_, GGML_PAD(next_, kRounding));
}

} // namespace gpu_tests
