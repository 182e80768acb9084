/* capi.h - what the parts of the C test share. Together they use every public function, from C11. */

#ifndef CAPI_H
#define CAPI_H

#include <stdbool.h>
#include <stddef.h>

#include "ggml-alloc.h"
#include "ggml-backend.h"
#include "ggml-cpu.h"
#include "ggml.h"

/* Counts and prints a condition that does not hold. */
#define CHECK(condition) capi_check((condition), #condition, __FILE__, __LINE__)

void capi_check(bool ok, const char * condition, const char * file, int line);
bool capi_near(float a, float b);
bool capi_same_text(const char * a, const char * b);

enum { CAPI_MAX_ITEMS = 64 };

/* A context whose tensors live in one buffer of a CPU backend: inputs to write before computing, results to compare. */
struct capi_bench {
    struct ggml_context * ctx;
    ggml_backend_t backend;
    ggml_backend_buffer_t buffer;
    struct ggml_cgraph * graph;

    int n_inputs;
    struct ggml_tensor * inputs[CAPI_MAX_ITEMS];
    const void * input_data[CAPI_MAX_ITEMS];

    int n_results;
    struct ggml_tensor * results[CAPI_MAX_ITEMS];
    const void * expected[CAPI_MAX_ITEMS];
    int lines[CAPI_MAX_ITEMS];
};

struct capi_bench capi_bench_new(void);
/* A tensor with this shape and data; the data must stay until capi_bench_run. */
struct ggml_tensor * capi_input(struct capi_bench * bench, enum ggml_type type, int64_t ne0, int64_t ne1, int64_t ne2,
                                const void * data);
struct ggml_tensor * capi_row(struct capi_bench * bench, int64_t n, const float * data);
/* result is to be computed and compared with as many floats (or, for I32, integers); line: __LINE__. */
void capi_expect(struct capi_bench * bench, struct ggml_tensor * result, const void * expected, int line);
/* Allocates, computes, compares, frees. */
void capi_bench_run(struct capi_bench * bench);

void capi_test_types(void);
void capi_test_tensors(void);
void capi_test_elementwise(void);
void capi_test_rows(void);
void capi_test_matmul(void);
void capi_test_views(void);
void capi_test_alloc(void);
void capi_test_backend(void);
void capi_test_registry(void);
void capi_test_sim(void);
void capi_test_gpu(void);
void capi_test_sched(void);
void capi_test_gguf(void);
void capi_test_example(void);
void capi_test_headers(void);

#endif
