// ggml-gpu.h - what the GPU backends (ggml-cuda.h, ggml-hip.h) offer beyond the backend interface: counts of the calls
// into the vendor's runtime, and failures on demand. A registry gives the functions by ggml_backend_reg_get_proc_address.

#pragma once

#include "ggml-backend.h"

#ifdef __cplusplus
extern "C" {
#endif

// Of all devices of the registry together, since the start or the last reset. Copies are enqueued ones; a blocking
// transfer counts as a copy and a stream_synchronize.
struct ggml_gpu_counters {
    uint64_t stream_synchronize; // the host waited for a queue
    uint64_t event_synchronize;  // the host waited for an event
    uint64_t event_record;
    uint64_t stream_wait; // a queue was told to wait for an event
    uint64_t copy_host_to_device;
    uint64_t copy_device_to_host;
    uint64_t copy_within_device;
    uint64_t copy_peer;
    uint64_t copy_pageable; // those of the asynchronous ones above that involve memory that is not pinned: the host may block
    uint64_t fill;
    uint64_t kernel_launch; // those that are captured into a graph included
    uint64_t graph_launch;
    uint64_t graph_instantiate;
    uint64_t allocate; // memory, of the device or pinned
};

// "ggml_backend_gpu_get_counters", "ggml_backend_gpu_reset_counters". Any thread.
typedef void (*ggml_backend_gpu_get_counters_t)(struct ggml_gpu_counters * counters);
typedef void (*ggml_backend_gpu_reset_counters_t)(void);

// "ggml_backend_gpu_fail_launch": the n-th next graph launch on the device fails with GGML_STATUS_FAILED, n = 1 the very
// next; 0 takes it back. False if the device is not of this registry, or n is negative.
typedef bool (*ggml_backend_gpu_fail_launch_t)(ggml_backend_dev_t device, int n);

#ifdef __cplusplus
}
#endif
