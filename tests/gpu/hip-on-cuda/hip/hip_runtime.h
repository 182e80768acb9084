// For tests: the calls of HIP's runtime that src/backend-hip/vendor.h makes, carried out by CUDA's, so that the whole
// HIP backend runs on NVIDIA GPUs. It stands in for the header of the same name and is never installed.

#pragma once

#include <cuda_runtime.h>

#include <cstddef>

using hipError_t = cudaError_t;
using hipStream_t = cudaStream_t;
using hipEvent_t = cudaEvent_t;
using hipGraph_t = cudaGraph_t;
using hipGraphExec_t = cudaGraphExec_t;
using hipGraphNode_t = cudaGraphNode_t;
using hipDeviceProp_t = cudaDeviceProp;

constexpr hipError_t hipSuccess = cudaSuccess;
constexpr hipError_t hipErrorNotReady = cudaErrorNotReady;
constexpr hipError_t hipErrorOutOfMemory = cudaErrorMemoryAllocation;
constexpr hipError_t hipErrorPeerAccessAlreadyEnabled = cudaErrorPeerAccessAlreadyEnabled;

constexpr unsigned hipHostMallocPortable = cudaHostAllocPortable;
constexpr unsigned hipHostMallocMapped = cudaHostAllocMapped;
constexpr unsigned hipHostRegisterPortable = cudaHostRegisterPortable;
constexpr unsigned hipStreamNonBlocking = cudaStreamNonBlocking;
constexpr unsigned hipEventDisableTiming = cudaEventDisableTiming;
constexpr auto hipStreamCaptureModeThreadLocal = cudaStreamCaptureModeThreadLocal;
constexpr auto hipMemcpyHostToDevice = cudaMemcpyHostToDevice;
constexpr auto hipMemcpyDeviceToHost = cudaMemcpyDeviceToHost;
constexpr auto hipMemcpyDeviceToDevice = cudaMemcpyDeviceToDevice;

enum hipMemoryType { hipMemoryTypeHost, hipMemoryTypeDevice };
struct hipPointerAttribute_t {
    hipMemoryType memoryType;
};

