// Compute buffers of all schedulers of the process, and whose they are.
//
// A tensor names its buffer by a handle. The handle of an owned buffer stays valid until its scheduler is gone, also
// when the memory has been freed. So a tensor that an earlier allocation has placed is always recognized, and no
// later buffer is mistaken for the one that the tensor names. Any thread.

#pragma once

#include "ggml-backend.h"

namespace ggml_sched::host {

// Makes a buffer for intermediate results. NULL when the backend has no memory. Throws std::bad_alloc.
ggml_backend_buffer_t new_owned_buffer(ggml_backend_buffer_type_t buft, size_t size, const void * owner);
// Frees the memory of an owned buffer. The handle stays.
void free_memory_of(ggml_backend_buffer_t buffer);
// Frees the memory and the handle of an owned buffer. NULL is allowed.
void free_owned_buffer(ggml_backend_buffer_t buffer);

// Returns who made this buffer; NULL for a buffer that no scheduler made.
const void * owner_of(ggml_backend_buffer_t buffer);

} // namespace ggml_sched::host
