// ggml-gpu.h - what the GPU backends (ggml-cuda.h, ggml-hip.h) offer beyond the backend interface: counts of calls and
// failures on demand. ggml_backend_reg_get_proc_address returns the functions by their names. Any thread may call them.

#pragma once

#include "ggml-backend.h"

#ifdef __cplusplus
extern "C" {
#endif

// Counts of calls into the vendor's runtime, for all devices of the registry, since the start or the last reset.
// A copy counts when it is enqueued. A blocking transfer counts as a copy and a stream_synchronize.
struct ggml_gpu_counters {
    uint64_t stream_synchronize; // The host waited for a queue.
    uint64_t event_synchronize;  // The host waited for an event.
    uint64_t event_record;
    uint64_t stream_wait; // A queue was told to wait for an event.
    uint64_t copy_host_to_device;
    uint64_t copy_device_to_host;
    uint64_t copy_within_device;
    uint64_t copy_peer;
    uint64_t copy_pageable; // asynchronous copies, counted above, too, of memory that is not pinned; may block
    uint64_t fill;
    uint64_t kernel_launch; // includes launches that are captured into a graph
    uint64_t graph_launch;
    uint64_t graph_instantiate;
    uint64_t allocate; // allocations of device memory and of pinned memory
};

// The types of "ggml_backend_gpu_get_counters" and "ggml_backend_gpu_reset_counters"
typedef void (*ggml_backend_gpu_get_counters_t)(struct ggml_gpu_counters * counters);
typedef void (*ggml_backend_gpu_reset_counters_t)(void);

// The type of "ggml_backend_gpu_fail_launch". It lets the n-th next graph launch on the device fail with
// GGML_STATUS_FAILED; n = 0 takes that back. It returns false if the device is not of this registry, or n is negative.
typedef bool (*ggml_backend_gpu_fail_launch_t)(ggml_backend_dev_t device, int n);

#ifdef __cplusplus
}
#endif
