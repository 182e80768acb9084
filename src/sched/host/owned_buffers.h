// Owned buffers - the compute buffers of all schedulers of the process, each with its scheduler.
//
// A tensor names its buffer by a handle. The handle of an owned buffer stays valid until its scheduler is gone, even if
// the memory has been freed. So a tensor that an earlier allocation has placed is always recognized. No later buffer is
// mistaken for the one that the tensor names. Any thread may call the functions.

#pragma once

#include "ggml-backend.h"

namespace ggml_sched::host {

// Makes a compute buffer. Returns NULL if the backend has no memory. Throws std::bad_alloc.
ggml_backend_buffer_t new_owned_buffer(ggml_backend_buffer_type_t buft, size_t size, const void * owner);
// Frees the memory of an owned buffer. The handle stays.
void free_memory_of(ggml_backend_buffer_t buffer);
// Frees the memory and the handle of an owned buffer. NULL is allowed.
void free_owned_buffer(ggml_backend_buffer_t buffer);

// Returns the owner that new_owned_buffer() was given; NULL for a buffer that no scheduler made.
const void * owner_of(ggml_backend_buffer_t buffer);

} // namespace ggml_sched::host
