// Operations on each row: sums, norms, softmax, sorting.

#include "enumerator.h"
#include "ops/build.h"

using namespace ggml_sched::core;

namespace {

ggml_tensor * build_rms_norm(const char * builder, ggml_context * ctx, ggml_tensor * a, float eps, bool inplace) {
    if (!given(builder, ctx, {a})) {
        return nullptr;
    }
    ggml_tensor * result = result_like(ctx, a, inplace);
    set_param_f32(result, 0, eps);
    return finish(result, GGML_OP_RMS_NORM, {a});
}

bool valid_mask(const char * builder, const ggml_tensor * a, const ggml_tensor * mask) {
    return require(mask->type == GGML_TYPE_F16 || mask->type == GGML_TYPE_F32, builder, "the mask must be F16 or F32",
                   {a, mask}) &&
           require(ggml_is_contiguous(mask), builder, "the mask must be contiguous; use ggml_cont", {a, mask}) &&
           require(mask->ne[0] == a->ne[0] && mask->ne[1] >= a->ne[1], builder,
                   "the mask must have rows as long as a's, and no fewer", {a, mask}) &&
           require(divides(mask->ne[2], a->ne[2]) && divides(mask->ne[3], a->ne[3]), builder,
                   "dimensions 2 and 3 of the mask must divide those of a", {a, mask});
}

ggml_tensor * build_soft_max(const char * builder, ggml_context * ctx, ggml_tensor * a, ggml_tensor * mask, float scale,
                             float max_bias, bool inplace) {
    if (!given(builder, ctx, {a}) ||
        !require(ggml_is_contiguous(a), builder, "a must be contiguous; use ggml_cont", {a}) ||
        (mask && !valid_mask(builder, a, mask)) ||
        !require(mask || !(max_bias > 0.0f), builder, "max_bias needs a mask", {a})) {
        return nullptr;
    }
    ggml_tensor * result = result_like(ctx, a, inplace);
    set_param_f32(result, 0, scale);
    set_param_f32(result, 1, max_bias);
    return finish(result, GGML_OP_SOFT_MAX, {a, mask});
}

bool rows_fit_i32(const char * builder, const ggml_tensor * a) {
    return require(a->ne[0] <= INT32_MAX, builder, "rows are too long for 32-bit indices", {a});
}

} // namespace

extern "C" {

struct ggml_tensor * ggml_sum_rows(struct ggml_context * ctx, struct ggml_tensor * a) {
    if (!given("ggml_sum_rows", ctx, {a})) {
        return nullptr;
    }
    return finish(ggml_new_tensor_4d(ctx, a->type, 1, a->ne[1], a->ne[2], a->ne[3]), GGML_OP_SUM_ROWS, {a});
}

struct ggml_tensor * ggml_argmax(struct ggml_context * ctx, struct ggml_tensor * a) {
    if (!given("ggml_argmax", ctx, {a}) || !rows_fit_i32("ggml_argmax", a) ||
        !require(ggml_is_matrix(a), "ggml_argmax", "a must be a matrix", {a})) {
        return nullptr;
    }
    return finish(ggml_new_tensor_1d(ctx, GGML_TYPE_I32, a->ne[1]), GGML_OP_ARGMAX, {a});
}

struct ggml_tensor * ggml_rms_norm(struct ggml_context * ctx, struct ggml_tensor * a, float eps) {
    return build_rms_norm("ggml_rms_norm", ctx, a, eps, false);
}

struct ggml_tensor * ggml_rms_norm_inplace(struct ggml_context * ctx, struct ggml_tensor * a, float eps) {
    return build_rms_norm("ggml_rms_norm_inplace", ctx, a, eps, true);
}

struct ggml_tensor * ggml_soft_max(struct ggml_context * ctx, struct ggml_tensor * a) {
    return build_soft_max("ggml_soft_max", ctx, a, nullptr, 1.0f, 0.0f, false);
}

struct ggml_tensor * ggml_soft_max_inplace(struct ggml_context * ctx, struct ggml_tensor * a) {
    return build_soft_max("ggml_soft_max_inplace", ctx, a, nullptr, 1.0f, 0.0f, true);
}

struct ggml_tensor * ggml_soft_max_ext(struct ggml_context * ctx, struct ggml_tensor * a, struct ggml_tensor * mask,
                                       float scale, float max_bias) {
    return build_soft_max("ggml_soft_max_ext", ctx, a, mask, scale, max_bias, false);
}

struct ggml_tensor * ggml_soft_max_ext_inplace(struct ggml_context * ctx, struct ggml_tensor * a,
                                               struct ggml_tensor * mask, float scale, float max_bias) {
    return build_soft_max("ggml_soft_max_ext_inplace", ctx, a, mask, scale, max_bias, true);
}

struct ggml_tensor * ggml_argsort(struct ggml_context * ctx, struct ggml_tensor * a, enum ggml_sort_order order) {
    if (!given("ggml_argsort", ctx, {a}) || !rows_fit_i32("ggml_argsort", a) ||
        !require(is_below(order, GGML_SORT_ORDER_DESC + 1), "ggml_argsort", "the order is not of enum ggml_sort_order",
                 {a})) {
        return nullptr;
    }
    ggml_tensor * result = ggml_new_tensor(ctx, GGML_TYPE_I32, GGML_MAX_DIMS, a->ne);
    set_param_i32(result, 0, order);
    return finish(result, GGML_OP_ARGSORT, {a});
}

struct ggml_tensor * ggml_argsort_top_k(struct ggml_context * ctx, struct ggml_tensor * a, int k) {
    if (!given("ggml_argsort_top_k", ctx, {a}) ||
        !require(k >= 0 && k <= a->ne[0], "ggml_argsort_top_k", "k must be at most the length of a row", {a})) {
        return nullptr;
    }
    ggml_tensor * sorted = ggml_argsort(ctx, a, GGML_SORT_ORDER_DESC);
    if (!sorted) {
        return nullptr;
    }
    return ggml_view_4d(ctx, sorted, k, sorted->ne[1], sorted->ne[2], sorted->ne[3], sorted->nb[1], sorted->nb[2],
                        sorted->nb[3], 0);
}

struct ggml_tensor * ggml_top_k(struct ggml_context * ctx, struct ggml_tensor * a, int k) {
    if (!given("ggml_top_k", ctx, {a}) || !rows_fit_i32("ggml_top_k", a) ||
        !require(k >= 0 && k <= a->ne[0], "ggml_top_k", "k must be at most the length of a row", {a})) {
        return nullptr;
    }
    return finish(ggml_new_tensor_4d(ctx, GGML_TYPE_I32, k, a->ne[1], a->ne[2], a->ne[3]), GGML_OP_TOP_K, {a});
}

} // extern "C"
