// ADD, MUL, DIV, SCALE, UNARY, GLU

#include "elements.h"
#include "ops.h"
#include "params.h"
#include "rounded.h"

#include <cmath>

namespace ggml_sched::cpu {

namespace {

float silu(float x) {
    return x / (1.0f + rounded::exp(-x));
}

float gelu(float x) {
    constexpr float sqrt_2_over_pi = 0.79788456080286535588f;
    return 0.5f * x * (1.0f + rounded::tanh(sqrt_2_over_pi * x * (1.0f + 0.044715f * x * x)));
}

float relu(float x) {
    return x > 0.0f ? x : 0.0f;
}

// The elements of t that are repeated over piece p of a greater tensor
const float * read_repeated(const ggml_tensor * t, const Piece & p, float * scratch) {
    const char * row = repeated_row_data(t, p.row);
    if (p.first + p.n <= t->ne[0]) {
        return read_floats(t->type, row + element_offset(t, p.first), t->nb[0], p.n, scratch);
    }
    for (int64_t done = 0; done < p.n;) {
        const int64_t i = (p.first + done) % t->ne[0];
        const int64_t n = std::min(p.n - done, t->ne[0] - i);
        load_floats(t->type, row + element_offset(t, i), t->nb[0], n, scratch + done);
        done += n;
    }
    return scratch;
}

template <class F> void apply_binary(ComputeContext & ctx, ggml_tensor * dst, const F & f) {
    const ggml_tensor * a = dst->src[0];
    const ggml_tensor * b = dst->src[1];
    for_each_piece(ctx, dst, 1, [&](float * scratch, const Piece & p) {
        const float * x = read_piece(a, p, scratch);
        const float * y = read_repeated(b, p, scratch + kPiece);
        const PieceWriter out(dst, p, scratch + 2 * kPiece);
        float * z = out.begin();
        for (int64_t i = 0; i < p.n; ++i) {
            z[i] = f(x[i], y[i]);
        }
        out.finish();
    });
}

template <class F> void apply_unary(ComputeContext & ctx, ggml_tensor * dst, int64_t work, const F & f) {
    const ggml_tensor * a = dst->src[0];
    for_each_piece(ctx, dst, work, [&](float * scratch, const Piece & p) {
        const float * x = read_piece(a, p, scratch);
        const PieceWriter out(dst, p, scratch + kPiece);
        float * y = out.begin();
        for (int64_t i = 0; i < p.n; ++i) {
            y[i] = f(x[i]);
        }
        out.finish();
    });
}

constexpr int64_t kTranscendentalWork = 16; // elementary operations of an exp, about

} // namespace

ggml_status compute_binary(ComputeContext & ctx, ggml_tensor * dst) {
    switch (dst->op) {
    case GGML_OP_ADD: apply_binary(ctx, dst, [](float x, float y) { return x + y; }); break;
    case GGML_OP_MUL: apply_binary(ctx, dst, [](float x, float y) { return x * y; }); break;
    default: apply_binary(ctx, dst, [](float x, float y) { return x / y; }); break;
    }
    return GGML_STATUS_SUCCESS;
}

ggml_status compute_unary(ComputeContext & ctx, ggml_tensor * dst) {
    switch (ggml_get_unary_op(dst)) {
    case GGML_UNARY_OP_RELU: apply_unary(ctx, dst, 1, relu); break;
    case GGML_UNARY_OP_GELU: apply_unary(ctx, dst, kTranscendentalWork, gelu); break;
    default: apply_unary(ctx, dst, kTranscendentalWork, silu); break;
    }
    return GGML_STATUS_SUCCESS;
}

ggml_status compute_scale(ComputeContext & ctx, ggml_tensor * dst) {
    const float s = param_f32(dst, 0);
    const float b = param_f32(dst, 1);
    apply_unary(ctx, dst, 1, [s, b](float x) { return s * x + b; });
    return GGML_STATUS_SUCCESS;
}

ggml_status compute_glu(ComputeContext & ctx, ggml_tensor * dst) {
    const ggml_tensor * a = dst->src[0];
    const ggml_tensor * b = dst->src[1] != nullptr ? dst->src[1] : a;
    // With one operand both parts are halves of its rows.
    const bool split = dst->src[1] != nullptr;
    const bool swapped = ggml_get_op_params_i32(dst, 1) != 0;
    const int64_t gate_at = !split && swapped ? dst->ne[0] : 0;
    const int64_t value_at = !split && !swapped ? dst->ne[0] : 0;
    for_each_piece(ctx, dst, kTranscendentalWork, [&](float * scratch, const Piece & p) {
        const float * gate = read_piece(a, {p.row, p.first + gate_at, p.n}, scratch);
        const float * value = read_piece(b, {p.row, p.first + value_at, p.n}, scratch + kPiece);
        const PieceWriter out(dst, p, scratch + 2 * kPiece);
        float * y = out.begin();
        for (int64_t i = 0; i < p.n; ++i) {
            y[i] = silu(gate[i]) * value[i];
        }
        out.finish();
    });
    return GGML_STATUS_SUCCESS;
}

} // namespace ggml_sched::cpu
