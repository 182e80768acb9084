// Registered buffers - pageable memory of the caller that a device reads by itself, since its driver was told of it.
//
// Such a buffer counts as pinned memory for the device. It stays registered until it is freed, and the driver is told
// then. So the buffer has another free function meanwhile. The list belongs to the process, since schedulers share
// buffers. Any thread may call the functions.

#pragma once

#include "host/query.h"

namespace ggml_sched::host {

// Registers memory of the CPU with the driver of a device that has functions for it. All registered buffers together
// have a part of the memory of `cpu`; see tuning.h. Buffers of less than `least_bytes` stay as they are. Returns true
// if the buffer is registered now, and was not before. Writes to the log what happened. A buffer that a driver has
// refused, or that was too large, is not tried again. Throws std::bad_alloc.
bool register_buffer(ggml_backend_buffer_t buffer, const Backend & backend, const Backend & cpu, size_t least_bytes);

// Returns how many buffers have been registered so far, by any scheduler.
uint64_t n_registered();

// Returns the type of pinned memory that a registered buffer counts as; NULL for all other buffers.
ggml_backend_buffer_type_t registered_as(ggml_backend_buffer_t buffer);

} // namespace ggml_sched::host
