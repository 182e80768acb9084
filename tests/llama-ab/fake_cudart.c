// fake_cudart.c - the least of a CUDA runtime and of ggml's scheduler, for the test of count_calls.c. Compiled twice:
// as the libraries (FAKE_RUNTIME), and as an engine that is linked to them and makes a known number of calls.

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

typedef struct {
    unsigned x, y, z;
} dim3;

struct attributes {
    int type;
};

int cudaStreamSynchronize(void * stream);
int cudaStreamSynchronize_ptsz(void * stream);
int cudaDeviceSynchronize(void);
int cudaMemcpy(void * dst, const void * src, size_t size, int kind);
int cudaMemcpyAsync(void * dst, const void * src, size_t size, int kind, void * stream);
int cudaMemcpyPeerAsync(void * dst, int to, const void * src, int from, size_t size, void * stream);
int cudaMemcpy2DAsync(void * dst, size_t dst_pitch, const void * src, size_t src_pitch, size_t width, size_t height,
                      int kind, void * stream);
int cudaPointerGetAttributes(struct attributes * attributes, const void * pointer);
int cudaEventRecord(void * event, void * stream);
int cudaStreamWaitEvent(void * stream, void * event, unsigned flags);
int __cudaLaunchKernel(const void * kernel, dim3 grid, dim3 block, void ** arguments, size_t shared, void * stream);
bool ggml_backend_sched_alloc_graph(void * sched, void * graph);
int ggml_backend_sched_graph_compute_async(void * sched, void * graph);

enum { RESULT = 7 }; // of every call: it must come back through the counter

#ifdef FAKE_RUNTIME

// Device addresses are below 1000 here.
int cudaPointerGetAttributes(struct attributes * attributes, const void * pointer) {
    attributes->type = (uintptr_t) pointer < 1000 ? 2 : 0;
    return 0;
}

static int64_t now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000LL + t.tv_nsec;
}

// Takes at least a microsecond.
int cudaStreamSynchronize(void * stream) {
    (void) stream;
    for (const int64_t start = now(); now() - start < 1000;) {
    }
    return RESULT;
}

int cudaStreamSynchronize_ptsz(void * stream) {
    return stream == (void *) 5 ? RESULT : 0;
}

int cudaDeviceSynchronize(void) {
    return RESULT;
}

// As the real one may, it uses a function that is counted.
int cudaMemcpy(void * dst, const void * src, size_t size, int kind) {
    (void) dst, (void) src, (void) size, (void) kind;
    return cudaStreamSynchronize(NULL);
}

int cudaMemcpyAsync(void * dst, const void * src, size_t size, int kind, void * stream) {
    return dst != src && size > 0 && kind >= 0 && stream == (void *) 5 ? RESULT : 0;
}

int cudaMemcpyPeerAsync(void * dst, int to, const void * src, int from, size_t size, void * stream) {
    return dst != src && to == 1 && from == 0 && size > 0 && stream == (void *) 5 ? RESULT : 0;
}

int cudaMemcpy2DAsync(void * dst, size_t dst_pitch, const void * src, size_t src_pitch, size_t width, size_t height,
                      int kind, void * stream) {
    return dst != src && dst_pitch == 32 && src_pitch == 64 && width == 16 && height == 3 && kind == 1 &&
                   stream == (void *) 5
               ? RESULT
               : 0;
}

int cudaEventRecord(void * event, void * stream) {
    return event == (void *) 6 && stream == (void *) 5 ? RESULT : 0;
}

int cudaStreamWaitEvent(void * stream, void * event, unsigned flags) {
    return event == (void *) 6 && stream == (void *) 5 && flags == 9 ? RESULT : 0;
}

int __cudaLaunchKernel(const void * kernel, dim3 grid, dim3 block, void ** arguments, size_t shared, void * stream) {
    return kernel != NULL && grid.x == 1 && grid.y == 2 && grid.z == 3 && block.x == 4 && block.y == 5 &&
                   block.z == 6 && arguments == NULL && shared == 8 && stream == (void *) 5
               ? RESULT
               : 0;
}

bool ggml_backend_sched_alloc_graph(void * sched, void * graph) {
    return sched == (void *) 1 && graph == (void *) 2;
}

// Makes one call of its own, so that one is inside.
int ggml_backend_sched_graph_compute_async(void * sched, void * graph) {
    return sched == (void *) 1 && graph == (void *) 2 && cudaDeviceSynchronize() == RESULT ? RESULT : 0;
}

#else

// How many calls gave what they should: all 15 if the counter passes arguments and results on.
int run_engine(void) {
    char host[64];
    void * const device = (void *) 16;
    void * const stream = (void *) 5;
    void * const event = (void *) 6;
    int n = 0;
    n += cudaStreamSynchronize(stream) == RESULT;
    n += cudaStreamSynchronize_ptsz(stream) == RESULT;
    n += cudaMemcpy(device, host, 10, 1) == RESULT;
    n += cudaMemcpyAsync(device, host, 20, 1, stream) == RESULT;
    n += cudaMemcpyAsync(host, device, 30, 2, stream) == RESULT;
    n += cudaMemcpyAsync(device, device + 1, 40, 3, stream) == RESULT;
    n += cudaMemcpyAsync(device, host, 50, 4, stream) == RESULT;
    n += cudaMemcpyPeerAsync(device, 1, device + 1, 0, 60, stream) == RESULT;
    n += cudaMemcpy2DAsync(device, 32, host, 64, 16, 3, 1, stream) == RESULT;
    n += cudaEventRecord(event, stream) == RESULT;
    n += cudaStreamWaitEvent(stream, event, 9) == RESULT;
    n += __cudaLaunchKernel(host, (dim3){1, 2, 3}, (dim3){4, 5, 6}, NULL, 8, stream) == RESULT;
    n += __cudaLaunchKernel(host, (dim3){1, 2, 3}, (dim3){4, 5, 6}, NULL, 8, stream) == RESULT;
    n += ggml_backend_sched_alloc_graph((void *) 1, (void *) 2);
    n += ggml_backend_sched_graph_compute_async((void *) 1, (void *) 2) == RESULT;
    return n;
}

#endif
