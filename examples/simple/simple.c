// simple.c - computes 3 * (a + b) over two devices through ggml_backend_sched_*, and prints the plan and the result.
// The addition runs on a simulated device, the scaling on the CPU. The file is C11 and C++17 at once.

#include "ggml-backend.h"
#include "ggml-cpu.h"
#include "ggml-sched.h"
#include "ggml-sim.h"
#include "ggml.h"

#include <stdio.h>

enum { N = 4 };

static void print_plan(ggml_backend_sched_t sched) {
    static char plan[8192];
    ggml_sched_get_plan_text(sched, plan, sizeof(plan));
    fputs(plan, stdout);
}

static int run(ggml_backend_sched_t sched, ggml_backend_t device, ggml_backend_t cpu, struct ggml_context * ctx) {
    // Describe the graph. The tensors have no memory yet.
    struct ggml_tensor * a = ggml_new_tensor_1d(ctx, GGML_TYPE_F32, N);
    struct ggml_tensor * b = ggml_new_tensor_1d(ctx, GGML_TYPE_F32, N);
    ggml_set_input(ggml_set_name(a, "a"));
    ggml_set_input(ggml_set_name(b, "b"));
    struct ggml_tensor * sum = ggml_set_name(ggml_add(ctx, a, b), "sum");
    struct ggml_tensor * scaled = ggml_set_name(ggml_scale(ctx, sum, 3.0f), "scaled");
    ggml_set_output(scaled);
    struct ggml_cgraph * graph = ggml_new_graph(ctx);
    ggml_build_forward_expand(graph, scaled);

    // Place the operations. An engine leaves this to the scheduler, which follows the weights.
    ggml_backend_sched_set_tensor_backend(sched, sum, device);
    ggml_backend_sched_set_tensor_backend(sched, scaled, cpu);

    // Allocate, write the inputs, compute, read the result.
    const float a_data[N] = {1, 2, 3, 4};
    const float b_data[N] = {10, 20, 30, 40};
    float out[N];
    if (!ggml_backend_sched_alloc_graph(sched, graph)) {
        return 0;
    }
    ggml_backend_tensor_set(a, a_data, 0, sizeof(a_data));
    ggml_backend_tensor_set(b, b_data, 0, sizeof(b_data));
    if (ggml_backend_sched_graph_compute(sched, graph) != GGML_STATUS_SUCCESS) {
        return 0;
    }
    ggml_backend_tensor_get(scaled, out, 0, sizeof(out));
    print_plan(sched);
    printf("\nresult: %g %g %g %g\n", out[0], out[1], out[2], out[3]);
    return 1;
}

int main(void) {
    // The CPU comes last: it takes what no device before it takes.
    ggml_backend_t backends[2] = {ggml_backend_dev_init(ggml_backend_sim_device(0), NULL), ggml_backend_cpu_init()};
    ggml_backend_sched_t sched = ggml_backend_sched_new(backends, NULL, 2, GGML_DEFAULT_GRAPH_SIZE, false, true);
    struct ggml_init_params params = {ggml_tensor_overhead() * 8 + ggml_graph_overhead(), NULL, true};
    struct ggml_context * ctx = ggml_init(params);
    const int ok = sched && ctx && run(sched, backends[0], backends[1], ctx);
    ggml_free(ctx);
    ggml_backend_sched_free(sched);
    ggml_backend_free(backends[0]);
    ggml_backend_free(backends[1]);
    return ok ? 0 : 1;
}
