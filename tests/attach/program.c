// A program that somebody has built with a shared ggml: it computes graphs over two backends, and prints results.
//
// Our headers serve, since the functions and structs that it uses are alike in every ggml. It does the same in a child
// process first. With an argument, it loads that library and calls its function `run`, which works with another ggml.

#include <dlfcn.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ggml-backend.h"
#include "ggml-cpu.h"
#include "ggml.h"

enum { WIDTH = 8, N_VALUES = 64 };

static struct ggml_tensor * new_input(struct ggml_context * context, int rows) {
    struct ggml_tensor * input = ggml_new_tensor_2d(context, GGML_TYPE_F32, WIDTH, rows);
    ggml_set_input(input);
    return input;
}

// Computes one graph, and prints how many splits it had and the first results.
static int step(ggml_backend_sched_t sched, ggml_backend_t first, int number) {
    struct ggml_init_params params = {1 << 20, NULL, true};
    struct ggml_context * context = ggml_init(params);
    struct ggml_tensor * a = new_input(context, 4 + number);
    struct ggml_tensor * b = new_input(context, 3);
    struct ggml_tensor * product = ggml_mul_mat(context, a, b);
    struct ggml_tensor * sum = ggml_scale(context, ggml_add(context, product, product), 0.5f);
    struct ggml_tensor * result = ggml_soft_max(context, ggml_cont(context, ggml_transpose(context, sum)));
    ggml_set_output(result);
    struct ggml_cgraph * graph = ggml_new_graph(context);
    ggml_build_forward_expand(graph, result);

    ggml_backend_sched_reset(sched);
    ggml_backend_sched_set_tensor_backend(sched, product, first);
    if (!ggml_backend_sched_alloc_graph(sched, graph)) {
        return 1;
    }
    float values[N_VALUES];
    for (int i = 0; i < N_VALUES; i++) {
        values[i] = (float) i * 0.25f - 3;
    }
    ggml_backend_tensor_set(a, values, 0, ggml_nbytes(a));
    ggml_backend_tensor_set(b, values, 0, ggml_nbytes(b));
    if (ggml_backend_sched_graph_compute(sched, graph) != GGML_STATUS_SUCCESS) {
        return 1;
    }
    ggml_backend_tensor_get(result, values, 0, ggml_nbytes(result));
    printf("%d nodes, %d splits:", ggml_graph_n_nodes(graph), ggml_backend_sched_get_n_splits(sched));
    for (int i = 0; i < WIDTH; i++) {
        printf(" %a", (double) values[i]);
    }
    puts("");
    ggml_free(context);
    return 0;
}

// Makes a scheduler, and computes `n_steps` graphs with it.
static int compute(int n_steps) {
    ggml_backend_t backends[2] = {ggml_backend_cpu_init(), ggml_backend_cpu_init()};
    ggml_backend_sched_t sched = ggml_backend_sched_new(backends, NULL, 2, 2048, false, true);
    if (!sched) {
        return 1;
    }
    int failed = 0;
    for (int number = 0; number < n_steps; number++) {
        failed |= step(sched, backends[0], number);
    }
    ggml_backend_sched_free(sched);
    ggml_backend_free(backends[0]);
    ggml_backend_free(backends[1]);
    return failed;
}

int run(void) {
    return compute(3);
}

#ifndef IS_LIBRARY
// Forks when a scheduler has been made, but before a graph has been computed: threads of OpenMP do not survive a fork.
static int run_in_child(void) {
    int failed = compute(0);
    const pid_t child = fork();
    if (child == 0) {
        failed |= run();
        fflush(stdout);
        _exit(failed);
    }
    int status = 1;
    waitpid(child, &status, 0);
    return failed || status != 0;
}

int main(int argc, char ** argv) {
    int failed = run_in_child();
    if (argc > 1) {
        void * library = dlopen(argv[1], RTLD_NOW | RTLD_LOCAL);
        if (!library) {
            fprintf(stderr, "%s\n", dlerror());
            return 1;
        }
        int (*other)(void);
        *(void **) &other = dlsym(library, "run");
        failed |= other();
        dlclose(library);
    }
    return failed | run();
}
#endif
