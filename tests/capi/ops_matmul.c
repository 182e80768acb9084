/* Matrix products, rows by index, writing into a tensor. */

#include "capi.h"

static void check_products(void) {
    struct capi_bench bench = capi_bench_new();
    struct ggml_context * ctx = bench.ctx;
    const float w[6] = {1, 2, 3, 4, 5, 6}; /* 3 rows of 2 */
    const float x[4] = {1, 1, 2, -1};      /* 2 rows of 2 */
    const float y[6] = {3, 7, 11, 0, 2, 4};
    struct ggml_tensor * a = capi_input(&bench, GGML_TYPE_F32, 2, 3, 1, w);
    struct ggml_tensor * b = capi_input(&bench, GGML_TYPE_F32, 2, 2, 1, x);
    struct ggml_tensor * product = ggml_mul_mat(ctx, a, b);
    ggml_mul_mat_set_prec(product, GGML_PREC_F32);
    capi_expect(&bench, product, y, __LINE__);

    const float experts[4] = {1, 2, 10, 20}; /* two experts of one row of 2 */
    const int32_t used[2] = {1, 0};
    const float chosen[2] = {30, 3};
    struct ggml_tensor * as = capi_input(&bench, GGML_TYPE_F32, 2, 1, 2, experts);
    struct ggml_tensor * token = capi_input(&bench, GGML_TYPE_F32, 2, 1, 1, x);
    struct ggml_tensor * ids = capi_input(&bench, GGML_TYPE_I32, 2, 1, 1, used);
    capi_expect(&bench, ggml_mul_mat_id(ctx, as, token, ids), chosen, __LINE__);
    capi_bench_run(&bench);
}

static void check_rows(void) {
    struct capi_bench bench = capi_bench_new();
    struct ggml_context * ctx = bench.ctx;
    const float x[6] = {1, 2, 3, 4, 5, 6};
    const int32_t wanted[2] = {2, 0};
    const float rows[4] = {5, 6, 1, 2};
    struct ggml_tensor * a = capi_input(&bench, GGML_TYPE_F32, 2, 3, 1, x);
    struct ggml_tensor * b = capi_input(&bench, GGML_TYPE_I32, 2, 1, 1, wanted);
    capi_expect(&bench, ggml_get_rows(ctx, a, b), rows, __LINE__);

    const int64_t places[1] = {1};
    const float row[2] = {-1, -2};
    const float written[6] = {1, 2, -1, -2, 5, 6};
    struct ggml_tensor * into = capi_input(&bench, GGML_TYPE_F32, 2, 3, 1, x);
    struct ggml_tensor * where = capi_input(&bench, GGML_TYPE_I64, 1, 1, 1, places);
    capi_expect(&bench, ggml_set_rows(ctx, into, capi_row(&bench, 2, row), where), written, __LINE__);
    capi_bench_run(&bench);
}

static void check_set(void) {
    struct capi_bench bench = capi_bench_new();
    struct ggml_context * ctx = bench.ctx;
    const float x[6] = {1, 2, 3, 4, 5, 6};
    const float y[2] = {-1, -2};
    const float in_row[6] = {1, -1, -2, 4, 5, 6};
    const float in_column[6] = {1, -1, 3, -2, 5, 6};
    const size_t size = sizeof(float);
    struct ggml_tensor * b = capi_row(&bench, 2, y);
    struct ggml_tensor * column = capi_input(&bench, GGML_TYPE_F32, 1, 2, 1, y);

    struct ggml_tensor * a[6];
    for (int i = 0; i < 6; i++) {
        a[i] = capi_input(&bench, GGML_TYPE_F32, 2, 3, 1, x);
    }
    capi_expect(&bench, ggml_set(ctx, a[0], column, 2 * size, 6 * size, 6 * size, size), in_column, __LINE__);
    capi_expect(&bench, ggml_set_inplace(ctx, a[1], column, 2 * size, 6 * size, 6 * size, size), in_column, __LINE__);
    capi_expect(&bench, ggml_set_1d(ctx, a[2], b, size), in_row, __LINE__);
    capi_expect(&bench, ggml_set_1d_inplace(ctx, a[3], b, size), in_row, __LINE__);
    capi_expect(&bench, ggml_set_2d(ctx, a[4], column, 2 * size, size), in_column, __LINE__);
    capi_expect(&bench, ggml_set_2d_inplace(ctx, a[5], column, 2 * size, size), in_column, __LINE__);
    capi_bench_run(&bench);
}

void capi_test_matmul(void) {
    check_products();
    check_rows();
    check_set();
}
