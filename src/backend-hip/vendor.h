// vendor.h (HIP) - what the GPU backend asks of HIP in a form of its own; src/backend-gpu/runtime.h has the rest.
//
// src/backend-gpu is written against the names of both files alone, and compiled once for each vendor.

#pragma once

#include "blas.h"

#include <hip/hip_runtime.h>
#if __has_include(<hipblas/hipblas.h>)
#include <hipblas/hipblas-version.h>
#if hipblasVersionMajor == 2
#define HIPBLAS_V2 // by which 2.x offers what is the only interface from 3.0 on
#endif
#include <hipblas/hipblas.h>
#define GGML_SCHED_HIP_BLAS
#endif

#include <cstddef>
#include <cstdint>
#include <cstdio>

#if defined(__HIPCC__) || defined(__CUDACC__)
#include <hip/hip_fp16.h>
#endif

#define GGML_SCHED_GPU_VENDOR hip
#define GPU(name) hip##name // runtime.h forgets it

// For public.cpp
#define GGML_SCHED_GPU_HEADER "ggml-hip.h"
#define GGML_SCHED_GPU_PUBLIC(name) ggml_backend_hip_##name
#define GGML_SCHED_GPU_IS_OWN ggml_backend_is_hip
#define GGML_SCHED_GPU_MAX_DEVICES GGML_HIP_MAX_DEVICES

namespace ggml_sched::gpu {
inline namespace GGML_SCHED_GPU_VENDOR {

using DeviceProperties = hipDeviceProp_t;

constexpr auto kOutOfMemory = hipErrorOutOfMemory;
constexpr const char * kVendorName = "HIP";
constexpr const char * kHostBufferName = "HIP_Host";

} // namespace GGML_SCHED_GPU_VENDOR
} // namespace ggml_sched::gpu

#include "runtime.h"

namespace ggml_sched::gpu {
inline namespace GGML_SCHED_GPU_VENDOR {

// Pinned, for all devices, which reach it by the same address
inline Error allocate_host(void ** memory, size_t size) {
    call_counts().add(Call::Allocate);
    return hipHostMalloc(memory, size, hipHostMallocPortable | hipHostMallocMapped);
}
inline Error free_host(void * memory) {
    return hipHostFree(memory);
}
// HIP has no flag for pages that the host itself may not write.
inline Error register_host(void * memory, size_t size, bool) {
    return hipHostRegister(memory, size, hipHostRegisterPortable);
}
// Is it host memory that the runtime has allocated or registered?
inline bool is_pinned(const void * memory) {
    hipPointerAttribute_t attributes;
    if (hipPointerGetAttributes(&attributes, memory) != hipSuccess) {
        (void) hipGetLastError();
        return false;
    }
#if HIP_VERSION_MAJOR >= 6
    return attributes.type == hipMemoryTypeHost;
#else
    return attributes.memoryType == hipMemoryTypeHost;
#endif
}
inline Error instantiate_graph(GraphExec * exec, Graph graph) {
    call_counts().add(Call::GraphInstantiate);
    return hipGraphInstantiate(exec, graph, nullptr, nullptr, 0);
}

//
// hipBLAS, loaded when a product first wants it, where its headers were there at build time
//

#ifdef GGML_SCHED_HIP_BLAS

#if hipblasVersionMajor >= 2
using BlasDataType = hipDataType;
constexpr BlasDataType kBlasF32 = HIP_R_32F;
constexpr BlasDataType kBlasF16 = HIP_R_16F;
constexpr BlasDataType kBlasBF16 = HIP_R_16BF;
constexpr hipblasComputeType_t kBlasCompute = HIPBLAS_COMPUTE_32F;
constexpr const char * kBlasGemm = hipblasVersionMajor == 2 ? "hipblasGemmEx_v2" : "hipblasGemmEx";
#else
using BlasDataType = hipblasDatatype_t;
constexpr BlasDataType kBlasF32 = HIPBLAS_R_32F;
constexpr BlasDataType kBlasF16 = HIPBLAS_R_16F;
constexpr BlasDataType kBlasBF16 = HIPBLAS_R_16B;
constexpr BlasDataType kBlasCompute = HIPBLAS_R_32F;
constexpr const char * kBlasGemm = "hipblasGemmEx";
#endif

struct BlasLibrary {
    using Handle = hipblasHandle_t;
    static constexpr hipblasStatus_t kSuccess = HIPBLAS_STATUS_SUCCESS;
    static constexpr const char * kFailure = "hipblasGemmEx failed";

    static BlasLibrary load() {
        void * file = core::open_library(core::library_file("hipblas", 0));
        BlasLibrary library;
        if (file != nullptr && find_function(file, "hipblasCreate", library.create) &&
            find_function(file, "hipblasDestroy", library.destroy) &&
            find_function(file, "hipblasSetStream", library.set_stream) &&
            find_function(file, "hipblasSetAtomicsMode", library.set_atomics) &&
            find_function(file, kBlasGemm, library.gemm)) {
            return library;
        }
        return {};
    }
    // hipBLAS keeps memory of its own. Sums by atomic additions would differ from run to run.
    bool prepare(Handle handle, Stream stream, void *, size_t) const {
        return set_stream(handle, stream) == kSuccess && set_atomics(handle, HIPBLAS_ATOMICS_NOT_ALLOWED) == kSuccess;
    }
    hipblasStatus_t multiply(Handle handle, const BlasProduct & p) const {
        call_counts().add(Call::KernelLaunch);
        const BlasDataType type = p.type == BlasType::F32 ? kBlasF32 : p.type == BlasType::F16 ? kBlasF16 : kBlasBF16;
        const float one = 1.0f;
        const float zero = 0.0f;
        return gemm(handle, HIPBLAS_OP_T, HIPBLAS_OP_N, p.m, p.n, p.k, &one, p.a, type, p.k, p.b, type, p.k, &zero, p.c,
                    kBlasF32, p.m, kBlasCompute, HIPBLAS_GEMM_DEFAULT);
    }

    decltype(&hipblasCreate) create = nullptr;
    decltype(&hipblasDestroy) destroy = nullptr;
    decltype(&hipblasSetStream) set_stream = nullptr;
    decltype(&hipblasSetAtomicsMode) set_atomics = nullptr;
    decltype(&hipblasGemmEx) gemm = nullptr;
};

using Blas = BlasHandle<BlasLibrary, Stream>;

#else

class Blas {
  public:
    bool open(Stream, void *, size_t) { return false; }
    void close() {}
    bool multiply(const BlasProduct &, const char ** text) const {
        *text = "built without hipBLAS";
        return false;
    }
};

#endif

//
// Profiles: there is no range here
//

inline void push_range(const char *) {}
inline void pop_range() {}

#if defined(__HIPCC__) || defined(__CUDACC__)

//
// For kernels. Groups of 32 neighbouring threads work together, whatever the width of the hardware's.
//

__device__ inline float shuffle_from(float value, int lane) {
    return __shfl(value, lane, 32);
}

#endif

} // namespace GGML_SCHED_GPU_VENDOR
} // namespace ggml_sched::gpu
