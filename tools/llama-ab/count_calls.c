// count_calls.c - counts the calls into the CUDA runtime, into Vulkan and into ggml's scheduler, for llama_ab.py.
//
// Loaded with LD_PRELOAD it stands before the shared libcudart, libvulkan and ggml-base. Needs no headers of them, only
// Linux and gcc or clang; where a library is missing its functions are never called. Calls inside libraries that have a
// CUDA runtime of their own (cuBLAS) are not seen; neither are kernels that a captured graph holds: such a graph is one
// launch. Of Vulkan only the calls that wait or submit are counted, where the engine has found them by
// vkGetInstanceProcAddr. Run without layers of Vulkan: one that exports this function, too, may call itself for ever.
//
// There are two sets of counters, of all calls and of those made inside ggml_backend_sched_graph_compute_async, by the
// thread that called it. Counting may go on in several threads; reset and read while nothing runs, or get a mixture.

#define _GNU_SOURCE
#include <dlfcn.h>
#include <link.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define EXPORT __attribute__((visibility("default")))

#define COUNTERS(X)                                                                                                    \
    X(stream_synchronize), X(event_synchronize), X(device_synchronize), X(memcpy_sync), X(blocking_ns), X(memcpy_h2d), \
        X(memcpy_d2h), X(memcpy_d2d), X(memcpy_h2h), X(memcpy_default), X(memcpy_peer), X(memcpy_2d), X(memcpy_ns),    \
        X(bytes_h2d), X(bytes_d2h), X(bytes_d2d), X(bytes_h2h), X(bytes_default), X(bytes_peer), X(bytes_2d),          \
        X(stream_wait_event), X(event_record), X(kernel_launch), X(graph_launch), X(graph_instantiate), X(fence_wait), \
        X(fence_poll), X(semaphore_wait), X(idle_wait), X(queue_submit), X(sched_alloc), X(sched_alloc_ns),            \
        X(sched_compute), X(sched_compute_ns), X(sched_synchronize), X(sched_synchronize_ns)

#define AS_ENUM(name) C_##name
enum { COUNTERS(AS_ENUM), N_COUNTERS };

#define AS_NAME(name) #name
static const char * const names[] = {COUNTERS(AS_NAME)};

enum { SCOPE_ALL, SCOPE_COMPUTE, N_SCOPES };

static _Atomic uint64_t counters[N_SCOPES][N_COUNTERS];
static _Thread_local int depth; // in a runtime function: what that calls itself is not counted
static _Thread_local bool in_compute;

static void add(int counter, uint64_t amount) {
    atomic_fetch_add_explicit(&counters[SCOPE_ALL][counter], amount, memory_order_relaxed);
    if (in_compute) {
        atomic_fetch_add_explicit(&counters[SCOPE_COMPUTE][counter], amount, memory_order_relaxed);
    }
}

static uint64_t now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t) t.tv_sec * 1000000000U + (uint64_t) t.tv_nsec;
}

EXPORT void vendor_calls_reset(void) {
    for (int scope = 0; scope < N_SCOPES; ++scope) {
        for (int i = 0; i < N_COUNTERS; ++i) {
            atomic_store(&counters[scope][i], 0);
        }
    }
}

// The name of the counter at that place of vendor_calls_read; NULL behind the last.
EXPORT const char * vendor_calls_name(size_t i) {
    return i < N_COUNTERS ? names[i] : NULL;
}

// Scope 0: all calls; 1: those inside graph_compute_async. Writes at most n values and returns how many there are.
EXPORT size_t vendor_calls_read(int scope, uint64_t * values, size_t n) {
    for (size_t i = 0; i < n && i < N_COUNTERS; ++i) {
        values[i] = scope >= 0 && scope < N_SCOPES ? atomic_load(&counters[scope][i]) : 0;
    }
    return N_COUNTERS;
}

// Python loads its libraries privately, where RTLD_NEXT does not look; so all loaded objects are asked.

enum { MAX_OBJECTS = 1024 };

struct objects {
    char * paths[MAX_OBJECTS];
    int count;
};

static int note_object(struct dl_phdr_info * info, size_t size, void * data) {
    (void) size;
    struct objects * objects = data;
    if (info->dlpi_name != NULL && info->dlpi_name[0] == '/' && objects->count < MAX_OBJECTS) {
        objects->paths[objects->count++] = strdup(info->dlpi_name);
    }
    return 0;
}

// The first function of that name that is not ours, or NULL.
static void * look_up(const char * name, const void * own) {
    void * found = dlsym(RTLD_NEXT, name);
    struct objects objects = {.count = 0};
    if (found == NULL) {
        dl_iterate_phdr(note_object, &objects);
    }
    for (int i = 0; i < objects.count; ++i) {
        void * handle =
            found == NULL && objects.paths[i] != NULL ? dlopen(objects.paths[i], RTLD_LAZY | RTLD_NOLOAD) : NULL;
        if (handle != NULL) {
            void * candidate = dlsym(handle, name);
            found = candidate != own ? candidate : NULL;
            dlclose(handle);
        }
        free(objects.paths[i]);
    }
    return found;
}

