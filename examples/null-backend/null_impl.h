// null_impl.h - what the files of the null backend share.

#pragma once

#include <cstddef>

#include "null_backend.h"

#include "ggml-backend-impl.h"

namespace null_backend {

// Returns the type of the buffers in the memory of a device.
ggml_backend_buffer_type * null_device_memory(int index);
// Returns the type of buffers in pinned memory of the host, which the queues copy from and to without the host's help.
ggml_backend_buffer_type * null_pinned_memory();

// Makes a queue. NULL: there is no memory.
ggml_backend_t null_queue_new(ggml_backend_dev_t device, const char * params);

} // namespace null_backend
