#include "support/expert_layers.h"

namespace ggml_sched::test {

ExpertLayers::ExpertLayers(const Rig & rig, const Options & options)
    : options_(options) {
    for (int i = 0; i < options.n_layers; i++) {
        Layer layer;
        const int64_t n_up = options.is_fused ? 2 * kWidth : kWidth;
        layer.gate =
            options.is_fused ? nullptr : ggml_new_tensor_3d(host_.get(), GGML_TYPE_F32, kWidth, kWidth, kExperts);
        layer.up = ggml_new_tensor_3d(host_.get(), GGML_TYPE_F32, kWidth, n_up, kExperts);
        layer.down = ggml_new_tensor_3d(host_.get(), GGML_TYPE_F32, kWidth, kWidth, kExperts);
        if (layer.gate) {
            ggml_format_name(layer.gate, "gate.%d", i);
        }
        ggml_format_name(layer.up, "up.%d", i);
        ggml_format_name(layer.down, "down.%d", i);
        layer.context = make_context();
        layer.dense = ggml_new_tensor_2d(layer.context.get(), GGML_TYPE_F32, kWidth, kWidth);
        const int device = options.devices[static_cast<size_t>(i) % options.devices.size()];
        layer.buffer.reset(ggml_backend_alloc_ctx_tensors(layer.context.get(), rig.device(device)));
        ggml_backend_buffer_set_usage(layer.buffer.get(), GGML_BACKEND_BUFFER_USAGE_WEIGHTS);
        layers.push_back(std::move(layer));
    }
    buffer_.reset(ggml_backend_alloc_ctx_tensors_from_buft(host_.get(), ggml_backend_cpu_buffer_type()));
    ggml_backend_buffer_set_usage(buffer_.get(), GGML_BACKEND_BUFFER_USAGE_WEIGHTS);
    uint64_t seed = 1;
    for (const Layer & layer : layers) {
        for (ggml_tensor * tensor : {layer.gate, layer.up, layer.down, layer.dense}) {
            if (tensor) {
                write_floats(tensor, random_floats(static_cast<size_t>(ggml_nelements(tensor)), seed++));
            }
        }
    }
}

ggml_tensor * ExpertLayers::build_layer(Layer & layer, ggml_tensor * value, int64_t n_tokens) const {
    ggml_context * const ctx = context_.get();
    layer.ids = ggml_new_tensor_2d(ctx, GGML_TYPE_I32, kChosen, n_tokens);
    ggml_set_input(layer.ids);
    ggml_tensor * const its = ggml_cont(ctx, layer.ids); // as from a router
    ggml_format_name(its, "ids-%d", static_cast<int>(&layer - layers.data()));
    layer.activation = ggml_reshape_3d(ctx, ggml_mul_mat(ctx, layer.dense, value), kWidth, 1, n_tokens);
    if (options_.is_weighted_first) {
        layer.activation = ggml_mul(ctx, ggml_repeat_4d(ctx, layer.activation, kWidth, kChosen, n_tokens, 1), weights);
    }
    ggml_tensor * const up = ggml_mul_mat_id(ctx, layer.up, layer.activation, its);
    ggml_tensor * inner = nullptr;
    if (options_.is_fused) {
        const auto half = [&](size_t offset) {
            return ggml_view_3d(ctx, up, kWidth, kChosen, n_tokens, up->nb[1], up->nb[2], offset);
        };
        inner = ggml_swiglu_split(ctx, half(0), half(kWidth * sizeof(float)));
    } else {
        inner = ggml_swiglu_split(ctx, ggml_mul_mat_id(ctx, layer.gate, layer.activation, its), up);
    }
    layer.experts = ggml_mul_mat_id(ctx, layer.down, ggml_scale(ctx, inner, 0.5F), its);
    ggml_format_name(layer.experts, "experts-%d", static_cast<int>(&layer - layers.data()));
    ggml_tensor * const weighted = options_.is_weighted_first ? layer.experts : ggml_mul(ctx, layer.experts, weights);
    ggml_tensor * sum = nullptr;
    for (int64_t i = 0; i < kChosen; i++) {
        ggml_tensor * const one =
            ggml_view_2d(ctx, weighted, kWidth, n_tokens, weighted->nb[2], static_cast<size_t>(i) * weighted->nb[1]);
        sum = sum ? ggml_add(ctx, sum, one) : one;
    }
    return ggml_cont(ctx, sum);
}

void ExpertLayers::build(int64_t n_tokens) {
    context_ = make_context();
    ggml_context * const ctx = context_.get();
    x = ggml_new_tensor_2d(ctx, GGML_TYPE_F32, kWidth, n_tokens);
    weights = ggml_new_tensor_3d(ctx, GGML_TYPE_F32, 1, kChosen, n_tokens);
    ggml_set_input(x);
    ggml_set_input(weights);
    graph = ggml_new_graph(ctx);
    ggml_tensor * value = x;
    for (Layer & layer : layers) {
        value = build_layer(layer, options_.is_normed ? ggml_rms_norm(ctx, value, 1e-6F) : value, n_tokens);
        if (on_layer) {
            on_layer(ctx, layer);
        }
    }
    result = value;
    ggml_set_output(result);
    ggml_build_forward_expand(graph, result);
}

std::vector<int32_t> ExpertLayers::ids_of(int seed, int layer, int64_t n_tokens) {
    std::vector<int32_t> ids;
    for (int64_t token = 0; token < n_tokens; token++) {
        const auto mixed =
            static_cast<uint32_t>(seed * 2654435761U + static_cast<uint32_t>(token * 40503 + int64_t{layer} * 977));
        const auto first = static_cast<int32_t>((mixed >> 7) % kExperts);
        ids.push_back(first);
        ids.push_back(static_cast<int32_t>((first + 1 + (mixed >> 17) % (kExperts - 1)) % kExperts));
    }
    return ids;
}

void ExpertLayers::write_inputs(int seed) {
    const int64_t n_tokens = x->ne[1];
    write_floats(x, random_floats(static_cast<size_t>(kWidth * n_tokens), 1000 + static_cast<uint64_t>(seed)));
    write_floats(weights, random_floats(static_cast<size_t>(kChosen * n_tokens), 2000 + static_cast<uint64_t>(seed)));
    for (size_t i = 0; i < layers.size(); i++) {
        const std::vector<int32_t> ids = ids_of(seed, static_cast<int>(i), n_tokens);
        ggml_backend_tensor_set(layers[i].ids, ids.data(), 0, ggml_nbytes(layers[i].ids));
    }
}

std::vector<float> ExpertLayers::run(const Rig & rig, int seed, int64_t n_tokens) {
    ggml_backend_sched_reset(rig.sched());
    build(n_tokens);
    if (!ggml_backend_sched_alloc_graph(rig.sched(), graph)) {
        return {};
    }
    write_inputs(seed);
    const ggml_status status = ggml_backend_sched_graph_compute(rig.sched(), graph);
    return status == GGML_STATUS_SUCCESS ? read_floats(result) : std::vector<float>();
}

} // namespace ggml_sched::test
