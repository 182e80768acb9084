/* main.c - runs the parts that are named on the command line, or all of them. */

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "capi.h"

static int n_failures = 0;

void capi_check(bool ok, const char * condition, const char * file, int line) {
    if (!ok) {
        n_failures++;
        fprintf(stderr, "%s:%d: does not hold: %s\n", file, line, condition);
    }
}

bool capi_near(float a, float b) {
    return fabsf(a - b) <= 1e-5f + 1e-4f * fabsf(b);
}

bool capi_same_text(const char * a, const char * b) {
    return a != NULL && b != NULL && strcmp(a, b) == 0;
}

struct part {
    const char * name;
    void (*run)(void);
};

static const struct part parts[] = {
    {"types", capi_test_types}, {"tensors", capi_test_tensors}, {"elementwise", capi_test_elementwise},
    {"rows", capi_test_rows},   {"matmul", capi_test_matmul},   {"views", capi_test_views},
    {"alloc", capi_test_alloc}, {"backend", capi_test_backend}, {"registry", capi_test_registry},
    {"gpu", capi_test_gpu},     {"sim", capi_test_sim},         {"sched", capi_test_sched},
    {"gguf", capi_test_gguf},   {"example", capi_test_example}, {"headers", capi_test_headers},
};

static bool is_asked_for(const char * name, int argc, char ** argv) {
    bool asked = argc < 2;
    for (int i = 1; i < argc; i++) {
        asked = asked || strcmp(argv[i], name) == 0;
    }
    return asked;
}

int main(int argc, char ** argv) {
    int n_run = 0;
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        if (is_asked_for(parts[i].name, argc, argv)) {
            parts[i].run();
            n_run++;
        }
    }
    printf("%d parts, %d failures\n", n_run, n_failures);
    return n_run > 0 && n_failures == 0 ? 0 : 1;
}
