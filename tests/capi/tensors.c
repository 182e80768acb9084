/* Contexts, the properties of tensors, graphs. */

#include <stdlib.h>

#include "capi.h"

static void check_context(void) {
    const size_t size = 16 * ggml_tensor_overhead() + 4096;
    void * memory = malloc(size);
    const struct ggml_init_params params = {.mem_size = size, .mem_buffer = memory, .no_alloc = false};
    struct ggml_context * ctx = ggml_init(params);
    CHECK(ctx != NULL);
    CHECK(ggml_get_mem_buffer(ctx) == memory && ggml_get_mem_size(ctx) == size);
    CHECK(!ggml_get_no_alloc(ctx));

    const int64_t ne[2] = {5, 3};
    struct ggml_tensor * a = ggml_set_name(ggml_new_tensor(ctx, GGML_TYPE_F32, 2, ne), "a");
    struct ggml_tensor * b = ggml_format_name(ggml_dup_tensor(ctx, a), "%s-%d", "b", 2);
    struct ggml_tensor * whole = ggml_view_tensor(ctx, a);
    CHECK(ggml_get_data(a) != NULL && ggml_get_data_f32(a) == (float *) a->data);
    CHECK(capi_same_text(ggml_get_name(b), "b-2"));
    CHECK(ggml_is_view(whole) && whole->view_src == a);
    CHECK(ggml_get_tensor(ctx, "b-2") == b);
    CHECK(ggml_get_first_tensor(ctx) == a && ggml_get_next_tensor(ctx, a) == b);
    CHECK(ggml_get_max_tensor_size(ctx) >= 60);

    ggml_set_no_alloc(ctx, true);
    CHECK(ggml_get_data(ggml_new_tensor_4d(ctx, GGML_TYPE_F32, 2, 2, 2, 2)) == NULL);
    const size_t used = ggml_used_mem(ctx);
    CHECK(used > 0);
    ggml_reset(ctx);
    CHECK(ggml_used_mem(ctx) < used && ggml_get_first_tensor(ctx) == NULL);
    ggml_free(ctx);
    free(memory);
}

static void check_shapes(struct ggml_context * ctx) {
    struct ggml_tensor * one = ggml_new_tensor_1d(ctx, GGML_TYPE_F32, 1);
    struct ggml_tensor * row = ggml_new_tensor_1d(ctx, GGML_TYPE_F32, 6);
    struct ggml_tensor * matrix = ggml_new_tensor_2d(ctx, GGML_TYPE_F16, 6, 4);
    struct ggml_tensor * cube = ggml_new_tensor_3d(ctx, GGML_TYPE_F32, 6, 4, 2);
    struct ggml_tensor * empty = ggml_new_tensor_2d(ctx, GGML_TYPE_F32, 6, 0);
    struct ggml_tensor * turned = ggml_transpose(ctx, matrix);
    struct ggml_tensor * columns = ggml_view_2d(ctx, matrix, 3, 4, matrix->nb[1], 0);

    CHECK(ggml_nelements(cube) == 48 && ggml_nrows(cube) == 8 && ggml_n_dims(cube) == 3);
    CHECK(ggml_nbytes(matrix) == 48 && ggml_nbytes_pad(one) == GGML_MEM_ALIGN && ggml_element_size(matrix) == 2);
    CHECK(ggml_is_scalar(one) && ggml_is_vector(row) && ggml_is_matrix(matrix) && ggml_is_3d(cube));
    CHECK(ggml_is_empty(empty) && !ggml_is_empty(one));
    CHECK(ggml_is_transposed(turned) && !ggml_is_transposed(matrix));
    CHECK(ggml_is_permuted(ggml_permute(ctx, cube, 0, 2, 1, 3)) && !ggml_is_permuted(cube));
    CHECK(ggml_is_contiguous(cube) && ggml_is_contiguous_0(cube) && !ggml_is_contiguous(columns));
    CHECK(ggml_is_contiguous_1(matrix) && ggml_is_contiguous_2(matrix) && ggml_is_contiguous_rows(columns));
    CHECK(ggml_is_contiguously_allocated(turned) && !ggml_is_contiguously_allocated(columns));
    CHECK(ggml_are_same_shape(matrix, ggml_dup_tensor(ctx, matrix)) && !ggml_are_same_shape(matrix, turned));
    CHECK(!ggml_are_same_stride(matrix, turned) && ggml_are_same_stride(matrix, matrix));
    CHECK(ggml_can_repeat(row, cube) && !ggml_can_repeat(cube, row));

    ggml_set_input(row);
    ggml_set_output(row);
    ggml_set_param(matrix);
    CHECK((row->flags & GGML_TENSOR_FLAG_INPUT) != 0 && (row->flags & GGML_TENSOR_FLAG_OUTPUT) != 0);
    CHECK((matrix->flags & GGML_TENSOR_FLAG_PARAM) != 0);

    struct ggml_tensor * silu = ggml_silu(ctx, row);
    CHECK(ggml_get_unary_op(silu) == GGML_UNARY_OP_SILU && capi_same_text(ggml_op_desc(silu), "SILU"));
    CHECK(ggml_get_glu_op(ggml_swiglu(ctx, row)) == GGML_GLU_OP_SWIGLU);
}

static void check_graph(struct ggml_context * ctx) {
    struct ggml_tensor * a = ggml_set_name(ggml_new_tensor_1d(ctx, GGML_TYPE_F32, 4), "a");
    struct ggml_tensor * sum = ggml_set_name(ggml_add(ctx, a, a), "sum");
    struct ggml_tensor * twice = ggml_set_name(ggml_scale(ctx, sum, 2.0f), "twice");
    struct ggml_cgraph * graph = ggml_new_graph(ctx);
    CHECK(ggml_graph_size(graph) == GGML_DEFAULT_GRAPH_SIZE);
    ggml_build_forward_expand(graph, twice);
    CHECK(ggml_graph_n_nodes(graph) == 2 && ggml_graph_nodes(graph)[0] == sum);
    CHECK(ggml_graph_node(graph, -1) == twice && ggml_graph_node(graph, 2) == NULL);
    CHECK(ggml_graph_get_tensor(graph, "a") == a);
    ggml_graph_print(graph);
    ggml_graph_clear(graph);
    CHECK(ggml_graph_n_nodes(graph) == 0);
    ggml_graph_add_node(graph, twice);
    CHECK(ggml_graph_n_nodes(graph) == 1);
}

void capi_test_tensors(void) {
    check_context();
    const struct ggml_init_params params = {
        .mem_size = 64 * ggml_tensor_overhead() + ggml_graph_overhead(),
        .mem_buffer = NULL,
        .no_alloc = true,
    };
    struct ggml_context * ctx = ggml_init(params);
    CHECK(ctx != NULL && ggml_graph_overhead() == ggml_graph_overhead_custom(GGML_DEFAULT_GRAPH_SIZE, false));
    check_shapes(ctx);
    check_graph(ctx);
    ggml_free(ctx);
}
