/* A small program in the style that ggml's users write: weights in a context of their own, a graph built with a
 * scratch context, placed by a graph allocator, computed by a backend. */

#include <stdlib.h>
#include <string.h>

#include "capi.h"

struct simple_model {
    struct ggml_tensor * a;
    struct ggml_tensor * b;

    ggml_backend_t backend;
    ggml_backend_buffer_t buffer;
    struct ggml_context * ctx;
};

static void load_model(struct simple_model * model, float * a, float * b, int rows_a, int cols_a, int rows_b,
                       int cols_b) {
    model->backend = ggml_backend_cpu_init();

    struct ggml_init_params params = {
        /*.mem_size   =*/ggml_tensor_overhead() * 2,
        /*.mem_buffer =*/NULL,
        /*.no_alloc   =*/true,
    };
    model->ctx = ggml_init(params);
    model->a = ggml_new_tensor_2d(model->ctx, GGML_TYPE_F32, cols_a, rows_a);
    model->b = ggml_new_tensor_2d(model->ctx, GGML_TYPE_F32, cols_b, rows_b);
    model->buffer = ggml_backend_alloc_ctx_tensors(model->ctx, model->backend);
    ggml_backend_tensor_set(model->a, a, 0, ggml_nbytes(model->a));
    ggml_backend_tensor_set(model->b, b, 0, ggml_nbytes(model->b));
}

static struct ggml_cgraph * build_graph(const struct simple_model * model, void * buf, size_t buf_size) {
    struct ggml_init_params params = {
        /*.mem_size   =*/buf_size,
        /*.mem_buffer =*/buf,
        /*.no_alloc   =*/true,
    };
    struct ggml_context * ctx = ggml_init(params);
    struct ggml_cgraph * gf = ggml_new_graph(ctx);
    struct ggml_tensor * result = ggml_mul_mat(ctx, model->a, model->b);
    ggml_build_forward_expand(gf, result);
    ggml_free(ctx);
    return gf;
}

void capi_test_example(void) {
    float a[4 * 2] = {2, 8, 5, 1, 4, 2, 8, 6};
    float b[3 * 2] = {10, 5, 9, 9, 5, 4};

    struct simple_model model;
    load_model(&model, a, b, 4, 2, 3, 2);

    const size_t buf_size = ggml_tensor_overhead() * GGML_DEFAULT_GRAPH_SIZE + ggml_graph_overhead();
    void * buf = malloc(buf_size);

    ggml_gallocr_t allocr = ggml_gallocr_new(ggml_backend_get_default_buffer_type(model.backend));
    CHECK(ggml_gallocr_reserve(allocr, build_graph(&model, buf, buf_size)));

    struct ggml_cgraph * gf = build_graph(&model, buf, buf_size);
    CHECK(ggml_gallocr_alloc_graph(allocr, gf));
    if (ggml_backend_is_cpu(model.backend)) {
        ggml_backend_cpu_set_n_threads(model.backend, 2);
    }
    CHECK(ggml_backend_graph_compute(model.backend, gf) == GGML_STATUS_SUCCESS);

    struct ggml_tensor * result = ggml_graph_node(gf, -1);
    float out[12];
    const float expected[12] = {60, 55, 50, 110, 90, 54, 54, 126, 42, 29, 28, 64};
    CHECK(ggml_nbytes(result) == sizeof(out));
    ggml_backend_tensor_get(result, out, 0, ggml_nbytes(result));
    CHECK(memcmp(out, expected, sizeof(out)) == 0);

    free(buf);
    ggml_gallocr_free(allocr);
    ggml_free(model.ctx);
    ggml_backend_buffer_free(model.buffer);
    ggml_backend_free(model.backend);
}
