// ggml-sim.h - simulated asynchronous devices SIM0, SIM1, ...
//
// They behave like accelerators and are worse than any real one. Their memory is not host memory: following a device
// pointer on the host faults. Every enqueued operation reads and writes its bytes when it executes, not when it is
// enqueued, and it executes as late or as early as a seeded adversary likes, within the contract of ggml-backend.h. A
// missing wait therefore shows as a wrong result, and the same seed shows it again.
//
// No threads are involved: queued operations are executed by the calling thread inside calls into the devices.
// Results are computed by the CPU backend's code and are bit-identical to it.
//
// A program that breaks the contract gets a line in the log, is counted (ggml_sim_counters::contract_violations), and
// the next launch on the backend in question fails. Violations are: an event used after it was freed, recorded on
// another device, or waited for where it does not reach; an event or a buffer freed while a queued operation uses it; a
// launch or transfer with memory that the device cannot use, that has been freed, or beyond the end of its buffer.
// An operation that fails when it executes also lets the next launch on its backend fail; each failure is told once.
//
// Threading: any thread; a backend is used by one at a time. One mutex is held during each call, also while a log
// callback runs, so log callbacks must not call in here. With several threads a seed does not repeat what has happened.

#pragma once

#include "ggml-backend.h"

#ifdef __cplusplus
extern "C" {
#endif

#define GGML_SIM_MAX_DEVICES 64

enum ggml_sim_profile {
    GGML_SIM_PROFILE_CUDA      = 0, // device copies run on the source's queue; host sources are refused; events reach all devices of this profile
    GGML_SIM_PROFILE_VULKAN    = 1, // copies run on the destination's queue, within a device or from pinned host memory; events reach their own device only
    GGML_SIM_PROFILE_NO_EVENTS = 2, // asynchronous, but a queue can only be synchronized whole
    GGML_SIM_PROFILE_NO_ASYNC  = 3, // everything is done when the call returns
    GGML_SIM_PROFILE_UMA       = 4, // as CUDA, but it reads and writes host buffers in place

    GGML_SIM_PROFILE_COUNT,
};

// "cuda", "vulkan", "no-events", "no-async", "uma"; NULL outside.
GGML_BACKEND_API const char * ggml_sim_profile_name(enum ggml_sim_profile profile);
// GGML_SIM_PROFILE_COUNT for an unknown name.
GGML_BACKEND_API enum ggml_sim_profile ggml_sim_profile_from_name(const char * name);

// Costs are of the virtual clock; they change no result.
struct ggml_sim_config {
    enum ggml_sim_profile profile;
    size_t memory_bytes;      // of the device; allocations beyond fail
    double flops_per_us;      // matrix products
    double bytes_per_us;      // device memory traffic of all other operations
    double link_bytes_per_us; // copies to or from another memory; within a device they go by bytes_per_us, twice. Of
                              // those between host and device one goes at a time in each direction, as first enqueued
    double link_latency_us;   // each copy
    double launch_us;         // each graph
    double host_call_us;      // host time of each enqueuing call
    bool   offload;           // offload_op: take matrix products with 32 or more rows whose weights are elsewhere
    bool   sets_ranges;       // says that small inputs may be sent at once (docs/backend-guide.md). Default: false
    bool   inits_tensors;     // its buffers are told of each tensor that is placed in them. Default: false
};

GGML_BACKEND_API struct ggml_sim_config ggml_sim_config_default(enum ggml_sim_profile profile);

// Device `index`, 0 to GGML_SIM_MAX_DEVICES - 1, all there from the start with profile CUDA. NULL outside.
// Registry and ggml_backend_dev_* list a device from its first mention here or in configure: a program that never asks
// for simulated devices does not get one from ggml_backend_init_best.
GGML_BACKEND_API ggml_backend_dev_t ggml_backend_sim_device(int index);
// False, and a line in the log: no such device, no such profile, rates that are not positive, or a backend, buffer or event
// of the device exists. Takes back ggml_backend_sim_fail.
GGML_BACKEND_API bool ggml_backend_sim_configure(int index, const struct ggml_sim_config * config);
GGML_BACKEND_API bool ggml_backend_is_sim(ggml_backend_t backend);
GGML_BACKEND_API ggml_backend_reg_t ggml_backend_sim_reg(void);

// The adversary. Seed 0 is the laziest: nothing executes before someone waits for it. Any other seed decides, at each
// call into a device, which operations that are ready execute now. Takes effect at once.
GGML_BACKEND_API void ggml_backend_sim_set_seed(uint64_t seed);

// The virtual clock, in microseconds. An operation starts when its queue, what it waits for, and the call that enqueued
// it allow; a host that waits moves on to the end of what it waited for. Computations of the CPU backend cost nothing.
GGML_BACKEND_API double ggml_backend_sim_time_us(void);  // of the host
GGML_BACKEND_API void   ggml_backend_sim_advance_us(double us); // the host is busy
GGML_BACKEND_API void   ggml_backend_sim_reset_clock(void); // everything must be idle

// Calls since the start or the last reset, of all devices together. "blocked": the host had to wait for work that by the
// virtual clock was not yet done.
struct ggml_sim_counters {
    uint64_t synchronize_calls;
    uint64_t synchronize_blocked;
    uint64_t event_synchronize_calls;
    uint64_t event_synchronize_blocked;
    uint64_t event_wait_calls;
    uint64_t event_record_calls;
    uint64_t set_async_calls;
    uint64_t get_async_calls;
    uint64_t copy_async_calls;
    uint64_t blocking_set_get_calls; // of device memory, copies included
    uint64_t graph_launches;      // those that failed at the call not counted
    uint64_t contract_violations; // see above
    uint64_t injected_failures;   // see ggml_backend_sim_fail
};
GGML_BACKEND_API void ggml_backend_sim_get_counters(struct ggml_sim_counters * counters);
GGML_BACKEND_API void ggml_backend_sim_reset_counters(void);

// The calls into a device that can be told to fail, and how they do
enum ggml_sim_call {
    GGML_SIM_CALL_LAUNCH            = 0,  // GGML_STATUS_FAILED
    GGML_SIM_CALL_INIT_BACKEND      = 1,  // NULL
    GGML_SIM_CALL_ALLOC_BUFFER      = 2,  // NULL
    GGML_SIM_CALL_ALLOC_HOST_BUFFER = 3,  // NULL
    GGML_SIM_CALL_INIT_TENSOR       = 4,  // GGML_STATUS_FAILED; needs ggml_sim_config::inits_tensors
    GGML_SIM_CALL_EVENT_NEW         = 5,  // NULL
    GGML_SIM_CALL_COPY_ASYNC        = 6,  // refused; counted are those that would not be
    // These five return nothing. Nothing is enqueued, and the next launch on the backend fails.
    GGML_SIM_CALL_SET_ASYNC    = 7,
    GGML_SIM_CALL_GET_ASYNC    = 8,
    GGML_SIM_CALL_EVENT_RECORD = 9,
    GGML_SIM_CALL_EVENT_WAIT   = 10,
    GGML_SIM_CALL_SYNCHRONIZE  = 11, // waits all the same
    // Waits all the same, and the next launch on the backend that has recorded the event fails.
    GGML_SIM_CALL_EVENT_SYNCHRONIZE    = 12,
    GGML_SIM_CALL_BUFFER_FROM_HOST_PTR = 13, // NULL

    GGML_SIM_CALL_COUNT,
};

// "launch", "init_backend", ...; NULL outside.
GGML_BACKEND_API const char * ggml_sim_call_name(enum ggml_sim_call call);

// Fault injection: of the next such calls into device `index` the n-th fails, n = 1 the very next; 0 takes it back.
// False, and a line in the log: no such device, no such call, or n is negative.
GGML_BACKEND_API bool ggml_backend_sim_fail(int index, enum ggml_sim_call call, int n);
// Does the same for GGML_SIM_CALL_LAUNCH.
GGML_BACKEND_API bool ggml_backend_sim_fail_launch(int index, int n);

#ifdef __cplusplus
}
#endif
