#include "backend.h"
#include "backend/procs.h"
#include "ggml-gpu.h"

namespace ggml_sched::gpu {
inline namespace GGML_SCHED_GPU_VENDOR {

namespace {

const char * get_name(ggml_backend_reg_t) {
    return kVendorName;
}
size_t get_device_count(ggml_backend_reg_t) {
    return devices().size();
}
ggml_backend_dev_t get_device(ggml_backend_reg_t, size_t index) {
    return index < devices().size() ? devices()[index]->handle() : nullptr;
}

// Its buffers are plain memory.
bool sets_ranges(ggml_backend_dev_t) {
    return true;
}

bool event_reaches(ggml_backend_dev_t recorder, ggml_backend_dev_t waiter) {
    return device_of(recorder) != nullptr && device_of(waiter) != nullptr;
}

void get_counters(ggml_gpu_counters * counters) {
    const CallCounts & counts = call_counts();
    counters->stream_synchronize = counts.of(Call::StreamSynchronize);
    counters->event_synchronize = counts.of(Call::EventSynchronize);
    counters->event_record = counts.of(Call::EventRecord);
    counters->stream_wait = counts.of(Call::StreamWait);
    counters->copy_host_to_device = counts.of(Call::CopyHostToDevice);
    counters->copy_device_to_host = counts.of(Call::CopyDeviceToHost);
    counters->copy_within_device = counts.of(Call::CopyWithinDevice);
    counters->copy_peer = counts.of(Call::CopyPeer);
    counters->copy_pageable = counts.of(Call::CopyPageable);
    counters->fill = counts.of(Call::Fill);
    counters->kernel_launch = counts.of(Call::KernelLaunch);
    counters->graph_launch = counts.of(Call::GraphLaunch);
    counters->graph_instantiate = counts.of(Call::GraphInstantiate);
    counters->allocate = counts.of(Call::Allocate);
}

void reset_counters() {
    call_counts().reset();
}

bool fail_launch(ggml_backend_dev_t device, int n) {
    Device * own = device_of(device);
    if (own == nullptr || n < 0) {
        return false;
    }
    own->fail_launch(n);
    return true;
}

enum ggml_status take_failure(ggml_backend_t backend, uint64_t * mark) {
    const bool can_tell = is_own_backend(backend) && mark != nullptr;
    return can_tell && queue_of(backend).take_failure(*mark) ? GGML_STATUS_FAILED : GGML_STATUS_SUCCESS;
}

void * get_proc_address(ggml_backend_reg_t, const char * name) {
    using core::address_of;
    const core::Proc procs[] = {
        {"ggml_backend_event_reaches", address_of<ggml_backend_event_reaches_t>(event_reaches)},
        {"ggml_backend_copy_queue", address_of<ggml_backend_copy_queue_t>(copy_queue)},
        {"ggml_backend_take_failure", address_of<ggml_backend_take_failure_t>(take_failure)},
        {"ggml_backend_sets_ranges", address_of<ggml_backend_sets_ranges_t>(sets_ranges)},
        {"ggml_backend_gpu_get_counters", address_of<ggml_backend_gpu_get_counters_t>(get_counters)},
        {"ggml_backend_gpu_reset_counters", address_of<ggml_backend_gpu_reset_counters_t>(reset_counters)},
        {"ggml_backend_register_host_buffer", address_of<bool (*)(void *, size_t)>(register_host_memory)},
        {"ggml_backend_unregister_host_buffer", address_of<void (*)(void *)>(unregister_host_memory)},
        {"ggml_backend_gpu_fail_launch", address_of<ggml_backend_gpu_fail_launch_t>(fail_launch)},
    };
    return core::find_proc(procs, name);
}

} // namespace

ggml_backend_reg_t registry() {
    static ggml_backend_reg reg = {
        GGML_BACKEND_API_VERSION, {get_name, get_device_count, get_device, get_proc_address}, nullptr};
    return &reg;
}

} // namespace GGML_SCHED_GPU_VENDOR
} // namespace ggml_sched::gpu
