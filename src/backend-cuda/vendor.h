// vendor.h (CUDA) - the calls of a vendor's runtime that the GPU backend makes, each as one typed inline function.
//
// src/backend-gpu is written against these names alone, and compiled once for each vendor; src/backend-hip/vendor.h has
// the same ones. Every call returns an Error that the caller checks; the calls whose number matters count themselves.
// Threading: as the runtime's, any thread. Most calls concern the device that set_device chose for the calling thread.

#pragma once

#include "blas.h"
#include "calls.h"

#include <cublas_v2.h>
#include <cuda_runtime.h>
#include <nvtx3/nvToolsExt.h>

#include <dlfcn.h>

#include <cstddef>
#include <cstdint>
#include <cstdio>

#ifdef __CUDACC__
#include <cuda_fp16.h>
#endif

#define GGML_SCHED_GPU_VENDOR cuda

namespace ggml_sched::gpu {
inline namespace GGML_SCHED_GPU_VENDOR {

using Error = cudaError_t;
using Stream = cudaStream_t;
using EventHandle = cudaEvent_t;
using Graph = cudaGraph_t;
using GraphExec = cudaGraphExec_t;

constexpr Error kSuccess = cudaSuccess;
constexpr const char * kVendorName = "CUDA";
constexpr const char * kHostBufferName = "CUDA_Host";

inline CallCounts & call_counts() {
    static CallCounts counts;
    return counts;
}

//
// Errors
//

inline const char * error_text(Error error) {
    return cudaGetErrorString(error);
}
// The last error of this thread, which is forgotten.
inline Error take_last_error() {
    return cudaGetLastError();
}
inline bool is_out_of_memory(Error error) {
    return error == cudaErrorMemoryAllocation;
}

//
// Devices
//

struct DeviceInfo {
    char name[256];
    char bus_id[32];
    size_t memory;
    bool integrated;
};

inline Error device_count(int * count) {
    return cudaGetDeviceCount(count);
}
inline Error device_info(int device, DeviceInfo * info) {
    cudaDeviceProp properties;
    const Error error = cudaGetDeviceProperties(&properties, device);
    if (error == kSuccess) {
        (void) std::snprintf(info->name, sizeof(info->name), "%s", properties.name);
        info->memory = properties.totalGlobalMem;
        info->integrated = properties.integrated != 0;
        return cudaDeviceGetPCIBusId(info->bus_id, sizeof(info->bus_id), device);
    }
    return error;
}
inline Error set_device(int device) {
    return cudaSetDevice(device);
}
inline Error memory_info(size_t * free, size_t * total) {
    return cudaMemGetInfo(free, total);
}
inline Error can_access_peer(int device, int peer, bool * can) {
    int result = 0;
    const Error error = cudaDeviceCanAccessPeer(&result, device, peer);
    *can = result != 0;
    return error;
}
// Succeeds where it is enabled already.
inline Error enable_peer_access(int peer) {
    const Error error = cudaDeviceEnablePeerAccess(peer, 0);
    if (error == cudaErrorPeerAccessAlreadyEnabled) {
        (void) cudaGetLastError();
        return kSuccess;
    }
    return error;
}

//
// Memory
//

inline Error allocate_device(void ** memory, size_t size) {
    call_counts().add(Call::Allocate);
    return cudaMalloc(memory, size);
}
inline Error free_device(void * memory) {
    return cudaFree(memory);
}
// Pinned, for all devices, which reach it by the same address
inline Error allocate_host(void ** memory, size_t size) {
    call_counts().add(Call::Allocate);
    return cudaHostAlloc(memory, size, cudaHostAllocPortable | cudaHostAllocMapped);
}
inline Error free_host(void * memory) {
    return cudaFreeHost(memory);
}
// read_only: the host itself may not write the pages. Not every device can register those.
inline Error register_host(void * memory, size_t size, bool read_only) {
    return cudaHostRegister(memory, size, cudaHostRegisterPortable | (read_only ? cudaHostRegisterReadOnly : 0u));
}
inline Error unregister_host(void * memory) {
    return cudaHostUnregister(memory);
}
// Is it host memory that the runtime has allocated or registered?
inline bool is_pinned(const void * memory) {
    cudaPointerAttributes attributes;
    if (cudaPointerGetAttributes(&attributes, memory) != cudaSuccess) {
        (void) cudaGetLastError();
        return false;
    }
    return attributes.type == cudaMemoryTypeHost;
}

//
// Streams and events
//

inline Error create_stream(Stream * stream) {
    return cudaStreamCreateWithFlags(stream, cudaStreamNonBlocking);
}
inline Error destroy_stream(Stream stream) {
    return cudaStreamDestroy(stream);
}
inline Error synchronize_stream(Stream stream) {
    call_counts().add(Call::StreamSynchronize);
    return cudaStreamSynchronize(stream);
}
// Does not wait. False if earlier work has failed in a way that leaves the device unusable.
inline bool is_usable(Stream stream) {
    const Error error = cudaStreamQuery(stream);
    (void) cudaGetLastError();
    return error == cudaSuccess || error == cudaErrorNotReady;
}
inline Error create_event(EventHandle * event) {
    return cudaEventCreateWithFlags(event, cudaEventDisableTiming);
}
inline Error destroy_event(EventHandle event) {
    return cudaEventDestroy(event);
}
inline Error record_event(EventHandle event, Stream stream) {
    call_counts().add(Call::EventRecord);
    return cudaEventRecord(event, stream);
}
inline Error wait_event(Stream stream, EventHandle event) {
    call_counts().add(Call::StreamWait);
    return cudaStreamWaitEvent(stream, event, 0);
}
inline Error synchronize_event(EventHandle event) {
    call_counts().add(Call::EventSynchronize);
    return cudaEventSynchronize(event);
}

//
// Copies. The 2d ones move `rows` pieces of `width` bytes, each a pitch from the one before.
//

inline Error copy_to_device(void * dst, const void * src, size_t size, Stream stream) {
    call_counts().add(Call::CopyHostToDevice);
    return cudaMemcpyAsync(dst, src, size, cudaMemcpyHostToDevice, stream);
}
inline Error copy_to_host(void * dst, const void * src, size_t size, Stream stream) {
    call_counts().add(Call::CopyDeviceToHost);
    return cudaMemcpyAsync(dst, src, size, cudaMemcpyDeviceToHost, stream);
}
inline Error copy_within_device(void * dst, const void * src, size_t size, Stream stream) {
    call_counts().add(Call::CopyWithinDevice);
    return cudaMemcpyAsync(dst, src, size, cudaMemcpyDeviceToDevice, stream);
}
inline Error copy_to_peer(void * dst, int dst_device, const void * src, int src_device, size_t size, Stream stream) {
    call_counts().add(Call::CopyPeer);
    return cudaMemcpyPeerAsync(dst, dst_device, src, src_device, size, stream);
}
inline Error copy_to_device_2d(void * dst, size_t dst_pitch, const void * src, size_t src_pitch, size_t width,
                               size_t rows, Stream stream) {
    call_counts().add(Call::CopyHostToDevice);
    return cudaMemcpy2DAsync(dst, dst_pitch, src, src_pitch, width, rows, cudaMemcpyHostToDevice, stream);
}
inline Error copy_to_host_2d(void * dst, size_t dst_pitch, const void * src, size_t src_pitch, size_t width,
                             size_t rows, Stream stream) {
    call_counts().add(Call::CopyDeviceToHost);
    return cudaMemcpy2DAsync(dst, dst_pitch, src, src_pitch, width, rows, cudaMemcpyDeviceToHost, stream);
}
inline Error fill(void * dst, int value, size_t size, Stream stream) {
    call_counts().add(Call::Fill);
    return cudaMemsetAsync(dst, value, size, stream);
}

//
// Graphs of captured launches
//

// Until end_capture, what this thread enqueues on the stream is recorded and not executed.
inline Error begin_capture(Stream stream) {
    return cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal);
}
inline Error end_capture(Stream stream, Graph * graph) {
    return cudaStreamEndCapture(stream, graph);
}
inline Error instantiate_graph(GraphExec * exec, Graph graph) {
    call_counts().add(Call::GraphInstantiate);
    return cudaGraphInstantiate(exec, graph, 0);
}
inline Error launch_graph(GraphExec exec, Stream stream) {
    call_counts().add(Call::GraphLaunch);
    return cudaGraphLaunch(exec, stream);
}
inline Error destroy_graph(Graph graph) {
    return cudaGraphDestroy(graph);
}
inline Error destroy_graph_exec(GraphExec exec) {
    return cudaGraphExecDestroy(exec);
}

//
// cuBLAS, loaded when a product first wants it: a program that multiplies nothing large does not pay for it.
//

class Blas {
  public:
    // False where there is no cuBLAS, or it cannot be used.
    bool open(Stream stream, void * workspace, size_t workspace_size) {
        const Library & library = loaded();
        if (library.create == nullptr || library.create(&handle_) != CUBLAS_STATUS_SUCCESS) {
            handle_ = nullptr;
            return false;
        }
        if (library.set_stream(handle_, stream) == CUBLAS_STATUS_SUCCESS &&
            library.set_workspace(handle_, workspace, workspace_size) == CUBLAS_STATUS_SUCCESS) {
            return true;
        }
        close();
        return false;
    }
    void close() {
        const Library & library = loaded();
        if (handle_ != nullptr && library.destroy != nullptr) {
            (void) library.destroy(handle_);
            handle_ = nullptr;
        }
    }
    // False, with a text, on failure
    bool multiply(const BlasProduct & p, const char ** text) const {
        call_counts().add(Call::KernelLaunch);
        const cudaDataType_t type = p.type == BlasType::F32   ? CUDA_R_32F
                                    : p.type == BlasType::F16 ? CUDA_R_16F
                                                              : CUDA_R_16BF;
        const float one = 1.0f;
        const float zero = 0.0f;
        const cublasStatus_t status =
            loaded().gemm(handle_, CUBLAS_OP_T, CUBLAS_OP_N, p.m, p.n, p.k, &one, p.a, type, p.k, p.b, type, p.k, &zero,
                          p.c, CUDA_R_32F, p.m, CUBLAS_COMPUTE_32F, CUBLAS_GEMM_DEFAULT);
        *text = status == CUBLAS_STATUS_SUCCESS ? "" : "cublasGemmEx failed";
        return status == CUBLAS_STATUS_SUCCESS;
    }

