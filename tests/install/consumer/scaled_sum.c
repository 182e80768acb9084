// A program of somebody else's: 3 * (a + b) over a simulated device and the CPU, through the installed library.
// It is C11 and C++17 at once; the build compiles it as both.

#include "ggml-alloc.h"
#include "ggml-backend.h"
#include "ggml-cpu.h"
#include "ggml-sched.h"
#include "ggml-sim.h"
#include "ggml.h"
#include "gguf.h"

#include <stdio.h>

enum { N = 4 };

static int compute(ggml_backend_sched_t sched, struct ggml_context * ctx, float * out) {
    struct ggml_tensor * a = ggml_new_tensor_1d(ctx, GGML_TYPE_F32, N);
    struct ggml_tensor * b = ggml_new_tensor_1d(ctx, GGML_TYPE_F32, N);
    ggml_set_input(a);
    ggml_set_input(b);
    struct ggml_tensor * sum = ggml_scale(ctx, ggml_add(ctx, a, b), 3.0f);
    ggml_set_output(sum);
    struct ggml_cgraph * graph = ggml_new_graph(ctx);
    ggml_build_forward_expand(graph, sum);
    if (!ggml_backend_sched_alloc_graph(sched, graph)) {
        return 0;
    }
    const float a_data[N] = {1, 2, 3, 4};
    const float b_data[N] = {10, 20, 30, 40};
    ggml_backend_tensor_set(a, a_data, 0, sizeof(a_data));
    ggml_backend_tensor_set(b, b_data, 0, sizeof(b_data));
    if (ggml_backend_sched_graph_compute(sched, graph) != GGML_STATUS_SUCCESS) {
        return 0;
    }
    ggml_backend_tensor_get(sum, out, 0, N * sizeof(float));
    return 1;
}

int main(void) {
    ggml_backend_t backends[2] = {ggml_backend_dev_init(ggml_backend_sim_device(0), NULL), ggml_backend_cpu_init()};
    ggml_backend_sched_t sched = ggml_backend_sched_new(backends, NULL, 2, GGML_DEFAULT_GRAPH_SIZE, false, true);
    struct ggml_init_params params = {ggml_tensor_overhead() * 8 + ggml_graph_overhead(), NULL, true};
    struct ggml_context * ctx = ggml_init(params);
    float out[N] = {0, 0, 0, 0};
    const int computed = sched && ctx && compute(sched, ctx, out);
    ggml_free(ctx);
    ggml_backend_sched_free(sched);
    ggml_backend_free(backends[0]);
    ggml_backend_free(backends[1]);
    printf("%g %g %g %g\n", out[0], out[1], out[2], out[3]);
    return computed ? 0 : 1;
}
