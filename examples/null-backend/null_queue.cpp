// null_queue.cpp - a backend, which is one queue of its device: what is enqueued later runs later.
// This queue does nothing. A clone enqueues the work in each function and returns without waiting for it.

#include <new>

#include "null_impl.h"

namespace null_backend {

namespace {

const char * get_name(ggml_backend_t queue) {
    return ggml_backend_dev_name(queue->device);
}
void free_queue(ggml_backend_t queue) {
    delete queue; // a clone waits for the queue first
}

// Copies. The host's memory stays unchanged until the queue has been synchronized.
void set_tensor_async(ggml_backend_t, ggml_tensor *, const void *, size_t, size_t) {}
void get_tensor_async(ggml_backend_t, const ggml_tensor *, void *, size_t, size_t) {}
// The copy is work of the source's queue, as copy_queue in null_registry.cpp says, and later work of the destination's
// queue waits for it. False refuses the copy: nothing has happened then, and the scheduler copies through the host.
bool cpy_tensor_async(ggml_backend_t, ggml_backend_t, const ggml_tensor *, ggml_tensor *) {
    return true;
}

// A clone computes the nodes in order. It skips views, empty tensors, and nodes without GGML_TENSOR_FLAG_COMPUTE.
ggml_status graph_compute(ggml_backend_t, ggml_cgraph *) {
    return GGML_STATUS_SUCCESS;
}

// The host waits for everything that is in the queue.
void synchronize(ggml_backend_t) {}
// The event happens when the queue comes to it.
void event_record(ggml_backend_t, ggml_backend_event_t) {}
// The queue waits for the event, and the host does not.
void event_wait(ggml_backend_t, ggml_backend_event_t) {}

} // namespace

ggml_backend_t null_queue_new(ggml_backend_dev_t device, const char *) {
    static ggml_guid guid = {0x4e, 0x55, 0x4c, 0x4c}; // a clone takes 16 random bytes
    auto * queue = new (std::nothrow) ggml_backend{};
    if (!queue) {
        return nullptr;
    }
    queue->guid = &guid;
    queue->device = device;
    queue->iface.get_name = get_name;
    queue->iface.free = free_queue;
    queue->iface.set_tensor_async = set_tensor_async;
    queue->iface.get_tensor_async = get_tensor_async;
    queue->iface.cpy_tensor_async = cpy_tensor_async;
    queue->iface.synchronize = synchronize;
    queue->iface.graph_compute = graph_compute;
    queue->iface.event_record = event_record;
    queue->iface.event_wait = event_wait;
    return queue;
}

} // namespace null_backend
