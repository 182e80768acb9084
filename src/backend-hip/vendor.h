// vendor.h (HIP) - the calls of a vendor's runtime that the GPU backend makes, each as one typed inline function.
//
// src/backend-gpu is written against these names alone, and compiled once for each vendor; src/backend-cuda/vendor.h
// has the same ones. Every call returns an Error that the caller checks; the calls whose number matters count
// themselves. Threading: as the runtime's, any thread. Most calls concern the device that set_device chose for the
// calling thread.

#pragma once

#include "blas.h"
#include "calls.h"

#include <hip/hip_runtime.h>
#if __has_include(<hipblas/hipblas.h>)
#include <dlfcn.h>
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

namespace ggml_sched::gpu {
inline namespace GGML_SCHED_GPU_VENDOR {

using Error = hipError_t;
using Stream = hipStream_t;
using EventHandle = hipEvent_t;
using Graph = hipGraph_t;
using GraphExec = hipGraphExec_t;

constexpr Error kSuccess = hipSuccess;
constexpr const char * kVendorName = "HIP";
constexpr const char * kHostBufferName = "HIP_Host";

inline CallCounts & call_counts() {
    static CallCounts counts;
    return counts;
}

//
// Errors
//

inline const char * error_text(Error error) {
    return hipGetErrorString(error);
}
// The last error of this thread, which is forgotten.
inline Error take_last_error() {
    return hipGetLastError();
}
inline bool is_out_of_memory(Error error) {
    return error == hipErrorOutOfMemory;
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
    return hipGetDeviceCount(count);
}
inline Error device_info(int device, DeviceInfo * info) {
    hipDeviceProp_t properties;
    const Error error = hipGetDeviceProperties(&properties, device);
    if (error == kSuccess) {
        (void) std::snprintf(info->name, sizeof(info->name), "%s", properties.name);
        info->memory = properties.totalGlobalMem;
        info->integrated = properties.integrated != 0;
        return hipDeviceGetPCIBusId(info->bus_id, sizeof(info->bus_id), device);
    }
    return error;
}
inline Error set_device(int device) {
    return hipSetDevice(device);
}
inline Error memory_info(size_t * free, size_t * total) {
    return hipMemGetInfo(free, total);
}
inline Error can_access_peer(int device, int peer, bool * can) {
    int result = 0;
    const Error error = hipDeviceCanAccessPeer(&result, device, peer);
    *can = result != 0;
    return error;
}
// Succeeds where it is enabled already.
inline Error enable_peer_access(int peer) {
    const Error error = hipDeviceEnablePeerAccess(peer, 0);
    if (error == hipErrorPeerAccessAlreadyEnabled) {
        (void) hipGetLastError();
        return kSuccess;
    }
    return error;
}

//
// Memory
//

inline Error allocate_device(void ** memory, size_t size) {
    call_counts().add(Call::Allocate);
    return hipMalloc(memory, size);
}
inline Error free_device(void * memory) {
    return hipFree(memory);
}
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
inline Error unregister_host(void * memory) {
    return hipHostUnregister(memory);
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

//
// Streams and events
//

inline Error create_stream(Stream * stream) {
    return hipStreamCreateWithFlags(stream, hipStreamNonBlocking);
}
inline Error destroy_stream(Stream stream) {
    return hipStreamDestroy(stream);
}
inline Error synchronize_stream(Stream stream) {
    call_counts().add(Call::StreamSynchronize);
    return hipStreamSynchronize(stream);
}
// Does not wait. False if earlier work has failed in a way that leaves the device unusable.
inline bool is_usable(Stream stream) {
    const Error error = hipStreamQuery(stream);
    (void) hipGetLastError();
    return error == hipSuccess || error == hipErrorNotReady;
}
inline Error create_event(EventHandle * event) {
    return hipEventCreateWithFlags(event, hipEventDisableTiming);
}
inline Error destroy_event(EventHandle event) {
    return hipEventDestroy(event);
}
inline Error record_event(EventHandle event, Stream stream) {
    call_counts().add(Call::EventRecord);
    return hipEventRecord(event, stream);
}
inline Error wait_event(Stream stream, EventHandle event) {
    call_counts().add(Call::StreamWait);
    return hipStreamWaitEvent(stream, event, 0);
}
inline Error synchronize_event(EventHandle event) {
    call_counts().add(Call::EventSynchronize);
    return hipEventSynchronize(event);
}

//
// Copies. The 2d ones move `rows` pieces of `width` bytes, each a pitch from the one before.
//

inline Error copy_to_device(void * dst, const void * src, size_t size, Stream stream) {
    call_counts().add(Call::CopyHostToDevice);
    return hipMemcpyAsync(dst, src, size, hipMemcpyHostToDevice, stream);
}
inline Error copy_to_host(void * dst, const void * src, size_t size, Stream stream) {
    call_counts().add(Call::CopyDeviceToHost);
    return hipMemcpyAsync(dst, src, size, hipMemcpyDeviceToHost, stream);
}
inline Error copy_within_device(void * dst, const void * src, size_t size, Stream stream) {
    call_counts().add(Call::CopyWithinDevice);
    return hipMemcpyAsync(dst, src, size, hipMemcpyDeviceToDevice, stream);
}
inline Error copy_to_peer(void * dst, int dst_device, const void * src, int src_device, size_t size, Stream stream) {
    call_counts().add(Call::CopyPeer);
    return hipMemcpyPeerAsync(dst, dst_device, src, src_device, size, stream);
}
inline Error copy_to_device_2d(void * dst, size_t dst_pitch, const void * src, size_t src_pitch, size_t width,
                               size_t rows, Stream stream) {
    call_counts().add(Call::CopyHostToDevice);
    return hipMemcpy2DAsync(dst, dst_pitch, src, src_pitch, width, rows, hipMemcpyHostToDevice, stream);
}
inline Error copy_to_host_2d(void * dst, size_t dst_pitch, const void * src, size_t src_pitch, size_t width,
                             size_t rows, Stream stream) {
    call_counts().add(Call::CopyDeviceToHost);
    return hipMemcpy2DAsync(dst, dst_pitch, src, src_pitch, width, rows, hipMemcpyDeviceToHost, stream);
}
inline Error fill(void * dst, int value, size_t size, Stream stream) {
    call_counts().add(Call::Fill);
    return hipMemsetAsync(dst, value, size, stream);
}

//
// Graphs of captured launches
//

// Until end_capture, what this thread enqueues on the stream is recorded and not executed.
inline Error begin_capture(Stream stream) {
    return hipStreamBeginCapture(stream, hipStreamCaptureModeThreadLocal);
}
inline Error end_capture(Stream stream, Graph * graph) {
    return hipStreamEndCapture(stream, graph);
}
inline Error instantiate_graph(GraphExec * exec, Graph graph) {
    call_counts().add(Call::GraphInstantiate);
    return hipGraphInstantiate(exec, graph, nullptr, nullptr, 0);
}
inline Error launch_graph(GraphExec exec, Stream stream) {
    call_counts().add(Call::GraphLaunch);
    return hipGraphLaunch(exec, stream);
}
inline Error destroy_graph(Graph graph) {
    return hipGraphDestroy(graph);
}
inline Error destroy_graph_exec(GraphExec exec) {
    return hipGraphExecDestroy(exec);
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

class Blas {
  public:
    // False where there is no hipBLAS, or it cannot be used. hipBLAS keeps memory of its own.
    bool open(Stream stream, void *, size_t) {
        const Library & library = loaded();
        if (library.create == nullptr || library.create(&handle_) != HIPBLAS_STATUS_SUCCESS) {
            handle_ = nullptr;
            return false;
        }
        // Sums by atomic additions would differ from run to run.
        if (library.set_stream(handle_, stream) == HIPBLAS_STATUS_SUCCESS &&
            library.set_atomics(handle_, HIPBLAS_ATOMICS_NOT_ALLOWED) == HIPBLAS_STATUS_SUCCESS) {
            return true;
        }
        close();
        return false;
    }
    void close() {
        if (handle_ != nullptr) {
            (void) loaded().destroy(handle_);
            handle_ = nullptr;
        }
    }
    // False, with a text, on failure
    bool multiply(const BlasProduct & p, const char ** text) const {
        call_counts().add(Call::KernelLaunch);
        const BlasDataType type = p.type == BlasType::F32 ? kBlasF32 : p.type == BlasType::F16 ? kBlasF16 : kBlasBF16;
        const float one = 1.0f;
        const float zero = 0.0f;
        const hipblasStatus_t status =
            loaded().gemm(handle_, HIPBLAS_OP_T, HIPBLAS_OP_N, p.m, p.n, p.k, &one, p.a, type, p.k, p.b, type, p.k,
                          &zero, p.c, kBlasF32, p.m, kBlasCompute, HIPBLAS_GEMM_DEFAULT);
        *text = status == HIPBLAS_STATUS_SUCCESS ? "" : "hipblasGemmEx failed";
        return status == HIPBLAS_STATUS_SUCCESS;
    }

  private:
    struct Library {
        decltype(&hipblasCreate) create = nullptr;
        decltype(&hipblasDestroy) destroy = nullptr;
        decltype(&hipblasSetStream) set_stream = nullptr;
        decltype(&hipblasSetAtomicsMode) set_atomics = nullptr;
        decltype(&hipblasGemmEx) gemm = nullptr;
    };

    template <class F> static bool find(void * library, const char * name, F & function) {
        function = reinterpret_cast<F>(dlsym(library, name));
        return function != nullptr;
    }
    static Library load() {
        void * file = dlopen("libhipblas.so", RTLD_NOW | RTLD_LOCAL);
        Library library;
        if (file != nullptr && find(file, "hipblasCreate", library.create) &&
            find(file, "hipblasDestroy", library.destroy) && find(file, "hipblasSetStream", library.set_stream) &&
            find(file, "hipblasSetAtomicsMode", library.set_atomics) && find(file, kBlasGemm, library.gemm)) {
            return library;
        }
        return {};
    }
    static const Library & loaded() {
        static const Library library = load();
        return library;
    }

    hipblasHandle_t handle_ = nullptr;
};

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
__device__ inline float half_to_float(uint16_t bits) {
    return __half2float(__ushort_as_half(bits));
}
__device__ inline uint16_t float_to_half(float value) {
    return __half_as_ushort(__float2half_rn(value));
}

#endif

} // namespace GGML_SCHED_GPU_VENDOR
} // namespace ggml_sched::gpu
