// Internals - what the scheduler needs of ggml and ggml has no function for: parts of the structs of backends and
// buffers. Only host/ includes this header.
//
// internals.cpp and graph_handle.cpp read the structs of the ggml that this library is compiled with. The attach
// library has its own versions of both, for a ggml that it meets when it runs. One thread at a time may use a backend
// or a buffer.

#pragma once

#include "ggml-backend.h"

namespace ggml_sched::host {

// BackendFunctions - which of its optional functions a backend has.
struct BackendFunctions {
    bool set_async = false;
    bool get_async = false;
    bool copy_async = false;
    bool synchronize = false;
    bool events = false;
    bool graph_optimize = false;
};
// Returns which functions the backend has.
BackendFunctions functions_of(ggml_backend_t backend);

// Copies asynchronously. Returns false if the destination's backend refuses this copy, or has none.
bool try_copy_async(ggml_backend_t src_backend, ggml_backend_t dst_backend, const ggml_tensor * src, ggml_tensor * dst);

// True if the device tells its properties. A device may lack this, since ggml's scheduler does not ask.
bool has_props(ggml_backend_dev_t device);
// True if the device makes backends.
bool makes_backends(ggml_backend_dev_t device);
// True if tensors in memory of this type may need more than their bytes.
bool has_alloc_size(ggml_backend_buffer_type_t buft);
// True if the buffer must be told of each tensor that is placed in it.
bool has_init_tensor(ggml_backend_buffer_t buffer);

// FreeBuffer - the function that frees what a buffer has, but not the buffer itself. It may be NULL.
using FreeBuffer = void (*)(ggml_backend_buffer_t buffer);
// Gives the buffer another such function, and returns the one that it had.
FreeBuffer exchange_free(ggml_backend_buffer_t buffer, FreeBuffer free_buffer);

} // namespace ggml_sched::host
