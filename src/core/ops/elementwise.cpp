// Operations on each element: arithmetic, scaling, activations.

#include "enumerator.h"
#include "ops/build.h"

using namespace ggml_sched::core;

namespace {

ggml_tensor * build_dup(const char * builder, ggml_context * ctx, ggml_tensor * a, bool inplace) {
    if (!given(builder, ctx, {a})) {
        return nullptr;
    }
    return finish(result_like(ctx, a, inplace), GGML_OP_DUP, {a});
}

ggml_tensor * build_binary(const char * builder, ggml_context * ctx, ggml_op op, ggml_tensor * a, ggml_tensor * b,
                           bool inplace) {
    if (!given(builder, ctx, {a, b}) ||
        !require(ggml_can_repeat(b, a), builder, "each dimension of b must divide that of a", {a, b})) {
        return nullptr;
    }
    return finish(result_like(ctx, a, inplace), op, {a, b});
}

// Rows may lie apart, but the dimensions above must follow each other without gaps.
bool is_padded_1d(const ggml_tensor * a) {
    return a->nb[0] == ggml_type_size(a->type) && a->nb[2] == a->nb[1] * static_cast<size_t>(a->ne[1]) &&
           a->nb[3] == a->nb[2] * static_cast<size_t>(a->ne[2]);
}

ggml_tensor * build_scale(const char * builder, ggml_context * ctx, ggml_tensor * a, float s, float b, bool inplace) {
    if (!given(builder, ctx, {a}) ||
        !require(is_padded_1d(a), builder, "a must be contiguous, but for gaps between rows", {a})) {
        return nullptr;
    }
    ggml_tensor * result = result_like(ctx, a, inplace);
    set_param_f32(result, 0, s);
    set_param_f32(result, 1, b);
    return finish(result, GGML_OP_SCALE, {a});
}

ggml_tensor * build_unary(const char * builder, ggml_context * ctx, ggml_tensor * a, const ggml_unary_op & op,
                          bool inplace) {
    if (!given(builder, ctx, {a}) ||
        !require(is_below(op, GGML_UNARY_OP_COUNT), builder, "the operation is not of enum ggml_unary_op", {a}) ||
        !require(ggml_is_contiguous_rows(a), builder, "the rows of a must be contiguous; use ggml_cont", {a})) {
        return nullptr;
    }
    ggml_tensor * result = result_like(ctx, a, inplace);
    set_param_i32(result, 0, op);
    return finish(result, GGML_OP_UNARY, {a});
}

bool valid_glu_operand(const char * builder, const ggml_tensor * a, const ggml_glu_op & op) {
    return require(is_below(op, GGML_GLU_OP_COUNT), builder, "the operation is not of enum ggml_glu_op", {a}) &&
           require(ggml_is_contiguous_1(a), builder, "the rows of a must be contiguous; use ggml_cont", {a});
}

ggml_tensor * finish_glu(ggml_tensor * result, ggml_tensor * a, ggml_tensor * b, ggml_glu_op op, bool swapped) {
    set_param_i32(result, 0, op);
    set_param_i32(result, 1, swapped ? 1 : 0);
    return finish(result, GGML_OP_GLU, {a, b});
}

} // namespace

