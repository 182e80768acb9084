/* Row by row: reductions, norms, sorting, rotary embedding. */

#include <math.h>

#include "capi.h"

static void check_reductions(void) {
    struct capi_bench bench = capi_bench_new();
    struct ggml_context * ctx = bench.ctx;
    const float x[6] = {1, 5, 3, 4, -6, 2};
    struct ggml_tensor * a = capi_input(&bench, GGML_TYPE_F32, 3, 2, 1, x);

    const float sums[2] = {9, 0};
    capi_expect(&bench, ggml_sum_rows(ctx, a), sums, __LINE__);
    const int32_t greatest[2] = {1, 0};
    capi_expect(&bench, ggml_argmax(ctx, a), greatest, __LINE__);
    const int32_t ascending[6] = {0, 2, 1, 1, 2, 0};
    capi_expect(&bench, ggml_argsort(ctx, a, GGML_SORT_ORDER_ASC), ascending, __LINE__);
    const int32_t best[4] = {1, 2, 0, 2};
    capi_expect(&bench, ggml_top_k(ctx, a, 2), best, __LINE__);
    struct ggml_tensor * sorted = ggml_argsort_top_k(ctx, a, 2);
    CHECK(sorted != NULL && sorted->ne[0] == 2 && sorted->ne[1] == 2 && ggml_is_view(sorted));
    const int32_t descending[2] = {1, 2};
    struct ggml_tensor * one_row = ggml_argsort_top_k(ctx, capi_row(&bench, 3, x), 2);
    capi_expect(&bench, one_row, descending, __LINE__);

    const float pair[2] = {7, 8};
    const float pairs[4] = {7, 8, 7, 8};
    struct ggml_tensor * small = capi_row(&bench, 2, pair);
    capi_expect(&bench, ggml_repeat(ctx, small, capi_row(&bench, 4, x)), pairs, __LINE__);
    capi_expect(&bench, ggml_repeat_4d(ctx, small, 2, 2, 1, 1), pairs, __LINE__);
    const float both[6] = {7, 8, 7, 8, 7, 8};
    struct ggml_tensor * four = ggml_repeat_4d(ctx, small, 4, 1, 1, 1);
    capi_expect(&bench, ggml_concat(ctx, small, four, 0), both, __LINE__);
    capi_bench_run(&bench);
}

static void add_summand(struct ggml_tensor * dst, int ith, int nth, void * userdata) {
    const float * src = ggml_get_data(dst->src[0]);
    float * result = ggml_get_data(dst);
    const float * summand = userdata;
    for (int64_t i = ith; i < ggml_nelements(dst); i += nth) {
        result[i] = src[i] + *summand;
    }
}

static void check_custom(void) {
    struct capi_bench bench = capi_bench_new();
    const float x[3] = {1, 2, 3};
    float summand = 10;
    const float sums[3] = {11, 12, 13};
    struct ggml_tensor * args[1] = {capi_row(&bench, 3, x)};
    struct ggml_tensor * result =
        ggml_custom_4d(bench.ctx, GGML_TYPE_F32, 3, 1, 1, 1, args, 1, add_summand, GGML_N_TASKS_MAX, &summand);
    capi_expect(&bench, result, sums, __LINE__);
    capi_bench_run(&bench);
}

static void check_norms(void) {
    struct capi_bench bench = capi_bench_new();
    struct ggml_context * ctx = bench.ctx;
    const float x[2] = {3, 4};
    const float rms = sqrtf(12.5f);
    const float normed[2] = {3 / rms, 4 / rms};
    capi_expect(&bench, ggml_rms_norm(ctx, capi_row(&bench, 2, x), 0), normed, __LINE__);
    capi_expect(&bench, ggml_rms_norm_inplace(ctx, capi_row(&bench, 2, x), 0), normed, __LINE__);

    const float soft[2] = {1 / (1 + expf(1)), 1 / (1 + expf(-1))};
    capi_expect(&bench, ggml_soft_max(ctx, capi_row(&bench, 2, x)), soft, __LINE__);
    capi_expect(&bench, ggml_soft_max_inplace(ctx, capi_row(&bench, 2, x)), soft, __LINE__);
    const float away[2] = {0, -INFINITY};
    const float masked[2] = {1, 0};
    struct ggml_tensor * mask = capi_row(&bench, 2, away);
    capi_expect(&bench, ggml_soft_max_ext(ctx, capi_row(&bench, 2, x), mask, 0.5f, 0), masked, __LINE__);
    const float halved[2] = {1 / (1 + expf(0.5f)), 1 / (1 + expf(-0.5f))};
    capi_expect(&bench, ggml_soft_max_ext_inplace(ctx, capi_row(&bench, 2, x), NULL, 0.5f, 0), halved, __LINE__);
    capi_bench_run(&bench);
}

static void check_rope(void) {
    struct capi_bench bench = capi_bench_new();
    struct ggml_context * ctx = bench.ctx;
    const float x[4] = {1, 0, 0, 2}; /* a head of 2, one head, positions 0 and 1 */
    const int32_t positions[2] = {0, 1};
    const float turned[4] = {1, 0, -2 * sinf(1), 2 * cosf(1)};
    struct ggml_tensor * p = capi_input(&bench, GGML_TYPE_I32, 2, 1, 1, positions);
    const int neox = GGML_ROPE_TYPE_NEOX;

    struct ggml_tensor * a[4];
    for (int i = 0; i < 4; i++) {
        a[i] = capi_input(&bench, GGML_TYPE_F32, 2, 1, 2, x);
    }
    capi_expect(&bench, ggml_rope(ctx, a[0], p, 2, GGML_ROPE_TYPE_NORMAL), turned, __LINE__);
    capi_expect(&bench, ggml_rope_inplace(ctx, a[1], p, 2, neox), turned, __LINE__);
    capi_expect(&bench, ggml_rope_ext(ctx, a[2], p, NULL, 2, neox, 0, 10000, 1, 0, 1, 32, 1), turned, __LINE__);
    const float half[4] = {1, 0, -2 * sinf(0.5f), 2 * cosf(0.5f)};
    const float divisor[1] = {2};
    struct ggml_tensor * c = capi_row(&bench, 1, divisor);
    capi_expect(&bench, ggml_rope_ext_inplace(ctx, a[3], p, c, 2, 0, 0, 10000, 1, 0, 1, 32, 1), half, __LINE__);
    capi_bench_run(&bench);
}

void capi_test_rows(void) {
    check_reductions();
    check_custom();
    check_norms();
    check_rope();
}
