#include "graph.h"

#include <cmath>

namespace engine {
namespace {

class Builder {
  public:
    Builder(ggml_context * ctx, const Model & model, const KvCache & cache, const BatchShape & shape)
        : ctx_(ctx)
        , model_(model)
        , cache_(cache)
        , h_(model.hparams())
        , shape_(shape) {}

    Result<BatchGraph> build() {
        batch_.graph = ggml_new_graph_custom(ctx_, graph_nodes(model_), false);
        if (!batch_.graph || !make_inputs()) {
            return failure("no memory to describe the graph");
        }
        ggml_tensor * x = ggml_get_rows(ctx_, model_.token_embd(), batch_.tokens);
        for (int i = 0; i < h_.n_layer && complete_; i++) {
            x = layer(x, i);
        }
        if (shape_.n_outputs > 0) {
            x = ggml_get_rows(ctx_, x, batch_.output_ids);
            x = norm(x, model_.output_norm(), model_.placement().output);
            batch_.logits = ggml_mul_mat(ctx_, model_.output(), x);
            if (!batch_.logits) {
                return failure("no memory to describe the graph");
            }
            ggml_set_name(batch_.logits, "logits");
            ggml_set_output(batch_.logits);
            ggml_build_forward_expand(batch_.graph, batch_.logits);
        }
        if (!complete_) {
            return failure("no memory to describe the graph");
        }
        return batch_;
    }

  private:
    ggml_tensor * input(ggml_type type, int64_t ne0, int64_t ne1, const char * name) {
        ggml_tensor * t = ggml_new_tensor_2d(ctx_, type, ne0, ne1);
        if (t) {
            ggml_set_input(t);
            ggml_set_name(t, name);
        }
        return t;
    }

    bool make_inputs() {
        batch_.tokens = input(GGML_TYPE_I32, shape_.n_tokens, 1, "tokens");
        batch_.positions = input(GGML_TYPE_I32, shape_.n_tokens, 1, "positions");
        batch_.kv_rows = input(GGML_TYPE_I64, shape_.n_tokens, 1, "kv_rows");
        batch_.mask = input(GGML_TYPE_F32, shape_.n_kv, shape_.n_tokens, "mask");
        if (shape_.n_outputs > 0) {
            batch_.output_ids = input(GGML_TYPE_I32, shape_.n_outputs, 1, "output_ids");
        }
        return batch_.tokens && batch_.positions && batch_.kv_rows && batch_.mask &&
               (batch_.output_ids || shape_.n_outputs == 0);
    }

    ggml_tensor * norm(ggml_tensor * x, ggml_tensor * weight, int device) {
        ggml_tensor * normalized = ggml_rms_norm(ctx_, x, h_.rms_eps);
        if (normalized) {
            batch_.pinned.push_back({normalized, device});
        }
        return ggml_mul(ctx_, normalized, weight);
    }

    // [n_heads * head_dim, n_tokens] -> [head_dim, n_heads, n_tokens], rotated
    ggml_tensor * rotated_heads(ggml_tensor * x, int n_heads) {
        x = ggml_reshape_3d(ctx_, x, h_.head_dim, n_heads, shape_.n_tokens);
        return ggml_rope_ext(ctx_, x, batch_.positions, nullptr, h_.n_rot, GGML_ROPE_TYPE_NORMAL, h_.n_ctx,
                             h_.rope_base, h_.rope_scale, 0.0F, 1.0F, 32.0F, 1.0F);
    }

    // Keys as rows of the cache: [kv_dim, n_tokens]
    ggml_tensor * rotated_rows(ggml_tensor * k) {
        return ggml_reshape_2d(ctx_, rotated_heads(k, h_.n_head_kv), h_.kv_dim(), shape_.n_tokens);
    }

    // The writes go into the graph at once, so that they come before the reads of the same bytes.
    void store(ggml_tensor * x, ggml_tensor * rows) {
        ggml_tensor * written = ggml_set_rows(ctx_, rows, x, batch_.kv_rows);
        if (!written) {
            complete_ = false;
            return;
        }
        ggml_build_forward_expand(batch_.graph, written);
    }

    // [head_dim, n_kv, n_head_kv]
    ggml_tensor * cached_heads(ggml_tensor * rows) {
        return ggml_view_3d(ctx_, rows, h_.head_dim, shape_.n_kv, h_.n_head_kv, rows->nb[1],
                            ggml_row_size(rows->type, h_.head_dim), 0);
    }

    ggml_tensor * attention(ggml_tensor * q, int i) {
        ggml_tensor * k = cached_heads(cache_.k(i));
        ggml_tensor * v = ggml_cont(ctx_, ggml_transpose(ctx_, cached_heads(cache_.v(i))));
        ggml_tensor * scores = ggml_mul_mat(ctx_, k, ggml_permute(ctx_, q, 0, 2, 1, 3)); // [n_kv, n_tokens, n_head]
        scores = ggml_soft_max_ext(ctx_, scores, batch_.mask, 1.0F / std::sqrt(static_cast<float>(h_.head_dim)), 0.0F);
        ggml_tensor * mixed = ggml_mul_mat(ctx_, v, scores); // [head_dim, n_tokens, n_head]
        mixed = ggml_cont_2d(ctx_, ggml_permute(ctx_, mixed, 0, 2, 1, 3), h_.q_dim(), shape_.n_tokens);
        return ggml_mul_mat(ctx_, model_.layer(i).attn_output, mixed);
    }

    ggml_tensor * layer(ggml_tensor * x, int i) {
        const LayerWeights & w = model_.layer(i);
        ggml_tensor * h = norm(x, w.attn_norm, model_.placement().layers[i]);
        store(rotated_rows(ggml_mul_mat(ctx_, w.k, h)), cache_.k(i));
        store(ggml_mul_mat(ctx_, w.v, h), cache_.v(i));
        if (i == h_.n_layer - 1 && shape_.n_outputs == 0) {
            return x; // nobody asks for more than the cache
        }
        ggml_tensor * q = rotated_heads(ggml_mul_mat(ctx_, w.q, h), h_.n_head);
        x = ggml_add(ctx_, x, attention(q, i));
        h = norm(x, w.ffn_norm, model_.placement().layers[i]);
        h = ggml_swiglu_split(ctx_, ggml_mul_mat(ctx_, w.gate, h), ggml_mul_mat(ctx_, w.up, h));
        x = ggml_add(ctx_, x, ggml_mul_mat(ctx_, w.down, h));
        if (x) {
            ggml_format_name(x, "layer.%d", i);
        }
        return x;
    }

    ggml_context * ctx_;
    const Model & model_;
    const KvCache & cache_;
    const Hparams & h_;
    BatchShape shape_;
    BatchGraph batch_;
    bool complete_ = true;
};

} // namespace

size_t graph_nodes(const Model & model) {
    const size_t per_layer = 48; // tensors of layer(), views included, and the weights among the leafs; rounded up
    const size_t others = 32;
    return per_layer * model.hparams().n_layer + others;
}

size_t graph_memory(const Model & model) {
    return ggml_tensor_overhead() * graph_nodes(model) + ggml_graph_overhead_custom(graph_nodes(model), false);
}

Result<BatchGraph> build_graph(ggml_context * ctx, const Model & model, const KvCache & cache,
                               const BatchShape & shape) {
    return Builder(ctx, model, cache, shape).build();
}

} // namespace engine
