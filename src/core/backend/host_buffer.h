// host_buffer.h - the functions of buffers in memory that the host reads and writes. Any thread.

#pragma once

#include "ggml-backend-impl.h"

namespace ggml_sched::core {

// The interface of a buffer whose context is the address of its bytes; others set get_base. A NULL free_buffer means
// that the bytes are the caller's.
ggml_backend_buffer_i host_buffer_interface(void (*free_buffer)(ggml_backend_buffer_t));

} // namespace ggml_sched::core