extern "C" {

struct ggml_tensor * ggml_dup(struct ggml_context * ctx, struct ggml_tensor * a) {
    return build_dup("ggml_dup", ctx, a, false);
}

struct ggml_tensor * ggml_dup_inplace(struct ggml_context * ctx, struct ggml_tensor * a) {
    return build_dup("ggml_dup_inplace", ctx, a, true);
}

struct ggml_tensor * ggml_add(struct ggml_context * ctx, struct ggml_tensor * a, struct ggml_tensor * b) {
    return build_binary("ggml_add", ctx, GGML_OP_ADD, a, b, false);
}

struct ggml_tensor * ggml_add_inplace(struct ggml_context * ctx, struct ggml_tensor * a, struct ggml_tensor * b) {
    return build_binary("ggml_add_inplace", ctx, GGML_OP_ADD, a, b, true);
}

struct ggml_tensor * ggml_mul(struct ggml_context * ctx, struct ggml_tensor * a, struct ggml_tensor * b) {
    return build_binary("ggml_mul", ctx, GGML_OP_MUL, a, b, false);
}

struct ggml_tensor * ggml_mul_inplace(struct ggml_context * ctx, struct ggml_tensor * a, struct ggml_tensor * b) {
    return build_binary("ggml_mul_inplace", ctx, GGML_OP_MUL, a, b, true);
}

struct ggml_tensor * ggml_div(struct ggml_context * ctx, struct ggml_tensor * a, struct ggml_tensor * b) {
    return build_binary("ggml_div", ctx, GGML_OP_DIV, a, b, false);
}

struct ggml_tensor * ggml_div_inplace(struct ggml_context * ctx, struct ggml_tensor * a, struct ggml_tensor * b) {
    return build_binary("ggml_div_inplace", ctx, GGML_OP_DIV, a, b, true);
}

struct ggml_tensor * ggml_scale(struct ggml_context * ctx, struct ggml_tensor * a, float s) {
    return build_scale("ggml_scale", ctx, a, s, 0.0f, false);
}

struct ggml_tensor * ggml_scale_inplace(struct ggml_context * ctx, struct ggml_tensor * a, float s) {
    return build_scale("ggml_scale_inplace", ctx, a, s, 0.0f, true);
}

struct ggml_tensor * ggml_scale_bias(struct ggml_context * ctx, struct ggml_tensor * a, float s, float b) {
    return build_scale("ggml_scale_bias", ctx, a, s, b, false);
}

struct ggml_tensor * ggml_unary(struct ggml_context * ctx, struct ggml_tensor * a, enum ggml_unary_op op) {
    return build_unary("ggml_unary", ctx, a, op, false);
}

struct ggml_tensor * ggml_unary_inplace(struct ggml_context * ctx, struct ggml_tensor * a, enum ggml_unary_op op) {
    return build_unary("ggml_unary_inplace", ctx, a, op, true);
}

struct ggml_tensor * ggml_relu(struct ggml_context * ctx, struct ggml_tensor * a) {
    return build_unary("ggml_relu", ctx, a, GGML_UNARY_OP_RELU, false);
}

struct ggml_tensor * ggml_relu_inplace(struct ggml_context * ctx, struct ggml_tensor * a) {
    return build_unary("ggml_relu_inplace", ctx, a, GGML_UNARY_OP_RELU, true);
}

struct ggml_tensor * ggml_gelu(struct ggml_context * ctx, struct ggml_tensor * a) {
    return build_unary("ggml_gelu", ctx, a, GGML_UNARY_OP_GELU, false);
}

struct ggml_tensor * ggml_gelu_inplace(struct ggml_context * ctx, struct ggml_tensor * a) {
    return build_unary("ggml_gelu_inplace", ctx, a, GGML_UNARY_OP_GELU, true);
}

struct ggml_tensor * ggml_silu(struct ggml_context * ctx, struct ggml_tensor * a) {
    return build_unary("ggml_silu", ctx, a, GGML_UNARY_OP_SILU, false);
}

struct ggml_tensor * ggml_silu_inplace(struct ggml_context * ctx, struct ggml_tensor * a) {
    return build_unary("ggml_silu_inplace", ctx, a, GGML_UNARY_OP_SILU, true);
}

struct ggml_tensor * ggml_glu(struct ggml_context * ctx, struct ggml_tensor * a, enum ggml_glu_op op, bool swapped) {
    if (!given("ggml_glu", ctx, {a}) || !valid_glu_operand("ggml_glu", a, op) ||
        !require(a->ne[0] % 2 == 0, "ggml_glu", "rows must split into two halves", {a})) {
        return nullptr;
    }
    ggml_tensor * result = ggml_new_tensor_4d(ctx, a->type, a->ne[0] / 2, a->ne[1], a->ne[2], a->ne[3]);
    return finish_glu(result, a, nullptr, op, swapped);
}

struct ggml_tensor * ggml_glu_split(struct ggml_context * ctx, struct ggml_tensor * a, struct ggml_tensor * b,
                                    enum ggml_glu_op op) {
    const char * builder = "ggml_glu_split";
    if (!given(builder, ctx, {a, b}) || !valid_glu_operand(builder, a, op) || !valid_glu_operand(builder, b, op) ||
        !require(ggml_are_same_shape(a, b) && a->type == b->type, builder, "a and b must have one type and shape",
                 {a, b})) {
        return nullptr;
    }
    return finish_glu(ggml_dup_tensor(ctx, a), a, b, op, false);
}

struct ggml_tensor * ggml_swiglu(struct ggml_context * ctx, struct ggml_tensor * a) {
    return ggml_glu(ctx, a, GGML_GLU_OP_SWIGLU, false);
}

struct ggml_tensor * ggml_swiglu_split(struct ggml_context * ctx, struct ggml_tensor * a, struct ggml_tensor * b) {
    return ggml_glu_split(ctx, a, b, GGML_GLU_OP_SWIGLU);
}

} // extern "C"
