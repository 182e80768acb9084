// null_plan.c - prints how a graph would run over two devices of the null backend and the CPU. Nothing is computed.

#include "null_backend.h"

#include "ggml-cpu.h"
#include "ggml-sched.h"

#include <stdio.h>

static int print_plan(ggml_backend_sched_t sched, ggml_backend_t * backends, struct ggml_context * ctx) {
    static char plan[8192];
    struct ggml_tensor * input = ggml_new_tensor_1d(ctx, GGML_TYPE_F32, 1024);
    ggml_set_input(ggml_set_name(input, "input"));
    struct ggml_tensor * first = ggml_set_name(ggml_scale(ctx, input, 2.0f), "first");
    struct ggml_tensor * second = ggml_set_name(ggml_scale(ctx, first, 3.0f), "second");
    ggml_set_output(second);
    struct ggml_cgraph * graph = ggml_new_graph(ctx);
    ggml_build_forward_expand(graph, second);
    ggml_backend_sched_set_tensor_backend(sched, first, backends[0]);
    ggml_backend_sched_set_tensor_backend(sched, second, backends[1]);
    if (ggml_backend_sched_graph_compute(sched, graph) != GGML_STATUS_SUCCESS) {
        return 0;
    }
    ggml_sched_get_plan_text(sched, plan, sizeof(plan));
    fputs(plan, stdout);
    return 1;
}

int main(void) {
    ggml_backend_register(null_backend_reg());
    ggml_backend_t backends[3] = {ggml_backend_init_by_name("Null0", NULL), ggml_backend_init_by_name("Null1", NULL),
                                  ggml_backend_cpu_init()};
    ggml_backend_sched_t sched = ggml_backend_sched_new(backends, NULL, 3, GGML_DEFAULT_GRAPH_SIZE, false, true);
    struct ggml_init_params params = {ggml_tensor_overhead() * 8 + ggml_graph_overhead(), NULL, true};
    struct ggml_context * ctx = ggml_init(params);
    const int ok = sched && ctx && print_plan(sched, backends, ctx);
    ggml_free(ctx);
    ggml_backend_sched_free(sched);
    for (int i = 0; i < 3; i++) {
        ggml_backend_free(backends[i]);
    }
    return ok ? 0 : 1;
}
