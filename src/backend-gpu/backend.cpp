#include "backend.h"

#include "ggml-impl.h"
#include "range.h"

#include <new>

namespace ggml_sched::gpu {
inline namespace GGML_SCHED_GPU_VENDOR {

namespace {

const char * get_name(ggml_backend_t backend) {
    return queue_of(backend).device().name();
}

void free_backend(ggml_backend_t backend) {
    delete &queue_of(backend);
    delete backend;
}

void synchronize(ggml_backend_t backend) {
    const Range range("synchronize");
    queue_of(backend).synchronize();
}

void event_record(ggml_backend_t backend, ggml_backend_event_t event) {
    const Range range("record");
    Queue & queue = queue_of(backend);
    if (event->device != backend->device) {
        GGML_LOG_ERROR("%s: an event of %s cannot be recorded here; make one of this device\n", get_name(backend),
                       ggml_backend_dev_name(event->device));
        queue.note_failure();
    } else if (queue.select()) {
        queue.check(record_event(static_cast<EventHandle>(event->context), queue.stream()), "recording an event");
    }
}

void event_wait(ggml_backend_t backend, ggml_backend_event_t event) {
    const Range range("wait");
    Queue & queue = queue_of(backend);
    if (device_of(event->device) == nullptr) {
        GGML_LOG_ERROR("%s: a queue cannot wait for an event of %s; ask ggml_backend_event_reaches first\n",
                       get_name(backend), ggml_backend_dev_name(event->device));
        queue.note_failure();
    } else if (queue.select()) {
        queue.check(wait_event(queue.stream(), static_cast<EventHandle>(event->context)), "waiting for an event");
    }
}

ggml_backend_i backend_interface() {
    ggml_backend_i iface = {};
    iface.get_name = get_name;
    iface.free = free_backend;
    iface.set_tensor_async = set_tensor_async;
    iface.get_tensor_async = get_tensor_async;
    iface.set_tensor_2d_async = set_tensor_2d_async;
    iface.get_tensor_2d_async = get_tensor_2d_async;
    iface.cpy_tensor_async = cpy_tensor_async;
    iface.synchronize = synchronize;
    iface.graph_compute = graph_compute;
    iface.event_record = event_record;
    iface.event_wait = event_wait;
    return iface;
}

// Made of the vendor's name, as the rest is the same for all
ggml_guid_t guid() {
    static ggml_guid guid = {0x67,
                             0x70,
                             0x75,
                             0x2d,
                             0x5c,
                             0x91,
                             0x4e,
                             0x02,
                             0xa8,
                             0x3f,
                             0x1b,
                             0xd4,
                             static_cast<uint8_t>(kVendorName[0]),
                             static_cast<uint8_t>(kVendorName[1]),
                             static_cast<uint8_t>(kVendorName[2]),
                             0x01};
    return &guid;
}

} // namespace

ggml_backend_t new_backend(Device & device) {
    std::unique_ptr<Queue> queue = Queue::open(device);
    if (queue == nullptr) {
        return nullptr;
    }
    auto * backend = new (std::nothrow) ggml_backend{guid(), backend_interface(), device.handle(), queue.get()};
    if (backend == nullptr) {
        GGML_LOG_ERROR("%s: no host memory for a backend; close other programs\n", device.name());
        return nullptr;
    }
    (void) queue.release(); // free_backend has it
    return backend;
}

bool is_own_backend(ggml_backend_t backend) {
    return backend != nullptr && ggml_guid_matches(backend->guid, guid());
}

} // namespace GGML_SCHED_GPU_VENDOR
} // namespace ggml_sched::gpu
