// ggml-sim.h - simulated asynchronous devices SIM0, SIM1, ...
//
// They behave like accelerators, for tests. Their memory is not host memory: following a device pointer on the host
// faults. An operation reads and writes its bytes when it executes, not when it is enqueued. A seeded adversary chooses
// when it executes, as late or as early as the contract of ggml-backend.h allows. So a missing wait shows as a wrong
// result, and the same seed shows it again. Results are computed by the CPU backend's code and have the same bits.
//
// A breach of the contract is logged and counted (ggml_sim_counters::contract_violations), and the next launch on that
// backend fails. These are breaches: an event is used after it was freed, recorded on another device, or waited for
// where it does not reach. An event or a buffer is freed while an operation uses it. A launch or transfer has memory
// that the device cannot use, that has been freed, or that lies beyond the end of its buffer. An operation that fails
// when it executes also lets the next launch on its backend fail. Each failure is told once.
//
// Threading: any thread may call. One thread at a time uses a backend. There are no other threads: the calling thread
// executes queued operations inside calls into the devices. One mutex is held during each call, also while a log
// callback runs, so log callbacks must not call these functions. With several threads a seed does not repeat a run.

#pragma once

#include "ggml-backend.h"

#ifdef __cplusplus
extern "C" {
#endif

#define GGML_SIM_MAX_DEVICES 64

enum ggml_sim_profile {
    GGML_SIM_PROFILE_CUDA      = 0, // Copies run on the source's queue, between devices. Events reach all such devices.
    GGML_SIM_PROFILE_VULKAN    = 1, // Copies in it or from pinned memory run on the target's queue. Events stay in it.
    GGML_SIM_PROFILE_NO_EVENTS = 2, // Calls are asynchronous, but a queue can only be synchronized whole.
    GGML_SIM_PROFILE_NO_ASYNC  = 3, // Everything is done when the call returns.
    GGML_SIM_PROFILE_UMA       = 4, // The device is as CUDA, but reads and writes host buffers in place.

    GGML_SIM_PROFILE_COUNT,
};

// Returns "cuda", "vulkan", "no-events", "no-async" or "uma"; NULL for another value. The text is static.
GGML_BACKEND_API const char * ggml_sim_profile_name(enum ggml_sim_profile profile);
// Returns the profile with this name; GGML_SIM_PROFILE_COUNT for an unknown name.
GGML_BACKEND_API enum ggml_sim_profile ggml_sim_profile_from_name(const char * name);

// The properties of a device. Costs count on the virtual clock; they change no result.
struct ggml_sim_config {
    enum ggml_sim_profile profile;
    size_t memory_bytes;      // the device's memory; allocations beyond it fail
    double flops_per_us;      // the speed of matrix products
    double bytes_per_us;      // the speed at which all other operations, and copies within a device, read and write
    double link_bytes_per_us; // the speed of copies from or to another memory. Host and device exchange one copy at a
                              // time in each direction, in the order of enqueuing.
    double link_latency_us;   // time of each copy, in addition
    double launch_us;         // time of each graph, in addition
    double host_call_us;      // host time of each enqueuing call
    bool   offload;           // offload_op takes matrix products with 32 or more rows.
    bool   sets_ranges;       // One call may set several tensors that lie side by side. Default: false
    bool   host_writes;       // The scheduler shall write small inputs by blocking where it can. Default: false
    bool   inits_tensors;     // Its buffers are told of each tensor that is placed in them. Default: false
    bool   registers_memory;  // The registry's ggml_backend_register_host_buffer pins memory for it, and for reading
                              // only: a copy to that memory is a breach. Default: false
    bool   one_queue;         // A record of an event covers all queues of the device, as with ggml's Vulkan. Default: false
};

// Returns a configuration of the profile, to start from.
GGML_BACKEND_API struct ggml_sim_config ggml_sim_config_default(enum ggml_sim_profile profile);

// Returns device `index`, 0 to GGML_SIM_MAX_DEVICES - 1; NULL for another index. Devices are static, and begin with
// profile CUDA. The registry and ggml_backend_dev_* list a device after its index was given here or in configure. So a
// program that never asks for simulated devices does not get one from ggml_backend_init_best.
GGML_BACKEND_API ggml_backend_dev_t ggml_backend_sim_device(int index);
// Changes a device, and takes back ggml_backend_sim_fail. Returns false, with a line in the log, as long as a backend,
// buffer or event of the device exists. An unknown device or profile is refused, too. So are memory or a speed that is
// not positive, and a negative time.
GGML_BACKEND_API bool ggml_backend_sim_configure(int index, const struct ggml_sim_config * config);
GGML_BACKEND_API bool ggml_backend_is_sim(ggml_backend_t backend);
GGML_BACKEND_API ggml_backend_reg_t ggml_backend_sim_reg(void);

// Sets the adversary's seed, at once. With seed 0 nothing executes before someone waits for it. Another seed decides,
// at each call into a device, which operations that are ready execute now.
GGML_BACKEND_API void ggml_backend_sim_set_seed(uint64_t seed);

// These are about the virtual clock, in microseconds. An operation starts when its queue, what it waits for, and the
// call that enqueued it allow. A host that waits moves on to the end of what it waited for. Computations of the CPU
// backend take no time.
GGML_BACKEND_API double ggml_backend_sim_time_us(void);         // returns the host's time
GGML_BACKEND_API void   ggml_backend_sim_advance_us(double us); // keeps the host busy for this time
GGML_BACKEND_API void   ggml_backend_sim_reset_clock(void);     // sets the clock to 0; all devices must be idle

// Counts of calls into all devices together, since the start or the last reset. "blocked" counts calls that made the
// host wait for work that was not yet done by the virtual clock.
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
    uint64_t blocking_set_get_calls; // blocking sets, gets and copies of device memory
    uint64_t graph_launches;      // launches that did not fail at the call
    uint64_t contract_violations; // breaches of the contract; the head of this file lists them
    uint64_t injected_failures;   // failures by ggml_backend_sim_fail
    uint64_t lost_waits;          // event_synchronize of an event while a queue still had to wait for an earlier record
                                  // of it. ggml's Vulkan backend loses that queue's wait, which then never ends.
    uint64_t most_kept_records;   // records of one event since the host last waited for it, or since the reset: the
                                  // most there have been. ggml's Vulkan backend keeps an object for each of them.
};
GGML_BACKEND_API void ggml_backend_sim_get_counters(struct ggml_sim_counters * counters);
GGML_BACKEND_API void ggml_backend_sim_reset_counters(void);

