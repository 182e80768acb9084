// runtime.h - the calls of a vendor's runtime that have one form for all vendors, each as one typed inline function.
//
// vendor.h includes this file after it has defined GPU(name), the runtime's own name for `name`, and the types and
// constants that differ. Every call returns an Error that the caller checks. The calls whose number matters count
// themselves. Threading: as the runtime's, any thread. Most calls concern the device that set_device chose for the
// calling thread.

#pragma once

#include "calls.h"

#include <cstddef>
#include <cstdint>
#include <cstdio>

namespace ggml_sched::gpu {
inline namespace GGML_SCHED_GPU_VENDOR {

using Error = GPU(Error_t);
using Stream = GPU(Stream_t);
using EventHandle = GPU(Event_t);
using Graph = GPU(Graph_t);
using GraphExec = GPU(GraphExec_t);

constexpr Error kSuccess = GPU(Success);

inline CallCounts & call_counts() {
    static CallCounts counts;
    return counts;
}

//
// Errors
//

inline const char * error_text(Error error) {
    return GPU(GetErrorString)(error);
}
// The last error of this thread, which is forgotten.
inline Error take_last_error() {
    return GPU(GetLastError)();
}
inline bool is_out_of_memory(Error error) {
    return error == kOutOfMemory;
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
    return GPU(GetDeviceCount)(count);
}
inline Error device_info(int device, DeviceInfo * info) {
    DeviceProperties properties;
    const Error error = GPU(GetDeviceProperties)(&properties, device);
    if (error == kSuccess) {
        (void) std::snprintf(info->name, sizeof(info->name), "%s", properties.name);
        info->memory = properties.totalGlobalMem;
        info->integrated = properties.integrated != 0;
        return GPU(DeviceGetPCIBusId)(info->bus_id, sizeof(info->bus_id), device);
    }
    return error;
}
inline Error set_device(int device) {
    return GPU(SetDevice)(device);
}
inline Error memory_info(size_t * free, size_t * total) {
    return GPU(MemGetInfo)(free, total);
}
inline Error can_access_peer(int device, int peer, bool * can) {
    int result = 0;
    const Error error = GPU(DeviceCanAccessPeer)(&result, device, peer);
    *can = result != 0;
    return error;
}
// Succeeds where it is enabled already.
inline Error enable_peer_access(int peer) {
    const Error error = GPU(DeviceEnablePeerAccess)(peer, 0);
    if (error == GPU(ErrorPeerAccessAlreadyEnabled)) {
        (void) GPU(GetLastError)();
        return kSuccess;
    }
    return error;
}

//
// Memory
//

inline Error allocate_device(void ** memory, size_t size) {
    call_counts().add(Call::Allocate);
    return GPU(Malloc)(memory, size);
}
inline Error free_device(void * memory) {
    return GPU(Free)(memory);
}
inline Error unregister_host(void * memory) {
    return GPU(HostUnregister)(memory);
}

//
// Streams and events
//

inline Error create_stream(Stream * stream) {
    return GPU(StreamCreateWithFlags)(stream, GPU(StreamNonBlocking));
}
inline Error destroy_stream(Stream stream) {
    return GPU(StreamDestroy)(stream);
}
inline Error synchronize_stream(Stream stream) {
    call_counts().add(Call::StreamSynchronize);
    return GPU(StreamSynchronize)(stream);
}
// Does not wait. False if earlier work has failed in a way that leaves the device unusable.
inline bool is_usable(Stream stream) {
    const Error error = GPU(StreamQuery)(stream);
    (void) GPU(GetLastError)();
    return error == kSuccess || error == GPU(ErrorNotReady);
}
inline Error create_event(EventHandle * event) {
    return GPU(EventCreateWithFlags)(event, GPU(EventDisableTiming));
}
inline Error destroy_event(EventHandle event) {
    return GPU(EventDestroy)(event);
}
inline Error record_event(EventHandle event, Stream stream) {
    call_counts().add(Call::EventRecord);
    return GPU(EventRecord)(event, stream);
}
inline Error wait_event(Stream stream, EventHandle event) {
    call_counts().add(Call::StreamWait);
    return GPU(StreamWaitEvent)(stream, event, 0);
}
inline Error synchronize_event(EventHandle event) {
    call_counts().add(Call::EventSynchronize);
    return GPU(EventSynchronize)(event);
}

//
// Copies. The 2d ones move `rows` pieces of `width` bytes, each a pitch from the one before.
//

inline Error copy_to_device(void * dst, const void * src, size_t size, Stream stream) {
    call_counts().add(Call::CopyHostToDevice);
    return GPU(MemcpyAsync)(dst, src, size, GPU(MemcpyHostToDevice), stream);
}
inline Error copy_to_host(void * dst, const void * src, size_t size, Stream stream) {
    call_counts().add(Call::CopyDeviceToHost);
    return GPU(MemcpyAsync)(dst, src, size, GPU(MemcpyDeviceToHost), stream);
}
inline Error copy_within_device(void * dst, const void * src, size_t size, Stream stream) {
    call_counts().add(Call::CopyWithinDevice);
    return GPU(MemcpyAsync)(dst, src, size, GPU(MemcpyDeviceToDevice), stream);
}
inline Error copy_to_peer(void * dst, int dst_device, const void * src, int src_device, size_t size, Stream stream) {
    call_counts().add(Call::CopyPeer);
    return GPU(MemcpyPeerAsync)(dst, dst_device, src, src_device, size, stream);
}
inline Error copy_to_device_2d(void * dst, size_t dst_pitch, const void * src, size_t src_pitch, size_t width,
                               size_t rows, Stream stream) {
    call_counts().add(Call::CopyHostToDevice);
    return GPU(Memcpy2DAsync)(dst, dst_pitch, src, src_pitch, width, rows, GPU(MemcpyHostToDevice), stream);
}
inline Error copy_to_host_2d(void * dst, size_t dst_pitch, const void * src, size_t src_pitch, size_t width,
                             size_t rows, Stream stream) {
    call_counts().add(Call::CopyDeviceToHost);
    return GPU(Memcpy2DAsync)(dst, dst_pitch, src, src_pitch, width, rows, GPU(MemcpyDeviceToHost), stream);
}
inline Error fill(void * dst, int value, size_t size, Stream stream) {
    call_counts().add(Call::Fill);
    return GPU(MemsetAsync)(dst, value, size, stream);
}

//
// Graphs of captured launches
//

// Until end_capture, what this thread enqueues on the stream is recorded and not executed.
inline Error begin_capture(Stream stream) {
    return GPU(StreamBeginCapture)(stream, GPU(StreamCaptureModeThreadLocal));
}
inline Error end_capture(Stream stream, Graph * graph) {
    return GPU(StreamEndCapture)(stream, graph);
}
inline Error launch_graph(GraphExec exec, Stream stream) {
    call_counts().add(Call::GraphLaunch);
    return GPU(GraphLaunch)(exec, stream);
}
inline Error destroy_graph(Graph graph) {
    return GPU(GraphDestroy)(graph);
}
inline Error destroy_graph_exec(GraphExec exec) {
    return GPU(GraphExecDestroy)(exec);
}

#if defined(__CUDACC__) || defined(__HIPCC__)

// For kernels

__device__ inline float half_to_float(uint16_t bits) {
    return __half2float(__ushort_as_half(bits));
}
__device__ inline uint16_t float_to_half(float value) {
    return __half_as_ushort(__float2half_rn(value));
}

#endif

} // namespace GGML_SCHED_GPU_VENDOR
} // namespace ggml_sched::gpu

#undef GPU
