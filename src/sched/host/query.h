// The asking half of host/: what the scheduler asks about backends and buffers. Nothing here enqueues or waits.
//
// A Backend describes a backend, BufferFacts a buffer. Both are values that own nothing. host/ is the only folder that
// includes ggml's internal headers, ours or a foreign ggml's. One thread at a time may use a backend.

#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "ggml-backend.h"
#include "plan/machine.h"

namespace ggml_sched::host {

// Backend - a backend as the scheduler sees it. The name and the device may be used after the backend has been freed.
struct Backend {
    ggml_backend_t handle = nullptr;
    ggml_backend_dev_t device = nullptr;
    ggml_backend_buffer_type_t buft = nullptr; // type of its compute buffers
    std::string name;
    bool async = false;            // has a queue; otherwise its work is done when a call returns
    bool set_async = false;        // copies from host memory on its queue
    bool get_async = false;        // copies to host memory on its queue
    bool events = false;           // can record events and wait for them
    bool optimizes_graphs = false; // may change the order of a split's nodes
    bool pads = false;             // tensors in its memory may need more than their bytes
    bool host_writes = false;      // see host_writes()
    bool keeps_records = false;    // a record is a submission, and is kept until the host waits for the event; all
                                   // backends of the device have one queue
    bool overlaps = false;         // copies on one queue of the device go on beside launches on another
    bool sets_ranges = false;      // one call may set, or copy on the device, bytes that are no whole tensor
    ggml_status (*take_failure)(ggml_backend_t, uint64_t *) = nullptr; // see execute.h; NULL: the backend does not tell
};

// Returns the description of a backend, without host_writes. `buft` is the type of its compute buffers.
Backend describe(ggml_backend_t backend, ggml_backend_buffer_type_t buft);
// True if a blocking write of a small tensor is one of the CPU, and waits for no queue. It may look how long a write to
// a new buffer takes.
bool host_writes(const Backend & backend);
// Makes another backend of the same device, with a queue of its own. The caller frees it. NULL if the device refuses.
ggml_backend_t second_backend(const Backend & backend);
// Returns the free bytes of the backend's device; 0 if that is not known.
size_t free_memory(const Backend & backend);
// Returns all bytes of the backend's device, used or not; 0 if that is not known.
size_t total_memory(const Backend & backend);
// True if the backend's device is a CPU.
bool is_cpu(ggml_backend_t backend);

// True if a backend of device `waiter` may wait for an event of device `recorder`.
bool event_reaches(ggml_backend_dev_t recorder, ggml_backend_dev_t waiter);

// Finds how asynchronous copies from `src` to `dst` are ordered. Returns false if the pair has none.
bool copy_order(const Backend & src, const Backend & dst, plan::CopyOrder & order);

// Returns the type of memory for data between host and device: pinned if the device has it, else that of the CPU.
ggml_backend_buffer_type_t staging_buft(const Backend & backend);
// True if memory of this type is pinned for the backend, so that a copy reads it when it executes, not when it is
// enqueued. memory_type_of() tells the type.
bool is_pinned_for(const Backend & backend, ggml_backend_buffer_type_t memory_type);

// Returns the buffer that holds the tensor's bytes, which for a view is that of its root; NULL before allocation.
inline ggml_backend_buffer_t buffer_of(const ggml_tensor * tensor) {
    return tensor->view_src ? tensor->view_src->buffer : tensor->buffer;
}
// Returns the type of the buffer.
ggml_backend_buffer_type_t buft_of(ggml_backend_buffer_t buffer);
// Returns the type of memory that the buffer counts as: pinned memory if it is registered, else its own type.
ggml_backend_buffer_type_t memory_type_of(ggml_backend_buffer_t buffer);
// Returns the bytes that the tensor needs in the buffer, padding included.
size_t size_in(ggml_backend_buffer_t buffer, const ggml_tensor * tensor);
// True if the buffer is host memory.
bool is_host(ggml_backend_buffer_t buffer);
// True if the buffer is marked as one of weights.
bool is_weights(ggml_backend_buffer_t buffer);
// True if the buffer must be told of each tensor that is placed in it.
bool inits_tensors(ggml_backend_buffer_t buffer);

// BufferFacts - all that the scheduler wants to know about a buffer.
struct BufferFacts {
    ggml_backend_buffer_type_t memory_type = nullptr; // as memory_type_of() tells
    uint64_t begin = 0;                               // first address
    uint64_t end = 0;                                 // address behind the last
    bool host = false;
    bool weights = false;
    bool registered = false;      // pageable memory that counts as pinned
    const void * owner = nullptr; // the scheduler whose compute buffer it is; NULL: the caller's buffer

    friend bool operator==(const BufferFacts & a, const BufferFacts & b) {
        return a.memory_type == b.memory_type && a.begin == b.begin && a.end == b.end && a.host == b.host &&
               a.weights == b.weights && a.registered == b.registered && a.owner == b.owner;
    }
};
// Returns the facts about the buffer.
BufferFacts facts_of(ggml_backend_buffer_t buffer);

// True if the caller's inputs keep their values from run to run. Engines of a foreign ggml write all inputs before each
// run. They expect that the memory of inputs is reused behind the last reader.
bool inputs_keep_values();
} // namespace ggml_sched::host
