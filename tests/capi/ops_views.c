/* Copies and views. */

#include "capi.h"

static void check_copies(void) {
    struct capi_bench bench = capi_bench_new();
    struct ggml_context * ctx = bench.ctx;
    const float x[6] = {1, 2, 3, 4, 5, 6};
    const float turned[6] = {1, 4, 2, 5, 3, 6};
    struct ggml_tensor * a = capi_input(&bench, GGML_TYPE_F32, 3, 2, 1, x);
    struct ggml_tensor * t = ggml_transpose(ctx, a);

    capi_expect(&bench, ggml_cpy(ctx, t, ggml_new_tensor_2d(ctx, GGML_TYPE_F32, 2, 3)), turned, __LINE__);
    capi_expect(&bench, ggml_cast(ctx, ggml_cast(ctx, a, GGML_TYPE_F16), GGML_TYPE_F32), x, __LINE__);
    capi_expect(&bench, ggml_cont(ctx, t), turned, __LINE__);
    capi_expect(&bench, ggml_cont_1d(ctx, t, 6), turned, __LINE__);
    capi_expect(&bench, ggml_cont_2d(ctx, t, 3, 2), turned, __LINE__);
    capi_expect(&bench, ggml_cont_3d(ctx, t, 1, 3, 2), turned, __LINE__);
    capi_expect(&bench, ggml_cont_4d(ctx, t, 1, 3, 1, 2), turned, __LINE__);
    capi_expect(&bench, ggml_cont(ctx, ggml_permute(ctx, a, 1, 0, 2, 3)), turned, __LINE__);
    capi_bench_run(&bench);
}

static void check_views(void) {
    struct capi_bench bench = capi_bench_new();
    struct ggml_context * ctx = bench.ctx;
    const float x[6] = {1, 2, 3, 4, 5, 6};
    const float right[4] = {2, 3, 5, 6};
    const size_t size = sizeof(float);
    const size_t row = 3 * size;
    struct ggml_tensor * a = capi_input(&bench, GGML_TYPE_F32, 3, 2, 1, x);
    struct ggml_tensor * like = ggml_new_tensor_2d(ctx, GGML_TYPE_F32, 2, 3);

    capi_expect(&bench, ggml_cont(ctx, ggml_reshape(ctx, a, like)), x, __LINE__);
    capi_expect(&bench, ggml_cont(ctx, ggml_reshape_1d(ctx, a, 6)), x, __LINE__);
    capi_expect(&bench, ggml_cont(ctx, ggml_reshape_2d(ctx, a, 2, 3)), x, __LINE__);
    capi_expect(&bench, ggml_cont(ctx, ggml_reshape_3d(ctx, a, 1, 3, 2)), x, __LINE__);
    capi_expect(&bench, ggml_cont(ctx, ggml_reshape_4d(ctx, a, 1, 3, 1, 2)), x, __LINE__);
    capi_expect(&bench, ggml_cont(ctx, ggml_view_1d(ctx, a, 2, size)), right, __LINE__);
    capi_expect(&bench, ggml_cont(ctx, ggml_view_2d(ctx, a, 2, 2, row, size)), right, __LINE__);
    capi_expect(&bench, ggml_cont(ctx, ggml_view_3d(ctx, a, 2, 2, 1, row, 2 * row, size)), right, __LINE__);
    capi_expect(&bench, ggml_cont(ctx, ggml_view_4d(ctx, a, 2, 1, 2, 1, row, row, 2 * row, size)), right, __LINE__);
    capi_bench_run(&bench);
}

void capi_test_views(void) {
    check_copies();
    check_views();
}
