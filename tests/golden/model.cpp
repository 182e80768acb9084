#include "model.h"

#include <string>

namespace ggml_sched::test {

namespace {

constexpr int64_t kEmbd = 32;
constexpr int64_t kVocabulary = 64;
constexpr int64_t kContext = 64;
constexpr int64_t kExperts = 4;
constexpr int kExpertsUsed = 2;

ggml_backend_t backend_of(const Rig & rig, int place) {
    return place == kCpu ? rig.cpu() : rig.device(place);
}

std::string numbered(const std::string & name, size_t layer) {
    return name + "-" + std::to_string(layer);
}

} // namespace

Model::Model(const Rig & rig, const ModelOptions & options)
    : options_(options) {
    if (options_.caches.empty()) {
        options_.caches = options_.layers;
    }
    const std::vector<int64_t> square = {kEmbd, kEmbd};
    const auto weight = [&](const std::string & name, int where, const std::vector<int64_t> & shape) {
        return place(rig, (name + ".weight").c_str(), where, GGML_TYPE_F32, shape, true);
    };
    embedding_ = weight("token_embd", options_.embedding, {kEmbd, kVocabulary});
    for (size_t i = 0; i < options_.layers.size(); i++) {
        const std::string block = "blk." + std::to_string(i);
        const int where = options_.layers[i];
        const bool has_experts = !options_.experts.empty();
        Layer layer = {};
        layer.query = weight(block + ".attn_q", where, square);
        layer.key_value = weight(block + ".attn_kv", where, square);
        layer.attn_output = weight(block + ".attn_output", where, square);
        layer.gate = has_experts ? weight(block + ".ffn_gate_inp", where, {kEmbd, kExperts}) : nullptr;
        layer.ffn = has_experts ? weight(block + ".ffn_exps", options_.experts[i], {kEmbd, kEmbd, kExperts})
                                : weight(block + ".ffn", where, square);
        layer.cache = place(rig, ("cache_kv." + std::to_string(i)).c_str(), options_.caches[i], GGML_TYPE_F32,
                            {kEmbd, kContext}, false);
        if (options_.lookups_on_cpu && i > 0) {
            layer.table = weight(block + ".token_embd", kCpu, {kEmbd, kVocabulary});
        }
        layers_.push_back(layer);
    }
    output_ = weight("output", options_.output, {kEmbd, kVocabulary});
}

ggml_tensor * Model::place(const Rig & rig, const char * name, int backend, ggml_type type, std::vector<int64_t> shape,
                           bool is_weight) {
    contexts_.push_back(make_context(2));
    ggml_tensor * tensor = ggml_new_tensor(contexts_.back().get(), type, static_cast<int>(shape.size()), shape.data());
    ggml_set_name(tensor, name);
    const bool pinned = is_weight && options_.pinned && backend == kCpu;
    buffers_.emplace_back(ggml_backend_alloc_ctx_tensors_from_buft(
        contexts_.back().get(), pinned ? ggml_backend_dev_host_buffer_type(ggml_backend_get_device(rig.device(0)))
                                       : ggml_backend_get_default_buffer_type(backend_of(rig, backend))));
    ggml_backend_buffer_clear(buffers_.back().get(), 0);
    if (is_weight) {
        ggml_backend_buffer_set_usage(buffers_.back().get(), GGML_BACKEND_BUFFER_USAGE_WEIGHTS);
    }
    return tensor;
}

class ModelBuilder {
  public:
    ModelBuilder(const Model & model, const Rig & rig)
        : model_(model)
        , rig_(rig) {
        result_.context = make_context(256);
        result_.graph = ggml_new_graph_custom(ctx(), 256, false);
    }

    Model::Graph run() {
        const int64_t n = model_.options_.n_tokens;
        tokens_ = input("inp_tokens", ggml_new_tensor_1d(ctx(), GGML_TYPE_I32, n));
        mask_ = input("inp_mask", ggml_new_tensor_2d(ctx(), GGML_TYPE_F32, kContext, n));
        ggml_tensor * value = lookup(model_.embedding_, "inp_embd");
        for (size_t i = 0; i < model_.layers_.size(); i++) {
            value = layer(value, i);
        }
        value = named(ggml_rms_norm(ctx(), value, 1e-5f), "result_norm");
        result_.output = named(ggml_mul_mat(ctx(), model_.output_, value), "result_output");
        ggml_set_output(result_.output);
        ggml_build_forward_expand(result_.graph, result_.output);
        return std::move(result_);
    }

  private:
    ggml_context * ctx() { return result_.context.get(); }

    static ggml_tensor * named(ggml_tensor * tensor, const std::string & name) {
        ggml_set_name(tensor, name.c_str());
        return tensor;
    }

    ggml_tensor * input(const char * name, ggml_tensor * tensor) {
        ggml_set_input(tensor);
        result_.inputs.push_back(tensor);
        return named(tensor, name);
    }

