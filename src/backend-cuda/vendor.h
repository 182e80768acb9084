// vendor.h (CUDA) - what the GPU backend asks of CUDA in a form of its own; src/backend-gpu/runtime.h has the rest.
//
// src/backend-gpu is written against the names of both files alone, and compiled once for each vendor.

#pragma once

#include "blas.h"

#include <cublas_v2.h>
#include <cuda_runtime.h>
#include <nvtx3/nvToolsExt.h>

#include <cstddef>
#include <cstdint>

#ifdef __CUDACC__
#include <cuda_fp16.h>
#endif

#define GGML_SCHED_GPU_VENDOR cuda
#define GPU(name) cuda##name // runtime.h forgets it

// For public.cpp
#define GGML_SCHED_GPU_HEADER "ggml-cuda.h"
#define GGML_SCHED_GPU_PUBLIC(name) ggml_backend_cuda_##name
#define GGML_SCHED_GPU_IS_OWN ggml_backend_is_cuda
#define GGML_SCHED_GPU_MAX_DEVICES GGML_CUDA_MAX_DEVICES

namespace ggml_sched::gpu {
inline namespace GGML_SCHED_GPU_VENDOR {

using DeviceProperties = cudaDeviceProp;

constexpr auto kOutOfMemory = cudaErrorMemoryAllocation;
constexpr const char * kVendorName = "CUDA";
constexpr const char * kHostBufferName = "CUDA_Host";

} // namespace GGML_SCHED_GPU_VENDOR
} // namespace ggml_sched::gpu

#include "runtime.h"

namespace ggml_sched::gpu {
inline namespace GGML_SCHED_GPU_VENDOR {

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
// Is it host memory that the runtime has allocated or registered?
inline bool is_pinned(const void * memory) {
    cudaPointerAttributes attributes;
    if (cudaPointerGetAttributes(&attributes, memory) != cudaSuccess) {
        (void) cudaGetLastError();
        return false;
    }
    return attributes.type == cudaMemoryTypeHost;
}
inline Error instantiate_graph(GraphExec * exec, Graph graph) {
    call_counts().add(Call::GraphInstantiate);
    return cudaGraphInstantiate(exec, graph, 0);
}

//
// cuBLAS, loaded when a product first wants it: a program that multiplies nothing large does not pay for it.
//

struct BlasLibrary {
    using Handle = cublasHandle_t;
    using Gemm = cublasStatus_t (*)(cublasHandle_t, cublasOperation_t, cublasOperation_t, int, int, int, const void *,
                                    const void *, cudaDataType_t, int, const void *, cudaDataType_t, int, const void *,
                                    void *, cudaDataType_t, int, cublasComputeType_t, cublasGemmAlgo_t);
    static constexpr cublasStatus_t kSuccess = CUBLAS_STATUS_SUCCESS;
    static constexpr const char * kFailure = "cublasGemmEx failed";

    static BlasLibrary load() {
        void * file = core::open_library(core::library_file("cublas", CUBLAS_VER_MAJOR));
        BlasLibrary library;
        if (file != nullptr && find_function(file, "cublasCreate_v2", library.create) &&
            find_function(file, "cublasDestroy_v2", library.destroy) &&
            find_function(file, "cublasSetStream_v2", library.set_stream) &&
            find_function(file, "cublasSetWorkspace_v2", library.set_workspace) &&
            find_function(file, "cublasGemmEx", library.gemm)) {
            return library;
        }
        return {};
    }
    bool prepare(Handle handle, Stream stream, void * workspace, size_t workspace_size) const {
        return set_stream(handle, stream) == kSuccess && set_workspace(handle, workspace, workspace_size) == kSuccess;
    }
    cublasStatus_t multiply(Handle handle, const BlasProduct & p) const {
        call_counts().add(Call::KernelLaunch);
        const cudaDataType_t type = p.type == BlasType::F32   ? CUDA_R_32F
                                    : p.type == BlasType::F16 ? CUDA_R_16F
                                                              : CUDA_R_16BF;
        const float one = 1.0f;
        const float zero = 0.0f;
        return gemm(handle, CUBLAS_OP_T, CUBLAS_OP_N, p.m, p.n, p.k, &one, p.a, type, p.k, p.b, type, p.k, &zero, p.c,
                    CUDA_R_32F, p.m, CUBLAS_COMPUTE_32F, CUBLAS_GEMM_DEFAULT);
    }

    decltype(&cublasCreate_v2) create = nullptr;
    decltype(&cublasDestroy_v2) destroy = nullptr;
    decltype(&cublasSetStream_v2) set_stream = nullptr;
    decltype(&cublasSetWorkspace_v2) set_workspace = nullptr;
    Gemm gemm = nullptr;
};

using Blas = BlasHandle<BlasLibrary, Stream>;

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

#endif

} // namespace GGML_SCHED_GPU_VENDOR
} // namespace ggml_sched::gpu