static void * need(_Atomic(void *) * cached, const char * name, const void * own) {
    void * address = atomic_load_explicit(cached, memory_order_acquire);
    if (address == NULL) {
        address = look_up(name, own);
        if (address == NULL) {
            fprintf(stderr, "count_calls: no loaded library has %s\n", name);
            abort(); // the caller was linked to it, and there is nothing to return
        }
        atomic_store_explicit(cached, address, memory_order_release);
    }
    return address;
}

// The runtime's types, as far as calls pass them on.
typedef int cuda_error;
typedef void * cuda_handle;
typedef struct {
    unsigned x, y, z;
} cuda_dim3;

enum copy_kind { HOST_TO_HOST, HOST_TO_DEVICE, DEVICE_TO_HOST, DEVICE_TO_DEVICE, BY_ADDRESS };

// The runtime writes the first three words; what newer ones append fits into the rest.
struct cuda_pointer_attributes {
    int type; // 0 unregistered, 1 host, 2 device, 3 managed
    int device;
    uint64_t more[32];
};

static int kind_by_address(const void * dst, const void * src) {
    typedef cuda_error (*function)(struct cuda_pointer_attributes *, const void *);
    static _Atomic(void *) cached;
    static atomic_bool looked;
    if (!atomic_load(&looked)) {
        atomic_store(&cached, look_up("cudaPointerGetAttributes", NULL));
        atomic_store(&looked, true);
    }
    void * found = atomic_load(&cached);
    struct cuda_pointer_attributes to = {0}, from = {0};
    if (found == NULL || ((function) found)(&to, dst) != 0 || ((function) found)(&from, src) != 0) {
        return BY_ADDRESS;
    }
    return (to.type >= 2 ? 1 : 0) + (from.type >= 2 ? 2 : 0);
}

static void count_copy(int kind, const void * dst, const void * src, size_t size) {
    static const int calls[] = {C_memcpy_h2h, C_memcpy_h2d, C_memcpy_d2h, C_memcpy_d2d, C_memcpy_default};
    static const int bytes[] = {C_bytes_h2h, C_bytes_h2d, C_bytes_d2h, C_bytes_d2d, C_bytes_default};
    if (kind == BY_ADDRESS) {
        kind = kind_by_address(dst, src);
    }
    if (kind >= HOST_TO_HOST && kind <= BY_ADDRESS) {
        add(calls[kind], 1);
        add(bytes[kind], size);
    }
}

