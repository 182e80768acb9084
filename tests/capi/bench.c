#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "capi.h"

struct capi_bench capi_bench_new(void) {
    struct capi_bench bench;
    memset(&bench, 0, sizeof(bench));
    const struct ggml_init_params params = {
        .mem_size = 512 * ggml_tensor_overhead() + ggml_graph_overhead_custom(256, false),
        .mem_buffer = NULL,
        .no_alloc = true,
    };
    bench.ctx = ggml_init(params);
    bench.backend = ggml_backend_cpu_init();
    bench.graph = ggml_new_graph_custom(bench.ctx, 256, false);
    CHECK(bench.ctx != NULL && bench.backend != NULL && bench.graph != NULL);
    return bench;
}

struct ggml_tensor * capi_input(struct capi_bench * bench, enum ggml_type type, int64_t ne0, int64_t ne1, int64_t ne2,
                                const void * data) {
    struct ggml_tensor * tensor = ggml_new_tensor_3d(bench->ctx, type, ne0, ne1, ne2);
    if (tensor != NULL && bench->n_inputs < CAPI_MAX_ITEMS) {
        bench->inputs[bench->n_inputs] = tensor;
        bench->input_data[bench->n_inputs] = data;
        bench->n_inputs++;
        return tensor;
    }
    CHECK(tensor != NULL && bench->n_inputs < CAPI_MAX_ITEMS);
    return NULL;
}

struct ggml_tensor * capi_row(struct capi_bench * bench, int64_t n, const float * data) {
    return capi_input(bench, GGML_TYPE_F32, n, 1, 1, data);
}

void capi_expect(struct capi_bench * bench, struct ggml_tensor * result, const void * expected, int line) {
    if (result == NULL || bench->n_results == CAPI_MAX_ITEMS) {
        fprintf(stderr, "line %d: ", line);
        CHECK(!"there is a result to expect");
        return;
    }
    ggml_build_forward_expand(bench->graph, result);
    bench->results[bench->n_results] = result;
    bench->expected[bench->n_results] = expected;
    bench->lines[bench->n_results] = line;
    bench->n_results++;
}

static bool is_as_expected(const struct ggml_tensor * result, const void * expected) {
    const size_t n = (size_t) ggml_nelements(result);
    float * values = malloc(n * sizeof(float));
    bool ok = values != NULL && (result->type == GGML_TYPE_F32 || result->type == GGML_TYPE_I32);
    if (ok) {
        ggml_backend_tensor_get(result, values, 0, n * sizeof(float));
        if (result->type == GGML_TYPE_I32) {
            ok = memcmp(values, expected, n * sizeof(int32_t)) == 0;
        }
        for (size_t i = 0; ok && result->type == GGML_TYPE_F32 && i < n; i++) {
            ok = capi_near(values[i], ((const float *) expected)[i]);
        }
    }
    free(values);
    return ok;
}

void capi_bench_run(struct capi_bench * bench) {
    bench->buffer = ggml_backend_alloc_ctx_tensors(bench->ctx, bench->backend);
    CHECK(bench->buffer != NULL);
    for (int i = 0; i < bench->n_inputs; i++) {
        ggml_backend_tensor_set(bench->inputs[i], bench->input_data[i], 0, ggml_nbytes(bench->inputs[i]));
    }
    CHECK(ggml_backend_graph_compute(bench->backend, bench->graph) == GGML_STATUS_SUCCESS);
    for (int i = 0; i < bench->n_results; i++) {
        const bool ok = is_as_expected(bench->results[i], bench->expected[i]);
        if (!ok) {
            fprintf(stderr, "expected at line %d, %s: ", bench->lines[i], ggml_op_desc(bench->results[i]));
        }
        CHECK(ok);
    }
    ggml_backend_buffer_free(bench->buffer);
    ggml_backend_free(bench->backend);
    ggml_free(bench->ctx);
}