  private:
    using Gemm = cublasStatus_t (*)(cublasHandle_t, cublasOperation_t, cublasOperation_t, int, int, int, const void *,
                                    const void *, cudaDataType_t, int, const void *, cudaDataType_t, int, const void *,
                                    void *, cudaDataType_t, int, cublasComputeType_t, cublasGemmAlgo_t);
    struct Library {
        decltype(&cublasCreate_v2) create = nullptr;
        decltype(&cublasDestroy_v2) destroy = nullptr;
        decltype(&cublasSetStream_v2) set_stream = nullptr;
        decltype(&cublasSetWorkspace_v2) set_workspace = nullptr;
        Gemm gemm = nullptr;
    };

    template <class F> static bool find(void * library, const char * name, F & function) {
        function = reinterpret_cast<F>(dlsym(library, name));
        return function != nullptr;
    }
    static Library load() {
        char name[32];
        (void) std::snprintf(name, sizeof(name), "libcublas.so.%d", CUBLAS_VER_MAJOR);
        void * file = dlopen(name, RTLD_NOW | RTLD_LOCAL);
        Library library;
        if (file != nullptr && find(file, "cublasCreate_v2", library.create) &&
            find(file, "cublasDestroy_v2", library.destroy) && find(file, "cublasSetStream_v2", library.set_stream) &&
            find(file, "cublasSetWorkspace_v2", library.set_workspace) && find(file, "cublasGemmEx", library.gemm)) {
            return library;
        }
        return {};
    }
    static const Library & loaded() {
        static const Library library = load();
        return library;
    }

    cublasHandle_t handle_ = nullptr;
};

//
// Profiles: a named range on the calling thread, which does nothing unless a profiler listens
//

inline void push_range(const char * name) {
    nvtxRangePushA(name);
}
inline void pop_range() {
    nvtxRangePop();
}

#ifdef __CUDACC__

//
// For kernels. Groups of 32 neighbouring threads work together, whatever the width of the hardware's.
//

__device__ inline float shuffle_from(float value, int lane) {
    return __shfl_sync(0xffffffffu, value, lane, 32);
}
__device__ inline float half_to_float(uint16_t bits) {
    return __half2float(__ushort_as_half(bits));
}
__device__ inline uint16_t float_to_half(float value) {
    return __half_as_ushort(__float2half_rn(value));
}

#endif

} // namespace GGML_SCHED_GPU_VENDOR
} // namespace ggml_sched::gpu
