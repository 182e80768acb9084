// ROPE: rotary position embedding (arXiv 2104.09864), with YaRN's mixing of frequencies (arXiv 2309.00071)

#include "elements.h"
#include "ops.h"
#include "params.h"
#include "rounded.h"

#include <cmath>

namespace ggml_sched::cpu {

namespace {

struct RopeParams {
    explicit RopeParams(const ggml_tensor * t)
        : n_dims(ggml_get_op_params_i32(t, 1))
        , mode(ggml_get_op_params_i32(t, 2))
        , n_ctx_orig(ggml_get_op_params_i32(t, 4))
        , freq_base(param_f32(t, 5))
        , freq_scale(param_f32(t, 6))
        , ext_factor(param_f32(t, 7))
        , attn_factor(param_f32(t, 8))
        , beta_fast(param_f32(t, 9))
        , beta_slow(param_f32(t, 10)) {}

    int n_dims;
    int mode;
    int n_ctx_orig;
    float freq_base;
    float freq_scale;
    float ext_factor;
    float attn_factor;
    float beta_fast;
    float beta_slow;
};

// The dimension whose wave turns n_rotations times within the original context
float yarn_dimension(const RopeParams & p, float n_rotations) {
    constexpr float two_pi = 6.28318530717958647692f;
    return static_cast<float>(p.n_dims) * rounded::log(static_cast<float>(p.n_ctx_orig) / (n_rotations * two_pi)) /
           (2.0f * rounded::log(p.freq_base));
}

// The angle per position of each pair of dimensions
void fill_frequencies(const RopeParams & p, const ggml_tensor * divisors, float * frequency) {
    const float low = std::max(0.0f, std::floor(yarn_dimension(p, p.beta_fast)));
    const float high = std::min(static_cast<float>(p.n_dims - 1), std::ceil(yarn_dimension(p, p.beta_slow)));
    for (int i = 0; i < p.n_dims / 2; ++i) {
        const float exponent = -2.0f * static_cast<float>(i) / static_cast<float>(p.n_dims);
        float extrapolated = rounded::pow(p.freq_base, exponent);
        if (divisors != nullptr) {
            extrapolated /= *reinterpret_cast<const float *>(static_cast<const char *>(divisors->data) +
                                                             static_cast<size_t>(i) * divisors->nb[0]);
        }
        const float interpolated = p.freq_scale * extrapolated;
        frequency[i] = interpolated;
        if (p.ext_factor != 0.0f) {
            const float ramp = (static_cast<float>(i) - low) / std::max(0.001f, high - low);
            const float mix = (1.0f - std::clamp(ramp, 0.0f, 1.0f)) * p.ext_factor;
            frequency[i] = interpolated * (1.0f - mix) + extrapolated * mix;
        }
    }
}

// x and y may be the same row.
void rotate_row(const RopeParams & p, int64_t n, const float * cosine, const float * sine, const float * x, float * y) {
    const int64_t half = p.n_dims / 2;
    const bool neox = p.mode == GGML_ROPE_TYPE_NEOX;
    const int64_t step = neox ? 1 : 2;
    const int64_t other = neox ? half : 1;
    for (int64_t i = 0; i < half; ++i) {
        const float a = x[i * step];
        const float b = x[i * step + other];
        y[i * step] = a * cosine[i] - b * sine[i];
        y[i * step + other] = a * sine[i] + b * cosine[i];
    }
    if (x != y) {
        std::copy(x + p.n_dims, x + n, y + p.n_dims);
    }
}

} // namespace

ggml_status compute_rope(ComputeContext & ctx, ggml_tensor * dst) {
    const ggml_tensor * a = dst->src[0];
    const ggml_tensor * positions = dst->src[1];
    const RopeParams p(dst);
    const int64_t n = a->ne[0];
    const int64_t half = p.n_dims / 2;
    if (!ctx.reserve(2 * half + 2 * n, static_cast<size_t>(half) * sizeof(float))) {
        return GGML_STATUS_ALLOC_FAILED;
    }
    float * frequency = static_cast<float *>(ctx.shared());
    fill_frequencies(p, dst->src[2], frequency);
    // YaRN's correction of the attention's temperature
    const float magnitude =
        p.attn_factor * (p.ext_factor != 0.0f ? 1.0f + 0.1f * rounded::log(1.0f / p.freq_scale) : 1.0f);

    // A unit is a position: its sines and cosines serve all heads.
    ctx.for_each_range(a->ne[2] * a->ne[3], n * (a->ne[1] + 16), [&](int thread, int64_t begin, int64_t end) {
        float * cosine = ctx.scratch(thread);
        float * sine = cosine + half;
        float * row_in = sine + half;
        float * row_out = row_in + n;
        for (int64_t u = begin; u < end; ++u) {
            const int64_t i2 = u % a->ne[2];
            const int64_t i3 = u / a->ne[2];
            const int32_t position = *reinterpret_cast<const int32_t *>(static_cast<const char *>(positions->data) +
                                                                        static_cast<size_t>(i2) * positions->nb[0]);
            for (int64_t i = 0; i < half; ++i) {
                const float theta = static_cast<float>(position) * frequency[i];
                cosine[i] = rounded::cos(theta) * magnitude;
                sine[i] = rounded::sin(theta) * magnitude;
            }
            for (int64_t i1 = 0; i1 < a->ne[1]; ++i1) {
                const Piece row{{i1, i2, i3}, 0, n};
                const PieceWriter out(dst, row, row_out);
                rotate_row(p, n, cosine, sine, read_piece(a, row, row_in), out.begin());
                out.finish();
            }
        }
    });
    return GGML_STATUS_SUCCESS;
}

} // namespace ggml_sched::cpu
