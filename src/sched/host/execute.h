// The executing half of host/: what the scheduler does to backends. Each function is one call into a backend. The order
// of their effects is that of ggml-backend.h; these functions add no waits.
//
// The caller owns all that it passes. One thread at a time may use a backend.

#pragma once

#include <cstddef>

#include "host/query.h"

namespace ggml_sched::host {

// Returns a tensor of `size` bytes there. The buffer has not been told of it.
inline ggml_tensor bytes_at(ggml_backend_buffer_t buffer, void * data, size_t size) {
    ggml_tensor bytes = {};
    bytes.type = GGML_TYPE_I8;
    bytes.buffer = buffer;
    bytes.data = data;
    bytes.ne[0] = static_cast<int64_t>(size);
    bytes.nb[0] = 1;
    for (int i = 1; i < GGML_MAX_DIMS; i++) {
        bytes.ne[i] = 1;
        bytes.nb[i] = size;
    }
    return bytes;
}

// Gives the tensor its memory; for a view the caller passes that of the root. Enqueues nothing. If the buffer refuses
// the tensor, the tensor has no memory afterwards.
ggml_status place(ggml_tensor * tensor, ggml_backend_buffer_t buffer, void * data);

// Waits until the backend has done all that is on its queue.
void synchronize(ggml_backend_t backend);

// Makes an event. Returns NULL if the device has no events or memory ran out.
ggml_backend_event_t event_new(ggml_backend_dev_t device);
// Frees the event. The device must exist; the backend need not.
void event_free(ggml_backend_event_t event);
// Records the event behind all that is on the backend's queue.
void event_record(ggml_backend_event_t event, ggml_backend_t backend);
// Makes the backend's queue wait for the event.
void event_wait(ggml_backend_t backend, ggml_backend_event_t event);
// Makes the host wait for the event. The device must exist; the backend need not.
void event_synchronize(ggml_backend_event_t event);

// Waits for all that any backend has submitted to a device that has one queue for all of them. Makes a backend for
// that, and records the event there, which must be of the device. Logs a failure, and does not wait then.
void finish_device(const Backend & backend, ggml_backend_event_t event) noexcept;

// Launches the graph. A synchronous backend has computed it when the call returns.
ggml_status launch(ggml_backend_t backend, ggml_cgraph * graph);

// Returns the status of what has failed on the backend since the last call; success if nothing has, or if the backend
// does not tell. The call reads from `mark` the mark of what is enqueued from now on. It writes to `mark` the mark of
// the last operation that failed.
ggml_status take_failure(const Backend & backend, uint64_t & mark);

// Enqueues a copy of `size` bytes from host memory to the tensor.
void set_async(ggml_backend_t backend, ggml_tensor * dst, const void * data, size_t offset, size_t size);
// Enqueues a copy of `size` bytes to where the tensor lies and to others behind it. The backend must set ranges.
void set_range_async(ggml_backend_t backend, const ggml_tensor * first, const void * data, size_t size);
// Enqueues a copy of the whole tensor to host memory.
void get_async(ggml_backend_t backend, const ggml_tensor * src, void * data);
// Enqueues a copy between two backends. Returns false if they refuse it.
bool copy_async(ggml_backend_t src_backend, ggml_backend_t dst_backend, const ggml_tensor * src, ggml_tensor * dst);
// Enqueues a copy of `size` bytes of a tensor to another one on the same device. The backend must set ranges. Returns
// false if it refuses the copy.
bool copy_range_async(ggml_backend_t backend, const ggml_tensor & src, size_t src_offset, const ggml_tensor & dst,
                      size_t dst_offset, size_t size);
// These three are blocking: the copy is complete when the call returns.
void set_blocking(ggml_tensor * dst, const void * data, size_t offset, size_t size);
void get_blocking(const ggml_tensor * src, void * data);
void copy_blocking(const ggml_tensor * src, ggml_tensor * dst);

} // namespace ggml_sched::host
