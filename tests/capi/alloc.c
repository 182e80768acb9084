/* Buffer types, buffers and the allocators. */

#include <stdlib.h>
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

static void check_buffer_type(ggml_backend_buffer_type_t buft) {
    struct ggml_context * ctx = new_context();
    struct ggml_tensor * t = ggml_new_tensor_1d(ctx, GGML_TYPE_F32, 10);
    CHECK(strlen(ggml_backend_buft_name(buft)) > 0 && ggml_backend_buft_is_host(buft));
    CHECK(ggml_backend_buft_get_alignment(buft) >= 1 && ggml_backend_buft_get_max_size(buft) > 1024);
    CHECK(ggml_backend_buft_get_alloc_size(buft, t) >= 40);
    ggml_backend_dev_t device = ggml_backend_buft_get_device(buft);
    CHECK(device == NULL || ggml_backend_dev_type(device) == GGML_BACKEND_DEVICE_TYPE_CPU);
    ggml_free(ctx);
}

static void check_buffer(ggml_backend_buffer_type_t buft) {
    struct ggml_context * ctx = new_context();
    struct ggml_tensor * a = ggml_new_tensor_1d(ctx, GGML_TYPE_F32, 4);
    struct ggml_tensor * b = ggml_new_tensor_1d(ctx, GGML_TYPE_F32, 4);
    struct ggml_tensor * view = ggml_view_1d(ctx, b, 2, 8);
    ggml_backend_buffer_t buffer = ggml_backend_buft_alloc_buffer(buft, 4096);

    CHECK(buffer != NULL && ggml_backend_buffer_get_size(buffer) == 4096 && ggml_backend_buffer_is_host(buffer));
    CHECK(strlen(ggml_backend_buffer_name(buffer)) > 0 && ggml_backend_buffer_get_type(buffer) == buft);
    CHECK(ggml_backend_buffer_get_alignment(buffer) == ggml_backend_buft_get_alignment(buft));
    CHECK(ggml_backend_buffer_get_max_size(buffer) == ggml_backend_buft_get_max_size(buft));
    CHECK(ggml_backend_buffer_get_alloc_size(buffer, a) >= 16);
    ggml_backend_buffer_set_usage(buffer, GGML_BACKEND_BUFFER_USAGE_WEIGHTS);
    CHECK(ggml_backend_buffer_get_usage(buffer) == GGML_BACKEND_BUFFER_USAGE_WEIGHTS);
    ggml_backend_buffer_clear(buffer, 0);

    CHECK(ggml_backend_tensor_alloc(buffer, a, ggml_backend_buffer_get_base(buffer)) == GGML_STATUS_SUCCESS);
    CHECK(ggml_backend_buffer_init_tensor(buffer, a) == GGML_STATUS_SUCCESS);
    struct ggml_tallocr talloc = ggml_tallocr_new(buffer);
    talloc.offset += ggml_backend_buffer_get_alignment(buffer);
    CHECK(ggml_tallocr_alloc(&talloc, b) == GGML_STATUS_SUCCESS && b->buffer == buffer);
    CHECK(ggml_backend_view_init(view) == GGML_STATUS_SUCCESS && (char *) view->data == (char *) b->data + 8);
    CHECK(ggml_get_data_f32(a)[3] == 0.0f);
    ggml_backend_buffer_reset(buffer);
    ggml_backend_buffer_free(buffer);
    ggml_free(ctx);
}

static void check_context_allocation(ggml_backend_buffer_type_t buft) {
    struct ggml_context * ctx = new_context();
    struct ggml_tensor * a = ggml_new_tensor_1d(ctx, GGML_TYPE_F32, 100);
    const size_t size = ggml_backend_alloc_ctx_tensors_from_buft_size(ctx, buft);
    ggml_backend_buffer_t buffer = ggml_backend_alloc_ctx_tensors_from_buft(ctx, buft);
    CHECK(size >= 400 && buffer != NULL && ggml_backend_buffer_get_size(buffer) == size && a->buffer == buffer);
    ggml_backend_buffer_free(buffer);
    ggml_free(ctx);
}

static void check_graph_allocator(ggml_backend_buffer_type_t buft) {
    struct ggml_context * ctx = new_context();
    struct ggml_tensor * a = ggml_new_tensor_1d(ctx, GGML_TYPE_F32, 64);
    struct ggml_tensor * sum = ggml_add(ctx, a, a);
    struct ggml_cgraph * graph = ggml_new_graph_custom(ctx, 16, false);
    ggml_backend_buffer_type_t bufts[2] = {buft, buft};
    const int node_ids[1] = {0};
    const int leaf_ids[1] = {1};
    size_t sizes[2] = {0, 0};
    ggml_set_input(a);
    ggml_build_forward_expand(graph, sum);

    ggml_gallocr_t galloc = ggml_gallocr_new_n(bufts, 2);
    ggml_gallocr_reserve_n_size(galloc, graph, node_ids, leaf_ids, sizes);
    CHECK(sizes[0] + sizes[1] >= 256);
    CHECK(ggml_gallocr_reserve_n(galloc, graph, node_ids, leaf_ids));
    CHECK(ggml_gallocr_alloc_graph(galloc, graph) && a->data != NULL && sum->data != NULL);
    CHECK(ggml_gallocr_get_buffer_size(galloc, 0) >= 256 && ggml_gallocr_get_buffer_size(galloc, 1) == 0);
    ggml_gallocr_free(galloc);
    ggml_free(ctx);
}

void capi_test_alloc(void) {
    ggml_backend_buffer_type_t buft = ggml_backend_cpu_buffer_type();
    check_buffer_type(buft);
    check_buffer(buft);
    check_context_allocation(buft);
    check_graph_allocator(buft);

    void * memory = NULL;
    CHECK((memory = malloc(4096)) != NULL);
    ggml_backend_buffer_t own = ggml_backend_cpu_buffer_from_ptr(memory, 4096);
    CHECK(own != NULL && ggml_backend_buffer_get_base(own) != NULL && ggml_backend_buffer_get_size(own) > 0);
    ggml_backend_buffer_free(own);
    free(memory);
}
