// fake_cudart.c - the least of a CUDA runtime, of Vulkan and of ggml's scheduler, for the test of count_calls.c.
// Compiled twice: as the libraries (FAKE_RUNTIME), and as an engine that is linked to them and makes a known number of
// calls.

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
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
void * vkGetInstanceProcAddr(void * instance, const char * name);
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

static int wait_for_fences(void * device, uint32_t n, const uint64_t * fences, uint32_t all, uint64_t timeout) {
    return device == (void *) 3 && n == 2 && fences[1] == 9 && all == 1 && timeout == 4 ? RESULT : 0;
}

static int wait_semaphores(void * device, const void * info, uint64_t timeout) {
    return device == (void *) 3 && info != NULL && timeout == 4 ? RESULT : 0;
}

static int wait_idle(void * handle) {
    return handle == (void *) 3 ? RESULT : 0;
}

// Every second call finds the fence reached.
static int fence_status(void * device, uint64_t fence) {
    static int n_calls;
    return device == (void *) 3 && fence == 9 ? (n_calls++ + 1) % 2 : RESULT;
}

static int submit(void * queue, uint32_t n, const void * submits, uint64_t fence) {
    return queue == (void *) 3 && n == 1 && submits != NULL && fence == 9 ? RESULT : 0;
}

static int create_fence(void) {
    return RESULT;
}

void * vkGetInstanceProcAddr(void * instance, const char * name) {
    static const struct {
        const char * name;
        void * function;
    } functions[] = {{"vkWaitForFences", (void *) wait_for_fences}, {"vkWaitSemaphores", (void *) wait_semaphores},
                     {"vkQueueWaitIdle", (void *) wait_idle},       {"vkDeviceWaitIdle", (void *) wait_idle},
                     {"vkGetFenceStatus", (void *) fence_status},   {"vkQueueSubmit", (void *) submit},
                     {"vkCreateFence", (void *) create_fence}};
    for (size_t i = 0; instance == (void *) 8 && i < sizeof(functions) / sizeof(functions[0]); ++i) {
        if (strcmp(name, functions[i].name) == 0) {
            return functions[i].function;
        }
    }
    return NULL;
}

bool ggml_backend_sched_alloc_graph(void * sched, void * graph) {
    return sched == (void *) 1 && graph == (void *) 2;
}

// Makes one call of its own, so that one is inside.
int ggml_backend_sched_graph_compute_async(void * sched, void * graph) {
    return sched == (void *) 1 && graph == (void *) 2 && cudaDeviceSynchronize() == RESULT ? RESULT : 0;
}

#else

// How many calls of Vulkan gave what they should: all 10 if the counter passes arguments and results on.
static int run_vulkan(void) {
    typedef int (*wait_for_fences)(void *, uint32_t, const uint64_t *, uint32_t, uint64_t);
    typedef int (*wait_semaphores)(void *, const void *, uint64_t);
    typedef int (*wait_idle)(void *);
    typedef int (*fence_status)(void *, uint64_t);
    typedef int (*submit)(void *, uint32_t, const void *, uint64_t);
    void * const instance = (void *) 8;
    void * const handle = (void *) 3;
    const uint64_t fences[] = {8, 9};
    int n = 0;
    n += ((wait_for_fences) vkGetInstanceProcAddr(instance, "vkWaitForFences"))(handle, 2, fences, 1, 4) == RESULT;
    n += ((wait_semaphores) vkGetInstanceProcAddr(instance, "vkWaitSemaphores"))(handle, fences, 4) == RESULT;
    n += ((wait_idle) vkGetInstanceProcAddr(instance, "vkQueueWaitIdle"))(handle) == RESULT;
    n += ((wait_idle) vkGetInstanceProcAddr(instance, "vkDeviceWaitIdle"))(handle) == RESULT;
    const fence_status status = (fence_status) vkGetInstanceProcAddr(instance, "vkGetFenceStatus");
    n += status(handle, 9) == 1;
    n += status(handle, 9) == 0;
    n += ((submit) vkGetInstanceProcAddr(instance, "vkQueueSubmit"))(handle, 1, fences, 9) == RESULT;
    n += ((wait_idle) vkGetInstanceProcAddr(instance, "vkCreateFence"))(handle) == RESULT;
    n += vkGetInstanceProcAddr(NULL, "vkQueueSubmit") == NULL;
    n += vkGetInstanceProcAddr(instance, "vkNone") == NULL;
    return n;
}

// How many calls gave what they should: all 25 if the counter passes arguments and results on.
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
    return n + run_vulkan();
}

#endif