inline const char * hipGetErrorString(hipError_t error) {
    return cudaGetErrorString(error);
}
inline hipError_t hipGetLastError() {
    return cudaGetLastError();
}
inline hipError_t hipGetDeviceCount(int * count) {
    return cudaGetDeviceCount(count);
}
inline hipError_t hipGetDeviceProperties(hipDeviceProp_t * properties, int device) {
    return cudaGetDeviceProperties(properties, device);
}
inline hipError_t hipDeviceGetPCIBusId(char * id, int size, int device) {
    return cudaDeviceGetPCIBusId(id, size, device);
}
inline hipError_t hipSetDevice(int device) {
    return cudaSetDevice(device);
}
inline hipError_t hipMemGetInfo(size_t * free, size_t * total) {
    return cudaMemGetInfo(free, total);
}
inline hipError_t hipDeviceCanAccessPeer(int * can, int device, int peer) {
    return cudaDeviceCanAccessPeer(can, device, peer);
}
inline hipError_t hipDeviceEnablePeerAccess(int peer, unsigned flags) {
    return cudaDeviceEnablePeerAccess(peer, flags);
}
inline hipError_t hipMalloc(void ** memory, size_t size) {
    return cudaMalloc(memory, size);
}
inline hipError_t hipFree(void * memory) {
    return cudaFree(memory);
}
inline hipError_t hipHostMalloc(void ** memory, size_t size, unsigned flags) {
    return cudaHostAlloc(memory, size, flags);
}
inline hipError_t hipHostFree(void * memory) {
    return cudaFreeHost(memory);
}
inline hipError_t hipHostRegister(void * memory, size_t size, unsigned flags) {
    return cudaHostRegister(memory, size, flags);
}
inline hipError_t hipHostUnregister(void * memory) {
    return cudaHostUnregister(memory);
}
// As HIP's, it fails for memory that the runtime does not know.
inline hipError_t hipPointerGetAttributes(hipPointerAttribute_t * attributes, const void * memory) {
    cudaPointerAttributes own;
    const cudaError_t error = cudaPointerGetAttributes(&own, memory);
    if (error != cudaSuccess) {
        return error;
    }
    if (own.type == cudaMemoryTypeUnregistered) {
        return cudaErrorInvalidValue;
    }
    attributes->memoryType = own.type == cudaMemoryTypeHost ? hipMemoryTypeHost : hipMemoryTypeDevice;
    return cudaSuccess;
}
inline hipError_t hipStreamCreateWithFlags(hipStream_t * stream, unsigned flags) {
    return cudaStreamCreateWithFlags(stream, flags);
}
inline hipError_t hipStreamDestroy(hipStream_t stream) {
    return cudaStreamDestroy(stream);
}
inline hipError_t hipStreamSynchronize(hipStream_t stream) {
    return cudaStreamSynchronize(stream);
}
inline hipError_t hipStreamQuery(hipStream_t stream) {
    return cudaStreamQuery(stream);
}
inline hipError_t hipStreamWaitEvent(hipStream_t stream, hipEvent_t event, unsigned flags) {
    return cudaStreamWaitEvent(stream, event, flags);
}
inline hipError_t hipEventCreateWithFlags(hipEvent_t * event, unsigned flags) {
    return cudaEventCreateWithFlags(event, flags);
}
inline hipError_t hipEventDestroy(hipEvent_t event) {
    return cudaEventDestroy(event);
}
inline hipError_t hipEventRecord(hipEvent_t event, hipStream_t stream) {
    return cudaEventRecord(event, stream);
}
inline hipError_t hipEventSynchronize(hipEvent_t event) {
    return cudaEventSynchronize(event);
}
inline hipError_t hipMemcpyAsync(void * dst, const void * src, size_t size, cudaMemcpyKind kind, hipStream_t stream) {
    return cudaMemcpyAsync(dst, src, size, kind, stream);
}
inline hipError_t hipMemcpy2DAsync(void * dst, size_t dst_pitch, const void * src, size_t src_pitch, size_t width,
                                   size_t rows, cudaMemcpyKind kind, hipStream_t stream) {
    return cudaMemcpy2DAsync(dst, dst_pitch, src, src_pitch, width, rows, kind, stream);
}
inline hipError_t hipMemcpyPeerAsync(void * dst, int dst_device, const void * src, int src_device, size_t size,
                                     hipStream_t stream) {
    return cudaMemcpyPeerAsync(dst, dst_device, src, src_device, size, stream);
}
inline hipError_t hipMemsetAsync(void * dst, int value, size_t size, hipStream_t stream) {
    return cudaMemsetAsync(dst, value, size, stream);
}
inline hipError_t hipStreamBeginCapture(hipStream_t stream, cudaStreamCaptureMode mode) {
    return cudaStreamBeginCapture(stream, mode);
}
inline hipError_t hipStreamEndCapture(hipStream_t stream, hipGraph_t * graph) {
    return cudaStreamEndCapture(stream, graph);
}
inline hipError_t hipGraphInstantiate(hipGraphExec_t * exec, hipGraph_t graph, hipGraphNode_t *, char *, size_t) {
    return cudaGraphInstantiate(exec, graph, 0);
}
inline hipError_t hipGraphLaunch(hipGraphExec_t exec, hipStream_t stream) {
    return cudaGraphLaunch(exec, stream);
}
inline hipError_t hipGraphDestroy(hipGraph_t graph) {
    return cudaGraphDestroy(graph);
}
inline hipError_t hipGraphExecDestroy(hipGraphExec_t exec) {
    return cudaGraphExecDestroy(exec);
}

#ifdef __CUDACC__

__device__ inline float hip_shuffle(float value, int lane, int width) {
    return __shfl_sync(0xffffffffu, value, lane, width);
}
// CUDA has a function of this name and these parameters, which it refuses to compile for today's GPUs.
#define __shfl hip_shuffle

#endif
