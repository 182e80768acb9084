#include "stream_model.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "ggml-alloc.h"
#include "stream_caches.h"

namespace gpu_tests {

using namespace ggml_sched::test;

namespace {

constexpr size_t kPage = 4096;
constexpr int64_t kDifferentRows = 61; // of a matrix; more take long to make

ContextPtr descriptions(size_t n_tensors) {
    return ContextPtr(ggml_init({n_tensors * ggml_tensor_overhead(), nullptr, true}));
}

} // namespace

const char * name_of(WeightMemory memory) {
    return memory == WeightMemory::Pinned ? "pinned" : memory == WeightMemory::Pageable ? "pageable" : "the caller's";
}

StreamModel::StreamModel(const StreamShape & shape, WeightMemory memory, std::vector<ggml_backend_dev_t> devices,
                         uint64_t seed)
    : shape_(shape)
    , devices_(std::move(devices)) {
    declare();
    if (allocate(memory)) {
        fill(seed);
    } else {
        error_ =
            std::string("no ") + name_of(memory) + " memory for " + std::to_string(n_bytes()) + " bytes of weights";
    }
}

size_t StreamModel::n_bytes() const {
    size_t sum = 0;
    for (const ggml_tensor * weight : weights_) {
        sum += ggml_nbytes(weight);
    }
    return sum;
}

size_t StreamModel::largest() const {
    size_t result = 0;
    for (const ggml_tensor * weight : weights_) {
        result = std::max(result, ggml_nbytes(weight));
    }
    return result;
}

size_t StreamModel::smallest() const {
    size_t result = SIZE_MAX;
    for (const ggml_tensor * weight : weights_) {
        result = std::min(result, ggml_nbytes(weight));
    }
    return result;
}

void StreamModel::declare() {
    const auto n_layers = static_cast<size_t>(shape_.n_layers);
    layers_.resize(n_layers);
    context_ = descriptions(3 * n_layers);
    for (size_t i = 0; i < devices_.size(); i++) {
        device_contexts_.push_back(descriptions(2 * n_layers));
    }
    const int64_t n_matrices = std::max<int64_t>(shape_.n_experts, 1);
    for (size_t i = 0; i < n_layers; i++) {
        Layer & layer = layers_[i];
        layer.in = ggml_new_tensor_2d(context_.get(), shape_.type, shape_.width, shape_.width);
        layer.up = ggml_new_tensor_3d(context_.get(), shape_.type, shape_.width, shape_.wide, n_matrices);
        layer.down = ggml_new_tensor_3d(context_.get(), shape_.type, shape_.wide, shape_.width, n_matrices);
        weights_.insert(weights_.end(), {layer.in, layer.up, layer.down});
        layer.router = layer.bias = nullptr;
        if (shape_.n_experts > 0) {
            ggml_context * ctx = device_contexts_[device_of(i)].get();
            layer.router = ggml_new_tensor_2d(ctx, GGML_TYPE_F32, shape_.width, shape_.n_experts);
            layer.bias = ggml_new_tensor_1d(ctx, GGML_TYPE_F32, shape_.n_experts);
        }
    }
}

bool StreamModel::allocate(WeightMemory memory) {
    const ggml_backend_dev_t first = devices_.front();
    const ggml_backend_buffer_type_t buft =
        memory == WeightMemory::Pageable ? ggml_backend_cpu_buffer_type() : ggml_backend_dev_host_buffer_type(first);
    if (buft == nullptr) {
        return false;
    }
    if (memory == WeightMemory::Callers) {
        const size_t size = ggml_backend_alloc_ctx_tensors_from_buft_size(context_.get(), buft);
        memory_.reset(std::aligned_alloc(kPage, GGML_PAD(size, kPage)));
        if (memory_ == nullptr) {
            return false;
        }
        buffers_.emplace_back(ggml_backend_dev_buffer_from_host_ptr(first, memory_.get(), size, size));
        ggml_tallocr allocator = {};
        if (buffers_.back() != nullptr) {
            allocator = ggml_tallocr_new(buffers_.back().get());
        }
        for (ggml_tensor * weight : weights_) {
            if (buffers_.back() == nullptr || ggml_tallocr_alloc(&allocator, weight) != GGML_STATUS_SUCCESS) {
                return false;
            }
        }
    } else {
        buffers_.emplace_back(ggml_backend_alloc_ctx_tensors_from_buft(context_.get(), buft));
    }
    for (size_t i = 0; i < devices_.size() && shape_.n_experts > 0; i++) {
        buffers_.emplace_back(ggml_backend_alloc_ctx_tensors_from_buft(device_contexts_[i].get(),
                                                                       ggml_backend_dev_buffer_type(devices_[i])));
    }
    for (const BufferPtr & buffer : buffers_) {
        if (buffer == nullptr) {
            return false;
        }
        ggml_backend_buffer_set_usage(buffer.get(), GGML_BACKEND_BUFFER_USAGE_WEIGHTS);
    }
    return true;
}

void StreamModel::fill(uint64_t seed) {
    Random random(static_cast<Random::result_type>(seed));
    for (ggml_tensor * weight : weights_) {
        fill_matrix(weight, random);
    }
    for (const Layer & layer : layers_) {
        if (layer.router != nullptr) {
            fill_router(layer, random);
        }
    }
}

// A few random rows again and again
void StreamModel::fill_matrix(ggml_tensor * tensor, Random & random) const {
    auto * bytes = static_cast<char *>(tensor->data); // host memory
    const int64_t n_in = tensor->ne[0];
    const int64_t n_rows = ggml_nrows(tensor);
    const int64_t n_random = std::min(n_rows, kDifferentRows);
    const float limit = std::sqrt(3.0f / static_cast<float>(n_in));
    std::uniform_real_distribution<float> uniform(-limit, limit);
    std::vector<float> values(static_cast<size_t>(n_in * n_random));
    for (float & value : values) {
        value = uniform(random);
    }
    size_t done = ggml_quantize_chunk(shape_.type, values.data(), bytes, 0, n_random, n_in, nullptr);
    const size_t all = ggml_nbytes(tensor);
    while (done < all) { // by whole repetitions
        const size_t more = std::min(done, all - done);
        std::memcpy(bytes + done, bytes, more);
        done += more;
    }
}

// The bias closes the experts that are not part of the share.
void StreamModel::fill_router(const Layer & layer, Random & random) const {
    const auto n_experts = static_cast<size_t>(shape_.n_experts);
    std::uniform_real_distribution<float> uniform(-1.0f, 1.0f);
    std::vector<float> rows(static_cast<size_t>(ggml_nelements(layer.router)));
    for (float & value : rows) {
        value = uniform(random);
    }
    ggml_backend_tensor_set(layer.router, rows.data(), 0, ggml_nbytes(layer.router));
    std::vector<float> bias(n_experts, 0.0f);
    const auto n_open = std::max(static_cast<size_t>(shape_.n_used),
                                 static_cast<size_t>(shape_.share * static_cast<double>(n_experts)));
    std::fill(bias.begin() + static_cast<ptrdiff_t>(std::min(n_open, n_experts)), bias.end(), -1e9f);
    std::shuffle(bias.begin(), bias.end(), random);
    ggml_backend_tensor_set(layer.bias, bias.data(), 0, ggml_nbytes(layer.bias));
}

StreamGraph StreamModel::build(int64_t n_tokens, ggml_backend_sched_t sched,
                               const std::vector<ggml_backend_t> & backends, const StreamCaches & caches) const {
    constexpr size_t kNodes = 32; // of a layer, and those of its experts
    const size_t n_nodes = layers_.size() * (kNodes + 2 * static_cast<size_t>(shape_.n_used));
    StreamGraph result;
    result.context.reset(
        ggml_init({n_nodes * ggml_tensor_overhead() + ggml_graph_overhead_custom(n_nodes, false), nullptr, true}));
    ggml_context * ctx = result.context.get();
    result.input = ggml_new_tensor_2d(ctx, GGML_TYPE_F32, shape_.width, n_tokens);
    ggml_set_input(result.input);
    if (shape_.n_cells > 0) {
        result.rows = ggml_new_tensor_1d(ctx, GGML_TYPE_I64, n_tokens);
        ggml_set_input(result.rows);
        result.n_used = caches.n_used();
    }
    result.graph = ggml_new_graph_custom(ctx, n_nodes, false);
    result.output = result.input;
    int n_placed = 0;
    for (size_t i = 0; i < layers_.size(); i++) {
        if (shape_.n_cells > 0) {
            result.output = add_attention(result, caches.of(i), result.output);
        }
        result.output = add_layer(ctx, layers_[i], result.output);
        if (i + 1 == layers_.size()) {
            ggml_set_output(result.output);
        }
        ggml_build_forward_expand(result.graph, result.output);
        for (; n_placed < ggml_graph_n_nodes(result.graph); n_placed++) {
            ggml_tensor * node = ggml_graph_node(result.graph, n_placed);
            if (node->op != GGML_OP_SET_ROWS) { // goes where the cache is
                ggml_backend_sched_set_tensor_backend(sched, node, backends[device_of(i)]);
            }
        }
    }
    return result;
}

// The tokens are their own keys, queries and values.
ggml_tensor * StreamModel::add_attention(const StreamGraph & to, ggml_tensor * cache, ggml_tensor * x) {
    ggml_context * ctx = to.context.get();
    ggml_tensor * normed = ggml_rms_norm(ctx, x, 1e-5f);
    ggml_build_forward_expand(to.graph, ggml_set_rows(ctx, cache, normed, to.rows));
    ggml_tensor * cells = ggml_view_2d(ctx, cache, cache->ne[0], to.n_used, cache->nb[1], 0);
    ggml_tensor * scores = ggml_mul_mat(ctx, cells, normed);
    ggml_tensor * shares = ggml_soft_max(ctx, ggml_scale(ctx, scores, 1.0f / static_cast<float>(cache->ne[0])));
    ggml_tensor * values = ggml_cont(ctx, ggml_transpose(ctx, cells));
    return ggml_add(ctx, x, ggml_mul_mat(ctx, values, shares));
}

ggml_tensor * StreamModel::add_layer(ggml_context * ctx, const Layer & layer, ggml_tensor * x) const {
    const float epsilon = 1e-5f;
    x = ggml_add(ctx, x, ggml_mul_mat(ctx, layer.in, ggml_rms_norm(ctx, x, epsilon)));
    ggml_tensor * normed = ggml_rms_norm(ctx, x, epsilon);
    ggml_tensor * change = layer.router != nullptr
                               ? add_experts(ctx, layer, normed)
                               : ggml_mul_mat(ctx, layer.down, ggml_silu(ctx, ggml_mul_mat(ctx, layer.up, normed)));
    return ggml_add(ctx, x, change);
}

ggml_tensor * StreamModel::add_experts(ggml_context * ctx, const Layer & layer, ggml_tensor * x) const {
    const int64_t n_tokens = x->ne[1];
    ggml_tensor * scores = ggml_add(ctx, ggml_mul_mat(ctx, layer.router, x), layer.bias);
    ggml_tensor * order = ggml_argsort(ctx, scores, GGML_SORT_ORDER_DESC);
    ggml_tensor * ids = ggml_view_2d(ctx, order, shape_.n_used, n_tokens, order->nb[1], 0);
    ggml_tensor * each = ggml_reshape_3d(ctx, x, shape_.width, 1, n_tokens);
    ggml_tensor * inner = ggml_silu(ctx, ggml_mul_mat_id(ctx, layer.up, each, ids));
    ggml_tensor * outer = ggml_mul_mat_id(ctx, layer.down, inner, ids);
    ggml_tensor * sum = nullptr;
    for (int64_t i = 0; i < shape_.n_used; i++) {
        ggml_tensor * one =
            ggml_view_2d(ctx, outer, shape_.width, n_tokens, outer->nb[2], static_cast<size_t>(i) * outer->nb[1]);
        sum = sum == nullptr ? one : ggml_add(ctx, sum, one);
    }
    return ggml_scale(ctx, sum, 1.0f / static_cast<float>(shape_.n_used));
}

} // namespace gpu_tests
