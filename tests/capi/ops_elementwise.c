/* Element by element: arithmetic, activations, gates. */

#include <math.h>

#include "capi.h"

static float silu(float x) {
    return x / (1.0f + expf(-x));
}

static float gelu(float x) {
    return 0.5f * x * (1.0f + tanhf(0.79788456f * (x + 0.044715f * x * x * x)));
}

static void check_arithmetic(void) {
    struct capi_bench bench = capi_bench_new();
    struct ggml_context * ctx = bench.ctx;
    const float x[4] = {1, -2, 3, 4};
    const float y[2] = {2, 4};
    struct ggml_tensor * a = capi_row(&bench, 4, x);
    struct ggml_tensor * b = capi_row(&bench, 2, y); /* broadcast */

    capi_expect(&bench, ggml_dup(ctx, a), x, __LINE__);
    capi_expect(&bench, ggml_dup_inplace(ctx, capi_row(&bench, 4, x)), x, __LINE__);
    const float sum[4] = {3, 2, 5, 8};
    capi_expect(&bench, ggml_add(ctx, a, b), sum, __LINE__);
    capi_expect(&bench, ggml_add_inplace(ctx, capi_row(&bench, 4, x), b), sum, __LINE__);
    const float product[4] = {2, -8, 6, 16};
    capi_expect(&bench, ggml_mul(ctx, a, b), product, __LINE__);
    capi_expect(&bench, ggml_mul_inplace(ctx, capi_row(&bench, 4, x), b), product, __LINE__);
    const float quotient[4] = {0.5f, -0.5f, 1.5f, 1};
    capi_expect(&bench, ggml_div(ctx, a, b), quotient, __LINE__);
    capi_expect(&bench, ggml_div_inplace(ctx, capi_row(&bench, 4, x), b), quotient, __LINE__);
    const float scaled[4] = {3, -6, 9, 12};
    capi_expect(&bench, ggml_scale(ctx, a, 3), scaled, __LINE__);
    capi_expect(&bench, ggml_scale_inplace(ctx, capi_row(&bench, 4, x), 3), scaled, __LINE__);
    const float shifted[4] = {4, -5, 10, 13};
    capi_expect(&bench, ggml_scale_bias(ctx, a, 3, 1), shifted, __LINE__);
    capi_bench_run(&bench);
}

static void check_activations(void) {
    struct capi_bench bench = capi_bench_new();
    struct ggml_context * ctx = bench.ctx;
    const float x[4] = {1, -2, 3, 0.5f};
    struct ggml_tensor * a = capi_row(&bench, 4, x);
    float relus[4];
    float gelus[4];
    float silus[4];
    for (int i = 0; i < 4; i++) {
        relus[i] = x[i] > 0 ? x[i] : 0;
        gelus[i] = gelu(x[i]);
        silus[i] = silu(x[i]);
    }
    capi_expect(&bench, ggml_relu(ctx, a), relus, __LINE__);
    capi_expect(&bench, ggml_relu_inplace(ctx, capi_row(&bench, 4, x)), relus, __LINE__);
    capi_expect(&bench, ggml_gelu(ctx, a), gelus, __LINE__);
    capi_expect(&bench, ggml_gelu_inplace(ctx, capi_row(&bench, 4, x)), gelus, __LINE__);
    capi_expect(&bench, ggml_silu(ctx, a), silus, __LINE__);
    capi_expect(&bench, ggml_silu_inplace(ctx, capi_row(&bench, 4, x)), silus, __LINE__);
    capi_expect(&bench, ggml_unary(ctx, a, GGML_UNARY_OP_RELU), relus, __LINE__);
    capi_expect(&bench, ggml_unary_inplace(ctx, capi_row(&bench, 4, x), GGML_UNARY_OP_SILU), silus, __LINE__);

    const float gated[2] = {silu(x[0]) * x[2], silu(x[1]) * x[3]};
    const float swapped[2] = {silu(x[2]) * x[0], silu(x[3]) * x[1]};
    struct ggml_tensor * first = capi_row(&bench, 2, x);
    struct ggml_tensor * second = capi_row(&bench, 2, x + 2);
    capi_expect(&bench, ggml_swiglu(ctx, a), gated, __LINE__);
    capi_expect(&bench, ggml_glu(ctx, a, GGML_GLU_OP_SWIGLU, true), swapped, __LINE__);
    capi_expect(&bench, ggml_swiglu_split(ctx, first, second), gated, __LINE__);
    capi_expect(&bench, ggml_glu_split(ctx, second, first, GGML_GLU_OP_SWIGLU), swapped, __LINE__);
    capi_bench_run(&bench);
}

void capi_test_elementwise(void) {
    check_arithmetic();
    check_activations();
}
