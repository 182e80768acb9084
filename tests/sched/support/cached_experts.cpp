#include "support/cached_experts.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace ggml_sched::test {

namespace {

size_t n_elements(const ggml_tensor * tensor) {
    return static_cast<size_t>(ggml_nelements(tensor));
}

} // namespace

CachedExperts::CachedExperts(Rig & rig, const CacheOptions & options)
    : rig_(rig)
    , options_(options)
    , key_of_(static_cast<size_t>(options.n_slots)) {
    ggml_context * host = host_context_.get();
    for (int i = 0; i < options.n_layers; i++) {
        ggml_tensor * experts = ggml_new_tensor_3d(host, GGML_TYPE_F32, kWidth, kWidth, kExperts);
        ggml_tensor * norm = ggml_new_tensor_1d(host, GGML_TYPE_F32, kWidth);
        layers_.push_back({experts, nullptr, norm});
    }
    ggml_backend_buffer_type_t buft = ggml_backend_dev_host_buffer_type(ggml_backend_get_device(rig.device(0)));
    buft = options.pinned && buft ? buft : ggml_backend_cpu_buffer_type();
    buffers_.emplace_back(ggml_backend_alloc_ctx_tensors_from_buft(host, buft));
    // Tables in a buffer of their own, as llama.cpp has them
    for (Layer & layer : layers_) {
        layer.table = ggml_new_tensor_2d(host, GGML_TYPE_I32, 1, kExperts + options.table_padding);
    }
    buffers_.emplace_back(ggml_backend_alloc_ctx_tensors_from_buft(host, buft));
    bank_ = ggml_new_tensor_3d(bank_context_.get(), GGML_TYPE_F32, kWidth, kWidth, options.n_slots);
    buffers_.emplace_back(ggml_backend_alloc_ctx_tensors(bank_context_.get(), rig.device(0)));
    for (const BufferPtr & buffer : buffers_) {
        ggml_backend_buffer_set_usage(buffer.get(), GGML_BACKEND_BUFFER_USAGE_WEIGHTS);
    }
    ggml_backend_buffer_clear(buffers_.back().get(), 0);
    for (int i = 0; i < options.n_layers; i++) {
        const auto seed = static_cast<uint64_t>(i);
        write_floats(layers_[i].experts, random_floats(n_elements(layers_[i].experts), 100 + seed));
        write_floats(layers_[i].norm, random_floats(n_elements(layers_[i].norm), 200 + seed));
        std::fill_n(table_of(i), n_elements(layers_[i].table), -1);
    }
    for (int slot = 0; slot < options.n_slots; slot++) {
        by_age_.push_back(slot);
    }
    ggml_backend_sched_set_copy_callback(rig.sched(), on_copy, this);
}

ggml_tensor * CachedExperts::add_layer(ggml_context * ctx, int layer, ggml_tensor * x, ggml_tensor * scores,
                                       bool cached, std::vector<ggml_tensor *> & on_device) const {
    ggml_tensor * order = ggml_argsort(ctx, ggml_scale(ctx, scores, 2.0F), GGML_SORT_ORDER_DESC);
    ggml_tensor * ids = ggml_cont(ctx, ggml_view_2d(ctx, order, kUsed, kTokens, order->nb[1], 0));
    ggml_tensor * scaled = ggml_mul(ctx, x, layers_[layer].norm);
    on_device.insert(on_device.end(), {order->src[0], order, ids, scaled});
    ggml_tensor * weights = layers_[layer].experts;
    if (cached) {
        ggml_tensor * slots = ggml_get_rows(ctx, layers_[layer].table, ggml_reshape_1d(ctx, ids, kUsed * kTokens));
        on_device.push_back(slots);
        ids = ggml_reshape_2d(ctx, slots, kUsed, kTokens);
        weights = bank_;
    }
    ggml_tensor * y = ggml_mul_mat_id(ctx, weights, ggml_reshape_3d(ctx, scaled, kWidth, 1, kTokens), ids);
    ggml_tensor * first = ggml_view_2d(ctx, y, kWidth, kTokens, y->nb[2], 0);
    ggml_tensor * second = ggml_view_2d(ctx, y, kWidth, kTokens, y->nb[2], y->nb[1]);
    ggml_tensor * sum = ggml_add(ctx, ggml_cont(ctx, first), second);
    on_device.insert(on_device.end(), {y, sum->src[0], sum});
    return sum;
}

void CachedExperts::build() {
    ggml_backend_sched_reset(rig_.sched());
    context_ = make_context();
    ggml_context * ctx = context_.get();
    x_ = ggml_new_tensor_2d(ctx, GGML_TYPE_F32, kWidth, kTokens);
    ggml_set_input(x_);
    scores_.clear();
    std::vector<ggml_tensor *> on_device;
    result_ = x_;
    for (int i = 0; i < options_.n_layers; i++) {
        scores_.push_back(ggml_new_tensor_2d(ctx, GGML_TYPE_F32, kExperts, kTokens));
        ggml_set_input(scores_.back());
        result_ = add_layer(ctx, i, result_, scores_.back(), true, on_device);
    }
    ggml_set_output(result_);
    graph_ = ggml_new_graph(ctx);
    ggml_build_forward_expand(graph_, result_);
    for (ggml_tensor * node : on_device) {
        ggml_backend_sched_set_tensor_backend(rig_.sched(), node, rig_.device(0));
    }
    ASSERT_TRUE(ggml_backend_sched_alloc_graph(rig_.sched(), graph_)) << ggml_sched_get_error(rig_.sched());
}