    ggml_tensor * lookup(ggml_tensor * table, const std::string & name) {
        ggml_tensor * result = named(ggml_get_rows(ctx(), table, tokens_), name);
        if (model_.options_.lookups_on_cpu) {
            ggml_backend_sched_set_tensor_backend(rig_.sched(), result, rig_.cpu());
        }
        return result;
    }

    ggml_tensor * layer(ggml_tensor * input, size_t i) {
        const Model::Layer & weights = model_.layers_[i];
        if (weights.table) {
            ggml_build_forward_expand(result_.graph, input);
            input =
                named(ggml_add(ctx(), lookup(weights.table, numbered("inp_layer", i)), input), numbered("l_inp", i));
        }
        ggml_tensor * norm = named(ggml_rms_norm(ctx(), input, 1e-5f), numbered("attn_norm", i));
        ggml_backend_sched_set_tensor_backend(rig_.sched(), norm, backend_of(rig_, model_.options_.layers[i]));
        ggml_tensor * attended = attention(norm, i);
        ggml_tensor * projected = named(ggml_mul_mat(ctx(), weights.attn_output, attended), numbered("attn_output", i));
        ggml_tensor * ffn_inp = named(ggml_add(ctx(), projected, input), numbered("ffn_inp", i));
        ggml_tensor * ffn_norm = named(ggml_rms_norm(ctx(), ffn_inp, 1e-5f), numbered("ffn_norm", i));
        ggml_tensor * ffn_out = weights.gate
                                    ? experts(ffn_norm, i)
                                    : named(ggml_mul_mat(ctx(), weights.ffn, ffn_norm), numbered("ffn_out", i));
        return named(ggml_add(ctx(), ffn_out, ffn_inp), numbered("l_out", i));
    }

    ggml_tensor * attention(ggml_tensor * norm, size_t i) {
        const Model::Layer & weights = model_.layers_[i];
        const int64_t n = model_.options_.n_tokens;
        ggml_tensor * query = named(ggml_mul_mat(ctx(), weights.query, norm), numbered("Qcur", i));
        ggml_tensor * fresh = named(ggml_mul_mat(ctx(), weights.key_value, norm), numbered("KVcur", i));
        ggml_tensor * place = ggml_view_2d(ctx(), weights.cache, kEmbd, n, weights.cache->nb[1], 0);
        ggml_tensor * stored = named(ggml_cpy(ctx(), fresh, place), numbered("cache_kv_store", i));
        ggml_build_forward_expand(result_.graph, query);
        ggml_build_forward_expand(result_.graph, stored);

        ggml_tensor * kq = named(ggml_mul_mat(ctx(), weights.cache, query), numbered("kq", i));
        ggml_tensor * probabilities =
            named(ggml_soft_max_ext(ctx(), kq, mask_, 1.0f, 0.0f), numbered("kq_soft_max", i));
        ggml_tensor * values =
            named(ggml_cont(ctx(), ggml_transpose(ctx(), weights.cache)), numbered("cache_kv_transposed", i));
        ggml_tensor * result = named(ggml_mul_mat(ctx(), values, probabilities), numbered("kqv_out", i));
        ggml_build_forward_expand(result_.graph, result);
        for (ggml_tensor * node : {kq, probabilities, values, result}) {
            ggml_backend_sched_set_tensor_backend(rig_.sched(), node, backend_of(rig_, model_.options_.caches[i]));
        }
        return result;
    }

    ggml_tensor * experts(ggml_tensor * norm, size_t i) {
        const Model::Layer & weights = model_.layers_[i];
        const int64_t n = model_.options_.n_tokens;
        ggml_tensor * logits = named(ggml_mul_mat(ctx(), weights.gate, norm), numbered("ffn_moe_logits", i));
        ggml_tensor * chosen = named(ggml_top_k(ctx(), logits, kExpertsUsed), numbered("ffn_moe_topk", i));
        ggml_tensor * tokens = named(ggml_reshape_3d(ctx(), norm, kEmbd, 1, n), numbered("ffn_norm_3d", i));
        ggml_tensor * all = named(ggml_mul_mat_id(ctx(), weights.ffn, tokens, chosen), numbered("ffn_moe_experts", i));
        ggml_tensor * weighted = named(ggml_scale(ctx(), all, 1.0f / kExpertsUsed), numbered("ffn_moe_weighted", i));
        ggml_tensor * first = ggml_view_2d(ctx(), weighted, kEmbd, n, weighted->nb[2], 0);
        ggml_tensor * second = ggml_view_2d(ctx(), weighted, kEmbd, n, weighted->nb[2], weighted->nb[1]);
        return named(ggml_add(ctx(), first, second), numbered("ffn_moe_out", i));
    }

    const Model & model_;
    const Rig & rig_;
    Model::Graph result_;
    ggml_tensor * tokens_ = nullptr;
    ggml_tensor * mask_ = nullptr;
};

Model::Graph Model::build(const Rig & rig) const {
    return ModelBuilder(*this, rig).run();
}

} // namespace ggml_sched::test