// The calls into a device that can be told to fail, and what a failing call returns
enum ggml_sim_call {
    GGML_SIM_CALL_LAUNCH            = 0,  // GGML_STATUS_FAILED
    GGML_SIM_CALL_INIT_BACKEND      = 1,  // NULL
    GGML_SIM_CALL_ALLOC_BUFFER      = 2,  // NULL
    GGML_SIM_CALL_ALLOC_HOST_BUFFER = 3,  // NULL
    GGML_SIM_CALL_INIT_TENSOR       = 4,  // GGML_STATUS_FAILED; needs ggml_sim_config::inits_tensors
    GGML_SIM_CALL_EVENT_NEW         = 5,  // NULL
    GGML_SIM_CALL_COPY_ASYNC        = 6,  // false; copies that are refused anyway do not count
    // The next five return nothing. Nothing is enqueued, and the next launch on the backend fails.
    GGML_SIM_CALL_SET_ASYNC    = 7,
    GGML_SIM_CALL_GET_ASYNC    = 8,
    GGML_SIM_CALL_EVENT_RECORD = 9,
    GGML_SIM_CALL_EVENT_WAIT   = 10,
    GGML_SIM_CALL_SYNCHRONIZE  = 11, // The call waits all the same.
    // The call waits all the same, and the next launch on the backend that has recorded the event fails.
    GGML_SIM_CALL_EVENT_SYNCHRONIZE    = 12,
    GGML_SIM_CALL_BUFFER_FROM_HOST_PTR = 13, // NULL
    GGML_SIM_CALL_REGISTER_HOST_BUFFER = 14, // false

    GGML_SIM_CALL_COUNT,
};

// Returns "launch", "init_backend", ...; NULL for another value. The text is static.
GGML_BACKEND_API const char * ggml_sim_call_name(enum ggml_sim_call call);

// Lets the n-th next such call into device `index` fail. n = 1 is the very next call, and n = 0 takes the failure back.
// Returns false, with a line in the log, for an unknown device or call and for a negative n.
GGML_BACKEND_API bool ggml_backend_sim_fail(int index, enum ggml_sim_call call, int n);
// Calls ggml_backend_sim_fail with GGML_SIM_CALL_LAUNCH.
GGML_BACKEND_API bool ggml_backend_sim_fail_launch(int index, int n);

#ifdef __cplusplus
}
#endif
