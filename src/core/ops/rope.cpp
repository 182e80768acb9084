// Rotary position embedding.

#include "ops/build.h"

using namespace ggml_sched::core;

namespace {

// What ggml_rope leaves at its neutral value.
struct RopeFrequencies {
    int n_ctx_orig = 0;
    float base = 10000.0f;
    float scale = 1.0f;
    float ext_factor = 0.0f;
    float attn_factor = 1.0f;
    float beta_fast = 0.0f;
    float beta_slow = 0.0f;
};

ggml_tensor * build_rope(const char * builder, ggml_context * ctx, ggml_tensor * a, ggml_tensor * b, ggml_tensor * c,
                         int n_dims, int mode, const RopeFrequencies & frequencies, bool inplace) {
    if (!given(builder, ctx, {a, b}) ||
        !require(mode == GGML_ROPE_TYPE_NORMAL || mode == GGML_ROPE_TYPE_NEOX, builder,
                 "the mode must be GGML_ROPE_TYPE_NORMAL or GGML_ROPE_TYPE_NEOX", {a, b, c}) ||
        !require(n_dims > 0 && n_dims % 2 == 0 && n_dims <= a->ne[0], builder,
                 "n_dims must be even, and at most the length of a row", {a, b, c}) ||
        !require(b->type == GGML_TYPE_I32 && ggml_is_vector(b) && b->ne[0] == a->ne[2], builder,
                 "b must be an I32 vector with a position for each index of a's dimension 2", {a, b, c}) ||
        !require(!c || (c->type == GGML_TYPE_F32 && c->ne[0] >= n_dims / 2), builder,
                 "c must be F32 with at least n_dims/2 elements", {a, b, c})) {
        return nullptr;
    }
    ggml_tensor * result = result_like(ctx, a, inplace);
    set_param_i32(result, 1, n_dims);
    set_param_i32(result, 2, mode);
    set_param_i32(result, 4, frequencies.n_ctx_orig);
    set_param_f32(result, 5, frequencies.base);
    set_param_f32(result, 6, frequencies.scale);
    set_param_f32(result, 7, frequencies.ext_factor);
    set_param_f32(result, 8, frequencies.attn_factor);
    set_param_f32(result, 9, frequencies.beta_fast);
    set_param_f32(result, 10, frequencies.beta_slow);
    return finish(result, GGML_OP_ROPE, {a, b, c});
}

} // namespace

extern "C" {

struct ggml_tensor * ggml_rope(struct ggml_context * ctx, struct ggml_tensor * a, struct ggml_tensor * b, int n_dims,
                               int mode) {
    return build_rope("ggml_rope", ctx, a, b, nullptr, n_dims, mode, {}, false);
}

struct ggml_tensor * ggml_rope_inplace(struct ggml_context * ctx, struct ggml_tensor * a, struct ggml_tensor * b,
                                       int n_dims, int mode) {
    return build_rope("ggml_rope_inplace", ctx, a, b, nullptr, n_dims, mode, {}, true);
}

struct ggml_tensor * ggml_rope_ext(struct ggml_context * ctx, struct ggml_tensor * a, struct ggml_tensor * b,
                                   struct ggml_tensor * c, int n_dims, int mode, int n_ctx_orig, float freq_base,
                                   float freq_scale, float ext_factor, float attn_factor, float beta_fast,
                                   float beta_slow) {
    return build_rope("ggml_rope_ext", ctx, a, b, c, n_dims, mode,
                      {n_ctx_orig, freq_base, freq_scale, ext_factor, attn_factor, beta_fast, beta_slow}, false);
}

struct ggml_tensor * ggml_rope_ext_inplace(struct ggml_context * ctx, struct ggml_tensor * a, struct ggml_tensor * b,
                                           struct ggml_tensor * c, int n_dims, int mode, int n_ctx_orig,
                                           float freq_base, float freq_scale, float ext_factor, float attn_factor,
                                           float beta_fast, float beta_slow) {
    return build_rope("ggml_rope_ext_inplace", ctx, a, b, c, n_dims, mode,
                      {n_ctx_orig, freq_base, freq_scale, ext_factor, attn_factor, beta_fast, beta_slow}, true);
}

} // extern "C"
