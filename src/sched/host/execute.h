// What the scheduler does to backends: the executing half of host/. Each function is one call into a backend.
// Ordering is that of ggml-backend.h; nothing here adds any.

#pragma once

#include <cstddef>

#include "host/query.h"

namespace ggml_sched::host {

// Gives a tensor its memory; for views, that of what they view. Nothing is enqueued. A tensor that the buffer refuses
// is left without.
ggml_status place(ggml_tensor * tensor, ggml_backend_buffer_t buffer, void * data);

void synchronize(ggml_backend_t backend);

ggml_backend_event_t event_new(ggml_backend_dev_t device); // NULL if the device has none or memory ran out
void event_free(ggml_backend_event_t event);               // needs the device, not the backend
void event_record(ggml_backend_event_t event, ggml_backend_t backend);
void event_wait(ggml_backend_t backend, ggml_backend_event_t event);
void event_synchronize(ggml_backend_event_t event); // needs the device, not the backend

ggml_status launch(ggml_backend_t backend, ggml_cgraph * graph); // returns when done if the backend is synchronous

// Returns the status of what has failed on the backend since the last call; success if nothing has, or if the backend
// does not tell. `mark`: in, the mark of what is enqueued from now on; out, the mark of the last operation that failed.
ggml_status take_failure(const Backend & backend, uint64_t & mark);

void set_async(ggml_backend_t backend, ggml_tensor * dst, const void * data, size_t offset, size_t size);
// For backends that set ranges: `size` bytes from where this tensor is, which lie over others behind it as well.
void set_range_async(ggml_backend_t backend, const ggml_tensor * first, const void * data, size_t size);
void get_async(ggml_backend_t backend, const ggml_tensor * src, void * data);
bool copy_async(ggml_backend_t src_backend, ggml_backend_t dst_backend, const ggml_tensor * src, ggml_tensor * dst);
// Blocking: `data` is copied, or holds the tensor's bytes, when the call returns.
void set_blocking(ggml_tensor * dst, const void * data, size_t offset, size_t size);
void get_blocking(const ggml_tensor * src, void * data);
void copy_blocking(const ggml_tensor * src, ggml_tensor * dst);

} // namespace ggml_sched::host