// Defines our function NAME with PARAMETERS. It calls the real one with ARGUMENTS between BEFORE and AFTER, which run
// only at the outermost call. AFTER sees `elapsed`, the time by CLOCK.
#define INTERPOSE(NAME, PARAMETERS, ARGUMENTS, CLOCK, BEFORE, AFTER)                                                   \
    EXPORT cuda_error NAME PARAMETERS {                                                                                \
        typedef cuda_error(*function) PARAMETERS;                                                                      \
        static _Atomic(void *) cached;                                                                                 \
        const function real = (function) need(&cached, #NAME, (const void *) NAME);                                    \
        if (depth > 0) {                                                                                               \
            return real ARGUMENTS;                                                                                     \
        }                                                                                                              \
        BEFORE;                                                                                                        \
        ++depth;                                                                                                       \
        const uint64_t start = CLOCK;                                                                                  \
        const cuda_error result = real ARGUMENTS;                                                                      \
        const uint64_t elapsed = CLOCK - start;                                                                        \
        --depth;                                                                                                       \
        (void) elapsed;                                                                                                \
        AFTER;                                                                                                         \
        return result;                                                                                                 \
    }

#define BLOCKING(NAME, PARAMETERS, ARGUMENTS, COUNTER, BEFORE)                                                         \
    INTERPOSE(NAME, PARAMETERS, ARGUMENTS, now(), BEFORE, (add(COUNTER, 1), add(C_blocking_ns, elapsed)))
#define ENQUEUEING(NAME, PARAMETERS, ARGUMENTS, BEFORE)                                                                \
    INTERPOSE(NAME, PARAMETERS, ARGUMENTS, now(), BEFORE, add(C_memcpy_ns, elapsed))
#define COUNTED(NAME, PARAMETERS, ARGUMENTS, COUNTER)                                                                  \
    INTERPOSE(NAME, PARAMETERS, ARGUMENTS, 0, add(COUNTER, 1), (void) 0)

// Each comes in two variants: for the common default stream, and for one of each thread.
#define BOTH(MACRO, NAME, SUFFIX, ...) MACRO(NAME, __VA_ARGS__) MACRO(NAME##SUFFIX, __VA_ARGS__)

BOTH(BLOCKING, cudaStreamSynchronize, _ptsz, (cuda_handle stream), (stream), C_stream_synchronize, (void) 0)
BLOCKING(cudaEventSynchronize, (cuda_handle event), (event), C_event_synchronize, (void) 0)
BLOCKING(cudaDeviceSynchronize, (void), (), C_device_synchronize, (void) 0)

BOTH(BLOCKING, cudaMemcpy, _ptds, (void * dst, const void * src, size_t size, int kind), (dst, src, size, kind),
     C_memcpy_sync, count_copy(kind, dst, src, size))
BLOCKING(cudaMemcpyPeer, (void * dst, int to, const void * src, int from, size_t size), (dst, to, src, from, size),
         C_memcpy_sync, (add(C_memcpy_peer, 1), add(C_bytes_peer, size)))
BOTH(BLOCKING, cudaMemcpy2D, _ptds,
     (void * dst, size_t dst_pitch, const void * src, size_t src_pitch, size_t width, size_t height, int kind),
     (dst, dst_pitch, src, src_pitch, width, height, kind), C_memcpy_sync,
     (add(C_memcpy_2d, 1), add(C_bytes_2d, width * height)))

BOTH(ENQUEUEING, cudaMemcpyAsync, _ptsz, (void * dst, const void * src, size_t size, int kind, cuda_handle stream),
     (dst, src, size, kind, stream), count_copy(kind, dst, src, size))
ENQUEUEING(cudaMemcpyPeerAsync, (void * dst, int to, const void * src, int from, size_t size, cuda_handle stream),
           (dst, to, src, from, size, stream), (add(C_memcpy_peer, 1), add(C_bytes_peer, size)))
BOTH(ENQUEUEING, cudaMemcpy2DAsync, _ptsz,
     (void * dst, size_t dst_pitch, const void * src, size_t src_pitch, size_t width, size_t height, int kind,
      cuda_handle stream),
     (dst, dst_pitch, src, src_pitch, width, height, kind, stream),
     (add(C_memcpy_2d, 1), add(C_bytes_2d, width * height)))

BOTH(COUNTED, cudaStreamWaitEvent, _ptsz, (cuda_handle stream, cuda_handle event, unsigned flags),
     (stream, event, flags), C_stream_wait_event)
BOTH(COUNTED, cudaEventRecord, _ptsz, (cuda_handle event, cuda_handle stream), (event, stream), C_event_record)
BOTH(COUNTED, cudaEventRecordWithFlags, _ptsz, (cuda_handle event, cuda_handle stream, unsigned flags),
     (event, stream, flags), C_event_record)
BOTH(COUNTED, cudaGraphLaunch, _ptsz, (cuda_handle graph, cuda_handle stream), (graph, stream), C_graph_launch)
COUNTED(cudaGraphInstantiate, (cuda_handle * exec, cuda_handle graph, unsigned long long flags), (exec, graph, flags),
        C_graph_instantiate)

// Launches: <<<...>>> calls __cudaLaunchKernel since CUDA 13, cudaLaunchKernel before.
#define LAUNCH_PARAMETERS                                                                                              \
    (const void * kernel, cuda_dim3 grid, cuda_dim3 block, void ** arguments, size_t shared, cuda_handle stream)
#define LAUNCH_ARGUMENTS (kernel, grid, block, arguments, shared, stream)
BOTH(COUNTED, __cudaLaunchKernel, _ptsz, LAUNCH_PARAMETERS, LAUNCH_ARGUMENTS, C_kernel_launch)
BOTH(COUNTED, cudaLaunchKernel, _ptsz, LAUNCH_PARAMETERS, LAUNCH_ARGUMENTS, C_kernel_launch)
BOTH(COUNTED, cudaLaunchCooperativeKernel, _ptsz, LAUNCH_PARAMETERS, LAUNCH_ARGUMENTS, C_kernel_launch)
BOTH(COUNTED, cudaLaunchKernelExC, _ptsz, (const void * config, const void * kernel, void ** arguments),
     (config, kernel, arguments), C_kernel_launch)

// Vulkan's types, as far as calls pass them on.
typedef int32_t vulkan_result; // 0: success
typedef void * vulkan_handle;  // of a device or a queue
typedef uint64_t vulkan_fence;

// Defines counted_NAME with PARAMETERS. It calls what real_NAME points to with ARGUMENTS; then AFTER sees `result`, and
// `elapsed`, the time by CLOCK.
#define VULKAN(NAME, PARAMETERS, ARGUMENTS, CLOCK, AFTER)                                                              \
    static _Atomic(void *) real_##NAME;                                                                                \
    static vulkan_result counted_##NAME PARAMETERS {                                                                   \
        typedef vulkan_result(*function) PARAMETERS;                                                                   \
        const function real = (function) atomic_load_explicit(&real_##NAME, memory_order_acquire);                     \
        const uint64_t start = CLOCK;                                                                                  \
        const vulkan_result result = real ARGUMENTS;                                                                   \
        const uint64_t elapsed = CLOCK - start;                                                                        \
        (void) elapsed;                                                                                                \
        AFTER;                                                                                                         \
        return result;                                                                                                 \
    }
#define VULKAN_WAIT(NAME, PARAMETERS, ARGUMENTS, COUNTER)                                                              \
    VULKAN(NAME, PARAMETERS, ARGUMENTS, now(), (add(COUNTER, 1), add(C_blocking_ns, elapsed)))

VULKAN_WAIT(vkWaitForFences,
            (vulkan_handle device, uint32_t n, const vulkan_fence * fences, uint32_t all, uint64_t timeout),
            (device, n, fences, all, timeout), C_fence_wait)
VULKAN_WAIT(vkWaitSemaphores, (vulkan_handle device, const void * info, uint64_t timeout), (device, info, timeout),
            C_semaphore_wait)
VULKAN_WAIT(vkQueueWaitIdle, (vulkan_handle queue), (queue), C_idle_wait)
VULKAN_WAIT(vkDeviceWaitIdle, (vulkan_handle device), (device), C_idle_wait)
// A loop asks until the fence is reached: that is one wait. Its time is not known here, so blocking_ns lacks it.
VULKAN(vkGetFenceStatus, (vulkan_handle device, vulkan_fence fence), (device, fence), 0, add(C_fence_poll, result == 0))
VULKAN(vkQueueSubmit, (vulkan_handle queue, uint32_t n, const void * submits, vulkan_fence fence),
       (queue, n, submits, fence), 0, add(C_queue_submit, 1))

EXPORT void * vkGetInstanceProcAddr(vulkan_handle instance, const char * name) {
    typedef void * (*function)(vulkan_handle, const char *);
#define ENTRY(NAME)                                                                                                    \
    { #NAME, (void *) counted_##NAME, &real_##NAME }
    static const struct {
        const char * name;
        void * counted;
        _Atomic(void *) * real;
    } entries[] = {ENTRY(vkWaitForFences),  ENTRY(vkWaitSemaphores), ENTRY(vkQueueWaitIdle),
                   ENTRY(vkDeviceWaitIdle), ENTRY(vkGetFenceStatus), ENTRY(vkQueueSubmit)};
    static _Atomic(void *) cached;
    void * real = atomic_load_explicit(&cached, memory_order_acquire);
    if (real == NULL) {
        real = look_up("vkGetInstanceProcAddr", (const void *) vkGetInstanceProcAddr);
        atomic_store_explicit(&cached, real, memory_order_release);
    }
    void * const found = real != NULL ? ((function) real)(instance, name) : NULL; // There may be no Vulkan.
    for (size_t i = 0; found != NULL && i < sizeof(entries) / sizeof(entries[0]); ++i) {
        if (strcmp(name, entries[i].name) == 0) {
            atomic_store_explicit(entries[i].real, found, memory_order_release);
            return entries[i].counted;
        }
    }
    return found;
}

// ggml's scheduler, as the engine calls it.

EXPORT bool ggml_backend_sched_alloc_graph(void * sched, void * graph) {
    typedef bool (*function)(void *, void *);
    static _Atomic(void *) cached;
    const function real =
        (function) need(&cached, "ggml_backend_sched_alloc_graph", (const void *) ggml_backend_sched_alloc_graph);
    const uint64_t start = now();
    const bool result = real(sched, graph);
    add(C_sched_alloc, 1);
    add(C_sched_alloc_ns, now() - start);
    return result;
}

EXPORT int ggml_backend_sched_graph_compute_async(void * sched, void * graph) {
    typedef int (*function)(void *, void *);
    static _Atomic(void *) cached;
    const function real = (function) need(&cached, "ggml_backend_sched_graph_compute_async",
                                          (const void *) ggml_backend_sched_graph_compute_async);
    const bool outer = in_compute;
    const uint64_t start = now();
    in_compute = true;
    const int result = real(sched, graph);
    in_compute = outer;
    add(C_sched_compute, 1);
    add(C_sched_compute_ns, now() - start);
    return result;
}

EXPORT void ggml_backend_sched_synchronize(void * sched) {
    typedef void (*function)(void *);
    static _Atomic(void *) cached;
    const function real =
        (function) need(&cached, "ggml_backend_sched_synchronize", (const void *) ggml_backend_sched_synchronize);
    const uint64_t start = now();
    real(sched);
    add(C_sched_synchronize, 1);
    add(C_sched_synchronize_ns, now() - start);
}