void CachedExperts::run(uint64_t seed) {
    write_floats(x_, random_floats(n_elements(x_), seed));
    for (ggml_tensor * scores : scores_) {
        write_floats(scores, random_floats(n_elements(scores), ++seed * 31));
    }
    ASSERT_EQ(ggml_backend_sched_graph_compute_async(rig_.sched(), graph_), GGML_STATUS_SUCCESS)
        << ggml_sched_get_error(rig_.sched());
}

std::vector<float> CachedExperts::expected(uint64_t seed) const {
    const ContextPtr context = make_context();
    ggml_context * ctx = context.get();
    ggml_tensor * x = ggml_new_tensor_2d(ctx, GGML_TYPE_F32, kWidth, kTokens);
    ggml_tensor * result = x;
    std::vector<ggml_tensor *> nodes;
    std::vector<ggml_tensor *> scores;
    for (int i = 0; i < options_.n_layers; i++) {
        scores.push_back(ggml_new_tensor_2d(ctx, GGML_TYPE_F32, kExperts, kTokens));
        result = add_layer(ctx, i, result, scores.back(), false, nodes);
    }
    ggml_cgraph * graph = ggml_new_graph(ctx);
    ggml_build_forward_expand(graph, result);
    const BufferPtr buffer(ggml_backend_alloc_ctx_tensors(ctx, rig_.cpu()));
    write_floats(x, random_floats(n_elements(x), seed));
    for (ggml_tensor * tensor : scores) {
        write_floats(tensor, random_floats(n_elements(tensor), ++seed * 31));
    }
    EXPECT_EQ(ggml_backend_graph_compute(rig_.cpu(), graph), GGML_STATUS_SUCCESS);
    return read_floats(result);
}

bool CachedExperts::on_copy(ggml_backend_t backend, const ggml_tensor * src, ggml_tensor * dst, ggml_cgraph * graph,
                            void * self) {
    return static_cast<CachedExperts *>(self)->copy(backend, src, dst, graph);
}

bool CachedExperts::copy(ggml_backend_t backend, const ggml_tensor * src, ggml_tensor * dst, ggml_cgraph * graph) {
    n_asked_++;
    const auto layer = std::find_if(layers_.begin(), layers_.end(), [&](const Layer & l) { return l.table == src; });
    if (layer == layers_.end()) {
        n_other_++;
        return false;
    }
    const ggml_tensor * lookup = nullptr;
    for (int i = 0; i < ggml_graph_n_nodes(graph) && !lookup; i++) {
        const ggml_tensor * node = ggml_graph_node(graph, i);
        lookup = node->op == GGML_OP_GET_ROWS && node->src[0] == dst ? node : nullptr;
    }
    EXPECT_NE(lookup, nullptr) << "no node of the split reads the table's copy";
    if (!lookup) {
        return false;
    }
    std::vector<int32_t> ids(n_elements(lookup->src[1]));
    ggml_backend_tensor_get_async(backend, lookup->src[1], ids.data(), 0, ids.size() * sizeof(int32_t));
    ggml_backend_synchronize(backend);
    bring(backend, static_cast<int>(layer - layers_.begin()), ids);
    if (options_.declines_tables) {
        return false;
    }
    ggml_backend_tensor_set_async(backend, dst, src->data, 0, ggml_nbytes(src));
    return true;
}

// Uploads the experts that are missing in place of those that were used least recently.
void CachedExperts::bring(ggml_backend_t backend, int layer, const std::vector<int32_t> & ids) {
    const auto use = [&](int slot) {
        by_age_.erase(std::find(by_age_.begin(), by_age_.end(), slot));
        by_age_.push_back(slot);
    };
    int32_t * table = table_of(layer);
    for (const int32_t id : ids) {
        ASSERT_TRUE(id >= 0 && id < kExperts) << id;
        if (table[id] >= 0) {
            use(table[id]);
        }
    }
    for (const int32_t id : ids) {
        if (table[id] >= 0) {
            continue;
        }
        const int slot = by_age_.front();
        Key & key = key_of_[static_cast<size_t>(slot)];
        if (key.layer >= 0) {
            table_of(key.layer)[key.expert] = -1;
        }
        key = {layer, id};
        table[id] = slot;
        use(slot);
        const ggml_tensor * experts = layers_[layer].experts;
        ggml_backend_tensor_set_async(backend, bank_, static_cast<const char *>(experts->data) + id * experts->nb[2],
                                      static_cast<size_t>(slot) * bank_->nb[2], experts->nb[2]);
        n_uploaded_++;
    }
}

} // namespace ggml_sched::test
