/* Data access and computation on one backend. */

#include <string.h>

#include "capi.h"

static struct ggml_context * new_context(void) {
    const struct ggml_init_params params = {
        .mem_size = 32 * ggml_tensor_overhead() + ggml_graph_overhead_custom(16, false),
        .mem_buffer = NULL,
        .no_alloc = true,
    };
    return ggml_init(params);
}

static void check_properties(ggml_backend_t backend) {
    ggml_backend_buffer_type_t buft = ggml_backend_get_default_buffer_type(backend);
    struct ggml_context * ctx = new_context();
    struct ggml_tensor * a = ggml_new_tensor_1d(ctx, GGML_TYPE_F32, 4);
    CHECK(capi_same_text(ggml_backend_name(backend), "CPU") && ggml_backend_is_cpu(backend));
    CHECK(ggml_guid_matches(ggml_backend_guid(backend), ggml_backend_guid(backend)));
    CHECK(ggml_backend_get_device(backend) != NULL);
    CHECK(ggml_backend_get_alignment(backend) == ggml_backend_buft_get_alignment(buft));
    CHECK(ggml_backend_get_max_size(backend) == ggml_backend_buft_get_max_size(buft));
    CHECK(ggml_backend_supports_op(backend, ggml_silu(ctx, a)) && ggml_backend_supports_buft(backend, buft));
    CHECK(!ggml_backend_offload_op(backend, ggml_silu(ctx, a)));
    ggml_backend_buffer_t buffer = ggml_backend_alloc_buffer(backend, 64);
    CHECK(buffer != NULL);
    ggml_backend_buffer_free(buffer);
    ggml_free(ctx);
}

static void check_blocking_access(struct ggml_tensor * a, struct ggml_tensor * b) {
    const float values[4] = {1, 2, 3, 4};
    float back[4];
    ggml_backend_tensor_set(a, values, 0, sizeof(values));
    ggml_backend_tensor_copy(a, b);
    ggml_backend_tensor_get(b, back, 0, sizeof(back));
    CHECK(memcmp(values, back, sizeof(back)) == 0);
    ggml_backend_tensor_memset(b, 0, 8, 8);
    ggml_backend_tensor_get(b, back, 4, 8);
    CHECK(back[0] == 2.0f && back[1] == 0.0f);

    /* The columns of a 2 x 2 matrix */
    const float columns[2] = {7, 8};
    ggml_backend_tensor_set_2d(a, columns, 4, 4, 2, 8, 4);
    ggml_backend_tensor_get(a, back, 0, sizeof(back));
    CHECK(back[0] == 1.0f && back[1] == 7.0f && back[2] == 3.0f && back[3] == 8.0f);
    ggml_backend_tensor_get_2d(a, back, 0, 4, 2, 8, 4);
    CHECK(back[0] == 1.0f && back[1] == 3.0f);
}

static void check_queued_access(ggml_backend_t backend, struct ggml_tensor * a, struct ggml_tensor * b) {
    const float values[4] = {5, 6, 7, 8};
    const float column[2] = {-1, -2};
    float back[4];
    float left[2];
    ggml_backend_tensor_set_async(backend, a, values, 0, sizeof(values));
    ggml_backend_tensor_set_2d_async(backend, a, column, 4, 4, 2, 8, 4);
    ggml_backend_tensor_copy_async(backend, backend, a, b);
    ggml_backend_tensor_get_async(backend, b, back, 0, sizeof(back));
    ggml_backend_tensor_get_2d_async(backend, b, left, 0, 4, 2, 8, 4);
    ggml_backend_synchronize(backend);
    CHECK(back[0] == 5.0f && back[1] == -1.0f && back[2] == 7.0f && back[3] == -2.0f);
    CHECK(left[0] == 5.0f && left[1] == 7.0f);
}

static bool stop_at_once(void * data) {
    ++*(int *) data;
    return true;
}

static void check_compute(ggml_backend_t backend, struct ggml_context * ctx, struct ggml_tensor * sum) {
    struct ggml_cgraph * graph = ggml_new_graph_custom(ctx, 16, false);
    float back[4];
    int n_asked = 0;
    ggml_build_forward_expand(graph, sum);
    ggml_backend_cpu_set_n_threads(backend, 2);
    CHECK(ggml_backend_graph_compute(backend, graph) == GGML_STATUS_SUCCESS);
    ggml_backend_tensor_get(sum, back, 0, sizeof(back));
    CHECK(back[0] == 10.0f && back[3] == -4.0f);
    ggml_backend_cpu_set_abort_callback(backend, stop_at_once, &n_asked);
    CHECK(ggml_backend_graph_compute(backend, graph) == GGML_STATUS_ABORTED && n_asked > 0);
    ggml_backend_cpu_set_abort_callback(backend, NULL, NULL);
    CHECK(ggml_backend_graph_compute_async(backend, graph) == GGML_STATUS_SUCCESS);
    ggml_backend_synchronize(backend);
}

void capi_test_backend(void) {
    ggml_backend_t backend = ggml_backend_cpu_init();
    CHECK(backend != NULL);
    check_properties(backend);

    struct ggml_context * ctx = new_context();
    struct ggml_tensor * a = ggml_new_tensor_2d(ctx, GGML_TYPE_F32, 2, 2);
    struct ggml_tensor * b = ggml_new_tensor_2d(ctx, GGML_TYPE_F32, 2, 2);
    struct ggml_tensor * sum = ggml_add(ctx, a, b);
    ggml_backend_buffer_t buffer = ggml_backend_alloc_ctx_tensors(ctx, backend);
    CHECK(buffer != NULL);
    check_blocking_access(a, b);
    check_queued_access(backend, a, b);
    check_compute(backend, ctx, sum);
    ggml_backend_buffer_free(buffer);
    ggml_backend_free(backend);
    ggml_free(ctx);
}
