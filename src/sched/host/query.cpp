#include "host/query.h"

#include "host/ggml_api.h"
#include "host/internals.h"
#include "host/known_devices.h"
#include "host/owned_buffers.h"
#include "host/proc.h"
#include "host/registered_buffers.h"

namespace ggml_sched::host {

namespace {

// True if one call may set several tensors of the device.
bool sets_ranges(ggml_backend_dev_t device) {
    const auto sets = proc<ggml_backend_sets_ranges_t>(device, "ggml_backend_sets_ranges");
    return sets ? sets(device) : known_to_set_ranges(device);
}

} // namespace

Backend describe(ggml_backend_t backend, ggml_backend_buffer_type_t buft) {
    Backend result;
    result.handle = backend;
    result.device = ggml_backend_get_device(backend);
    result.buft = buft;
    result.name = ggml_backend_name(backend);

    ggml_backend_dev_props props = {};
    if (has_props(result.device)) {
        ggml_backend_dev_get_props(result.device, &props);
    }
    const BackendFunctions functions = functions_of(backend);
    // A foreign device may be asynchronous and not say so. It must then be waited for. A wait for a device that is not
    // asynchronous costs little.
#ifdef GGML_SCHED_DROP_IN
    result.async = functions.synchronize;
#else
    result.async = props.caps.async && functions.synchronize;
#endif
    result.set_async = result.async && functions.set_async && !known_to_overtake(result.device);
    result.get_async = result.async && functions.get_async;
    result.events = result.async && props.caps.events && functions.events;
    result.pads = has_alloc_size(buft);
    result.keeps_records = known_to_keep_records(result.device) && makes_backends(result.device);
    result.overlaps = known_to_overlap(result.device);
    result.sets_ranges = result.set_async && sets_ranges(result.device);
    result.take_failure = proc<ggml_backend_take_failure_t>(result.device, "ggml_backend_take_failure");
    result.optimizes_graphs = functions.graph_optimize;
    return result;
}

bool host_writes(const Backend & backend) {
    const auto writes = proc<ggml_backend_host_writes_t>(backend.device, "ggml_backend_host_writes");
    return backend.set_async && (writes ? writes(backend.device) : known_host_writes(backend.device, backend.buft));
}

ggml_backend_t second_backend(const Backend & backend) {
    return makes_backends(backend.device) ? ggml_backend_dev_init(backend.device, nullptr) : nullptr;
}

size_t free_memory(const Backend & backend) {
    size_t free = 0;
    size_t total = 0;
    ggml_backend_dev_memory(backend.device, &free, &total);
    return free;
}

size_t total_memory(const Backend & backend) {
    size_t free = 0;
    size_t total = 0;
    ggml_backend_dev_memory(backend.device, &free, &total);
    return total;
}

bool is_cpu(ggml_backend_t backend) {
    const ggml_backend_dev_t device = ggml_backend_get_device(backend);
    return device && ggml_backend_dev_type(device) == GGML_BACKEND_DEVICE_TYPE_CPU;
}

bool event_reaches(ggml_backend_dev_t recorder, ggml_backend_dev_t waiter) {
    if (recorder == waiter) {
        return true;
    }
    const auto reaches = proc<ggml_backend_event_reaches_t>(recorder, "ggml_backend_event_reaches");
    return reaches ? reaches(recorder, waiter) : known_event_reaches(recorder, waiter);
}

bool copy_order(const Backend & src, const Backend & dst, plan::CopyOrder & order) {
    if (!src.async || !dst.async || !functions_of(dst.handle).copy_async) {
        return false;
    }
    const auto queue = proc<ggml_backend_copy_queue_t>(dst.device, "ggml_backend_copy_queue");
    if (!queue) {
        return known_copy_order(src.device, dst.device, order);
    }
    switch (queue(src.device, dst.device)) {
    case GGML_BACKEND_COPY_QUEUE_NONE: return false;
    case GGML_BACKEND_COPY_QUEUE_SOURCE: order = plan::CopyOrder::InSource; return true;
    case GGML_BACKEND_COPY_QUEUE_DESTINATION: order = plan::CopyOrder::InDestination; return true;
    case GGML_BACKEND_COPY_QUEUE_UNKNOWN: order = plan::CopyOrder::Unordered; return true;
    }
    return false;
}

ggml_backend_buffer_type_t staging_buft(const Backend & backend) {
    const ggml_backend_buffer_type_t pinned = ggml_backend_dev_host_buffer_type(backend.device);
    return pinned ? pinned : ggml_backend_cpu_buffer_type();
}

bool is_pinned_for(const Backend & backend, ggml_backend_buffer_type_t memory_type) {
    return memory_type == ggml_backend_dev_host_buffer_type(backend.device);
}

ggml_backend_buffer_type_t buft_of(ggml_backend_buffer_t buffer) {
    return ggml_backend_buffer_get_type(buffer);
}

ggml_backend_buffer_type_t memory_type_of(ggml_backend_buffer_t buffer) {
    const ggml_backend_buffer_type_t registered = registered_as(buffer);
    return registered ? registered : buft_of(buffer);
}

size_t size_in(ggml_backend_buffer_t buffer, const ggml_tensor * tensor) {
    return ggml_backend_buffer_get_alloc_size(buffer, tensor);
}

bool is_host(ggml_backend_buffer_t buffer) {
    return ggml_backend_buffer_is_host(buffer);
}

bool inits_tensors(ggml_backend_buffer_t buffer) {
    return has_init_tensor(buffer);
}

bool is_weights(ggml_backend_buffer_t buffer) {
    return ggml_backend_buffer_get_usage(buffer) == GGML_BACKEND_BUFFER_USAGE_WEIGHTS;
}

BufferFacts facts_of(ggml_backend_buffer_t buffer) {
    const size_t size = ggml_backend_buffer_get_size(buffer);
    const uint64_t begin = size == 0 ? 0 : reinterpret_cast<uintptr_t>(ggml_backend_buffer_get_base(buffer));
    const ggml_backend_buffer_type_t registered = registered_as(buffer);
    return {registered ? registered : buft_of(buffer),
            begin,
            begin + size,
            is_host(buffer),
            is_weights(buffer),
            registered != nullptr,
            owner_of(buffer)};
}

bool inputs_keep_values() {
#ifdef GGML_SCHED_DROP_IN
    return false;
#else
    return true;
#endif
}

} // namespace ggml_sched::host
