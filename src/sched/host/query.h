// What the scheduler asks about backends, buffers and graphs. Nothing here enqueues or waits.
//
// host/ is the only directory that includes ggml's internal headers, ours or a real ggml's.

#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "ggml-backend.h"
#include "plan/machine.h"

namespace ggml_sched::host {

// One backend as the scheduler sees it. The names and the device outlive the backend.
struct Backend {
    ggml_backend_t handle = nullptr;
    ggml_backend_dev_t device = nullptr;
    ggml_backend_buffer_type_t buft = nullptr; // of its intermediate results
    std::string name;
    bool async = false; // enqueues; otherwise everything is done on the host when the call returns
    bool set_async = false;
    bool get_async = false;
    bool events = false;
    bool optimizes_graphs = false;
    bool pads = false;        // tensors in its memory may take more than their bytes
    bool sets_ranges = false; // several tensors that lie side by side in its memory may be set by one call
    ggml_status (*take_failure)(ggml_backend_t, uint64_t *) = nullptr; // see execute.h; NULL: it does not tell
};

Backend describe(ggml_backend_t backend, ggml_backend_buffer_type_t buft);
// Another backend of the same device: a queue of its own. The caller frees it. NULL if the device makes no more.
ggml_backend_t second_backend(const Backend & backend);
size_t free_memory(const Backend & backend); // of its device, in bytes; 0 if that is not known
bool is_cpu(ggml_backend_t backend);

// May a backend of device `waiter` wait for an event of device `recorder`?
bool event_reaches(ggml_backend_dev_t recorder, ggml_backend_dev_t waiter);

// How the asynchronous copy from src to dst is ordered; false if the pair has none.
bool copy_order(const Backend & src, const Backend & dst, plan::CopyOrder & order);

// Memory for data that passes between host and device: pinned where the device has it.
ggml_backend_buffer_type_t staging_buft(const Backend & backend);
// Does the backend read memory of this type when a copy executes, and not already when it is enqueued?
bool is_pinned_for(const Backend & backend, ggml_backend_buffer_type_t buft);

// The buffer that holds a tensor's bytes, NULL before allocation; for views that of their source.
inline ggml_backend_buffer_t buffer_of(const ggml_tensor * tensor) {
    return tensor->view_src ? tensor->view_src->buffer : tensor->buffer;
}
ggml_backend_buffer_type_t buft_of(ggml_backend_buffer_t buffer);
size_t size_in(ggml_backend_buffer_t buffer, const ggml_tensor * tensor); // padding included
bool is_host(ggml_backend_buffer_t buffer);
bool is_weights(ggml_backend_buffer_t buffer);
bool inits_tensors(ggml_backend_buffer_t buffer); // has to be told of each that is placed in it

// All that the scheduler wants to know of a buffer
struct BufferFacts {
    ggml_backend_buffer_type_t buft = nullptr;
    uint64_t begin = 0; // addresses
    uint64_t end = 0;
    bool host = false;
    bool weights = false;
    const void * owner = nullptr; // the scheduler whose compute buffer it is; NULL: the caller's buffer

    friend bool operator==(const BufferFacts & a, const BufferFacts & b) {
        return a.buft == b.buft && a.begin == b.begin && a.end == b.end && a.host == b.host && a.weights == b.weights &&
               a.owner == b.owner;
    }
};
BufferFacts facts_of(ggml_backend_buffer_t buffer);

// Should it rather be computed where its weights are? Not if these are too small to decide anything: frequency factors
// of ROPE, sinks of flash attention.
bool is_placed_by_weights(const ggml_tensor * tensor);

// Computes nothing, only looks at memory in another shape.
inline bool is_view_op(const ggml_tensor * tensor) {
    switch (tensor->op) {
    case GGML_OP_RESHAPE:
    case GGML_OP_VIEW:
    case GGML_OP_PERMUTE:
    case GGML_OP_TRANSPOSE: return true;
    default: return false;
    }
}

// Replaces rows of the tensor that it views by those of src[0]; src[1] says which. Older versions of ggml have none.
bool is_set_rows(const ggml_tensor * tensor);

// Graphs
struct Nodes {
    ggml_tensor ** data = nullptr;
    int size = 0;
    ggml_tensor * operator[](int i) const { return data[i]; }
};
Nodes nodes_of(const ggml_cgraph * graph);
Nodes leafs_of(const ggml_cgraph * graph);
uint64_t identity_of(const ggml_cgraph * graph); // changes when nodes are added; 0 for a graph that never got one
void set_identity(ggml_cgraph * graph);
// Do the caller's inputs keep their values from run to run? Engines of a foreign ggml write them all before each run,
// and count on their memory being used for something else after the last reader.
bool inputs_keep_values();
bool is_complete(const ggml_cgraph * graph); // false if nodes were lost because the graph was too small

} // namespace ggml_sched::host
