// ggml-backend.h - devices, backends, buffers, events, and the backend scheduler.
// Names, signatures and meaning are ggml's.
//
// The model in five lines
//   A device has memory (buffer types) and makes backends. A backend is one in-order queue: what is enqueued later runs
//   later. graph_compute_async, tensor_set_async, tensor_get_async, event_record and event_wait enqueue and return;
//   synchronize blocks the host until everything enqueued so far is done. A backend without asynchronous operations
//   does all of it at once, and returns when done. Queues of different backends run in no order but the one that events,
//   copies and the host make.
//
// Errors
//   Nothing here aborts. Functions without a result log what is wrong and do nothing. A device that fails says so in the
//   ggml_status of the next computation.
//
// Threading
//   A backend belongs to one thread at a time; so does a scheduler. Devices, buffer types and the registry may be used
//   from any thread.

#pragma once

#include "ggml-alloc.h"
#include "ggml.h"

#define GGML_BACKEND_API GGML_API

#ifdef __cplusplus
extern "C" {
#endif

typedef uint8_t   ggml_guid[16];
typedef ggml_guid * ggml_guid_t;

typedef struct ggml_backend_buffer_type * ggml_backend_buffer_type_t;
typedef struct ggml_backend_buffer *      ggml_backend_buffer_t;
typedef struct ggml_backend_event *       ggml_backend_event_t;
typedef struct ggml_backend *             ggml_backend_t;
typedef struct ggml_backend_reg *         ggml_backend_reg_t;
typedef struct ggml_backend_device *      ggml_backend_dev_t;

//
// Buffer types: kinds of memory. They belong to their device and are never freed.
//

GGML_API const char *          ggml_backend_buft_name(ggml_backend_buffer_type_t buft);
// NULL when memory runs out. The caller frees the buffer. size 0 gives an empty buffer.
GGML_API ggml_backend_buffer_t ggml_backend_buft_alloc_buffer(ggml_backend_buffer_type_t buft, size_t size);
GGML_API size_t                ggml_backend_buft_get_alignment(ggml_backend_buffer_type_t buft);  // bytes
GGML_API size_t                ggml_backend_buft_get_max_size(ggml_backend_buffer_type_t buft);   // bytes of one buffer
GGML_API size_t                ggml_backend_buft_get_alloc_size(ggml_backend_buffer_type_t buft, const struct ggml_tensor * tensor);
GGML_API bool                  ggml_backend_buft_is_host(ggml_backend_buffer_type_t buft);        // host code may follow its pointers
GGML_API ggml_backend_dev_t    ggml_backend_buft_get_device(ggml_backend_buffer_type_t buft);     // NULL for plain host memory of no device

//
// Buffers: pieces of memory
//

enum ggml_backend_buffer_usage {
    GGML_BACKEND_BUFFER_USAGE_ANY     = 0,
    GGML_BACKEND_BUFFER_USAGE_WEIGHTS = 1, // the scheduler prefers to compute where the weights are
    GGML_BACKEND_BUFFER_USAGE_COMPUTE = 2,
};

GGML_API const char *                   ggml_backend_buffer_name(ggml_backend_buffer_t buffer);
GGML_API void                           ggml_backend_buffer_free(ggml_backend_buffer_t buffer); // NULL is allowed; nothing may be using it
GGML_API void *                         ggml_backend_buffer_get_base(ggml_backend_buffer_t buffer);
GGML_API size_t                         ggml_backend_buffer_get_size(ggml_backend_buffer_t buffer);
GGML_API enum ggml_status               ggml_backend_buffer_init_tensor(ggml_backend_buffer_t buffer, struct ggml_tensor * tensor);
GGML_API size_t                         ggml_backend_buffer_get_alignment(ggml_backend_buffer_t buffer);
GGML_API size_t                         ggml_backend_buffer_get_max_size(ggml_backend_buffer_t buffer);
GGML_API size_t                         ggml_backend_buffer_get_alloc_size(ggml_backend_buffer_t buffer, const struct ggml_tensor * tensor);
GGML_API void                           ggml_backend_buffer_clear(ggml_backend_buffer_t buffer, uint8_t value); // blocks
GGML_API bool                           ggml_backend_buffer_is_host(ggml_backend_buffer_t buffer);
GGML_API void                           ggml_backend_buffer_set_usage(ggml_backend_buffer_t buffer, enum ggml_backend_buffer_usage usage);
GGML_API enum ggml_backend_buffer_usage ggml_backend_buffer_get_usage(ggml_backend_buffer_t buffer);
GGML_API ggml_backend_buffer_type_t     ggml_backend_buffer_get_type(ggml_backend_buffer_t buffer);
GGML_API void                           ggml_backend_buffer_reset(ggml_backend_buffer_t buffer);

// Places a tensor at addr in buffer. FAILED if it does not fit there or already has a place.
GGML_API enum ggml_status ggml_backend_tensor_alloc(ggml_backend_buffer_t buffer, struct ggml_tensor * tensor, void * addr);
// Gives a view its place, from its view_src.
GGML_API enum ggml_status ggml_backend_view_init(struct ggml_tensor * tensor);

//
// Data. offset and size are bytes within the tensor.
//

// These return when the bytes have been moved, and come before everything that any queue is told later. They are ordered
// with nothing that is in flight: the caller makes sure that none of it writes the bytes (or reads them, for set, memset
// and copy).
GGML_API void ggml_backend_tensor_set(struct ggml_tensor * tensor, const void * data, size_t offset, size_t size);
GGML_API void ggml_backend_tensor_get(const struct ggml_tensor * tensor, void * data, size_t offset, size_t size);
GGML_API void ggml_backend_tensor_memset(struct ggml_tensor * tensor, uint8_t value, size_t offset, size_t size);
GGML_API void ggml_backend_tensor_copy(const struct ggml_tensor * src, struct ggml_tensor * dst); // the same layout
// n_copies pieces of size bytes, at the given strides (bytes) in the tensor and in data
GGML_API void ggml_backend_tensor_set_2d(struct ggml_tensor * tensor, const void * data, size_t offset, size_t size,
                                         size_t n_copies, size_t stride_tensor, size_t stride_data);
GGML_API void ggml_backend_tensor_get_2d(const struct ggml_tensor * tensor, void * data, size_t offset, size_t size,
                                         size_t n_copies, size_t stride_tensor, size_t stride_data);

// These enqueue on backend. data must stay valid, and unchanged (set) or unread (get), until the backend is done with it.
// set may read data during the call already, unless it is in the device's pinned memory (ggml_backend_dev_host_buffer_type):
// it must be ready then. The description of the tensor is the caller's again when the call returns.
// A backend without asynchronous operations waits for its work and moves the bytes at once.
GGML_API void ggml_backend_tensor_set_async(ggml_backend_t backend, struct ggml_tensor * tensor, const void * data, size_t offset, size_t size);
GGML_API void ggml_backend_tensor_get_async(ggml_backend_t backend, const struct ggml_tensor * tensor, void * data, size_t offset, size_t size);
GGML_API void ggml_backend_tensor_set_2d_async(ggml_backend_t backend, struct ggml_tensor * tensor, const void * data,
                                               size_t offset, size_t size, size_t n_copies, size_t stride_tensor, size_t stride_data);
GGML_API void ggml_backend_tensor_get_2d_async(ggml_backend_t backend, const struct ggml_tensor * tensor, void * data,
                                               size_t offset, size_t size, size_t n_copies, size_t stride_tensor, size_t stride_data);

// The copy runs after everything queued on backend_src; what is queued on backend_dst later runs after the copy.
// Nothing is promised about work that is already queued on backend_dst, nor about who may overwrite src meanwhile: that
// depends on the queue on which the pair copies (docs/memory-model.md).
// Where the backends cannot do it, both are synchronized and the bytes are copied at once.
GGML_API void ggml_backend_tensor_copy_async(ggml_backend_t backend_src, ggml_backend_t backend_dst, const struct ggml_tensor * src,
                                             struct ggml_tensor * dst);

//
// Backends: queues
//

GGML_API ggml_guid_t  ggml_backend_guid(ggml_backend_t backend); // tells implementations apart
GGML_API bool         ggml_guid_matches(ggml_guid_t guid_a, ggml_guid_t guid_b);
GGML_API const char * ggml_backend_name(ggml_backend_t backend);
GGML_API void         ggml_backend_free(ggml_backend_t backend); // waits for its work; buffers and events stay; NULL is allowed

GGML_API ggml_backend_dev_t         ggml_backend_get_device(ggml_backend_t backend);
GGML_API ggml_backend_buffer_type_t ggml_backend_get_default_buffer_type(ggml_backend_t backend);
GGML_API ggml_backend_buffer_t      ggml_backend_alloc_buffer(ggml_backend_t backend, size_t size);
GGML_API size_t                     ggml_backend_get_alignment(ggml_backend_t backend);
GGML_API size_t                     ggml_backend_get_max_size(ggml_backend_t backend);

// The host waits for everything that has been enqueued on the backend, and for nothing else.
GGML_API void ggml_backend_synchronize(ggml_backend_t backend);

// graph_compute returns when the graph is done, graph_compute_async as soon as it is enqueued. The descriptions of the graph
// and its tensors are the caller's again then; the bytes must stay until it is done. What a failed launch would have
// written is undefined; what was queued before it is executed. An error that a device reports late is returned by the next
// call, once.
GGML_API enum ggml_status ggml_backend_graph_compute(ggml_backend_t backend, struct ggml_cgraph * cgraph);
GGML_API enum ggml_status ggml_backend_graph_compute_async(ggml_backend_t backend, struct ggml_cgraph * cgraph);

GGML_API bool ggml_backend_supports_op(ggml_backend_t backend, const struct ggml_tensor * op);
GGML_API bool ggml_backend_supports_buft(ggml_backend_t backend, ggml_backend_buffer_type_t buft);
GGML_API bool ggml_backend_offload_op(ggml_backend_t backend, const struct ggml_tensor * op);

//
// Events: points in a queue. record marks what is queued on backend so far, and replaces the record before; wait and
// synchronize bind to the record that is current when they are called, and do nothing if there is none. An event may be
// recorded by backends of its own device, and waited for by these and by those of other devices where the device says so.
// It outlives backends, and must stay until nothing that is queued uses it.
//

GGML_API ggml_backend_event_t ggml_backend_event_new(ggml_backend_dev_t device); // NULL where the device has none
GGML_API void                 ggml_backend_event_free(ggml_backend_event_t event); // NULL is allowed
GGML_API void                 ggml_backend_event_record(ggml_backend_event_t event, ggml_backend_t backend);
GGML_API void                 ggml_backend_event_synchronize(ggml_backend_event_t event); // the host waits
GGML_API void                 ggml_backend_event_wait(ggml_backend_t backend, ggml_backend_event_t event); // the queue waits

//
// Devices
//

enum ggml_backend_dev_type {
    GGML_BACKEND_DEVICE_TYPE_CPU,
    GGML_BACKEND_DEVICE_TYPE_GPU,
    GGML_BACKEND_DEVICE_TYPE_IGPU,
    GGML_BACKEND_DEVICE_TYPE_ACCEL,
    GGML_BACKEND_DEVICE_TYPE_META,
};

struct ggml_backend_dev_caps {
    bool async;                // operations are enqueued, not done at once
    bool host_buffer;          // has a buffer type of pinned host memory
    bool buffer_from_host_ptr; // can use host memory that others allocated
    bool events;
};

struct ggml_backend_dev_props {
    const char *               name;
    const char *               description;
    size_t                     memory_free;  // bytes
    size_t                     memory_total; // bytes
    enum ggml_backend_dev_type type;
    const char *               device_id; // NULL if unknown
    struct ggml_backend_dev_caps caps;
};

GGML_API const char *               ggml_backend_dev_name(ggml_backend_dev_t device);
GGML_API const char *               ggml_backend_dev_description(ggml_backend_dev_t device);
GGML_API void                       ggml_backend_dev_memory(ggml_backend_dev_t device, size_t * free, size_t * total);
GGML_API enum ggml_backend_dev_type ggml_backend_dev_type(ggml_backend_dev_t device);
GGML_API void                       ggml_backend_dev_get_props(ggml_backend_dev_t device, struct ggml_backend_dev_props * props);
GGML_API ggml_backend_reg_t         ggml_backend_dev_backend_reg(ggml_backend_dev_t device);
GGML_API ggml_backend_t             ggml_backend_dev_init(ggml_backend_dev_t device, const char * params); // NULL on failure
GGML_API ggml_backend_buffer_type_t ggml_backend_dev_buffer_type(ggml_backend_dev_t device);
GGML_API ggml_backend_buffer_type_t ggml_backend_dev_host_buffer_type(ggml_backend_dev_t device); // NULL if it has none
GGML_API ggml_backend_buffer_t      ggml_backend_dev_buffer_from_host_ptr(ggml_backend_dev_t device, void * ptr, size_t size,
                                                                          size_t max_tensor_size);
GGML_API bool                       ggml_backend_dev_supports_op(ggml_backend_dev_t device, const struct ggml_tensor * op);
GGML_API bool                       ggml_backend_dev_supports_buft(ggml_backend_dev_t device, ggml_backend_buffer_type_t buft);
GGML_API bool                       ggml_backend_dev_offload_op(ggml_backend_dev_t device, const struct ggml_tensor * op);

//
// Registry. The backends that the library was built with register themselves at the first use.
//

GGML_API const char *       ggml_backend_reg_name(ggml_backend_reg_t reg);
GGML_API size_t             ggml_backend_reg_dev_count(ggml_backend_reg_t reg);
GGML_API ggml_backend_dev_t ggml_backend_reg_dev_get(ggml_backend_reg_t reg, size_t index); // NULL outside
GGML_API void *             ggml_backend_reg_get_proc_address(ggml_backend_reg_t reg, const char * name); // NULL if unknown

typedef void (*ggml_backend_set_n_threads_t)(ggml_backend_t backend, int n_threads);

GGML_API void ggml_backend_register(ggml_backend_reg_t reg);
GGML_API void ggml_backend_device_register(ggml_backend_dev_t device);

GGML_API size_t             ggml_backend_reg_count(void);
GGML_API ggml_backend_reg_t ggml_backend_reg_get(size_t index); // NULL outside
GGML_API ggml_backend_reg_t ggml_backend_reg_by_name(const char * name); // names do not depend on case; NULL if unknown

GGML_API size_t             ggml_backend_dev_count(void);
GGML_API ggml_backend_dev_t ggml_backend_dev_get(size_t index);
GGML_API ggml_backend_dev_t ggml_backend_dev_by_name(const char * name);
GGML_API ggml_backend_dev_t ggml_backend_dev_by_type(enum ggml_backend_dev_type type);

GGML_API ggml_backend_t ggml_backend_init_by_name(const char * name, const char * params);
GGML_API ggml_backend_t ggml_backend_init_by_type(enum ggml_backend_dev_type type, const char * params);
GGML_API ggml_backend_t ggml_backend_init_best(void); // a GPU, else an IGPU, else the CPU

// CPU memory is always there.
GGML_API ggml_backend_buffer_t      ggml_backend_cpu_buffer_from_ptr(void * ptr, size_t size); // the caller keeps ptr alive
GGML_API ggml_backend_buffer_type_t ggml_backend_cpu_buffer_type(void);

//
// Scheduler: runs one graph over several backends.
//
//   sched = ggml_backend_sched_new(backends, NULL, n_backends, GGML_DEFAULT_GRAPH_SIZE, false, true);
//   ggml_backend_sched_reserve(sched, worst_case_graph);             // optional: sizes the buffers
//   for each batch:
//       ggml_backend_sched_reset(sched);                             // forget the last graph
//       graph = build_graph(batch);
//       ggml_backend_sched_alloc_graph(sched, graph);
//       ggml_backend_tensor_set(input, ...);
//       ggml_backend_sched_graph_compute_async(sched, graph);        // the inputs may be overwritten from here on
//       ggml_backend_sched_synchronize(sched);
//       ggml_backend_tensor_get(output, ...);
//
// A graph's description must stay until the scheduler is reset or synchronized, or is given another graph. An allocated
// graph can be run many times. Its inputs keep their values until the caller writes them. It must not be changed.
// Between calls the nodes have the operands that the caller built. They point at the scheduler's copies only during a call.
//
// Every function may be called in every state. docs/memory-model.md has the table of states and calls. In short:
//   - alloc_graph may be called while a graph is allocated, the same one or another. Tensors that the scheduler has placed
//     before get new memory. What the caller has written into leafs of the allocated graph is kept for those that are in
//     the new graph, too. After a reset it is lost.
//   - A call that fails says why: ggml_sched_get_error. If it was given a graph, the scheduler is then as after a reset.
//   - A callback may call getters, setters of callbacks, ggml_sched_set_sync_mode, ggml_sched_set_verify and
//     ggml_backend_sched_synchronize of the scheduler that called it. All other functions are refused, with an error.
// ggml-sched.h has what only this scheduler offers: modes, statistics, plans.
//

typedef struct ggml_backend_sched * ggml_backend_sched_t;

// Asked with ask == true, for each node: does the caller want to see it? Called with ask == false when such a node has
// been computed and the host has waited for it; returning false then ends the run: nothing after that node is started
// and the compute call returns GGML_STATUS_ABORTED.
typedef bool (*ggml_backend_sched_eval_callback)(struct ggml_tensor * t, bool ask, void * user_data);

// backends: n_backends of them, the first has the highest priority, the last must be a CPU. They stay the caller's; they
// may be freed before the scheduler, but not be used through it then.
// bufts: the buffer type for each backend's intermediate results, or NULL for the defaults.
// graph_size: a hint for the number of nodes and leafs; larger graphs are taken too.
// parallel: keep several copies of the inputs (ggml_backend_sched_get_n_copies), so that a run can start while earlier ones
// are in flight. op_offload: let a device run expensive operations whose weights are in host memory.
// NULL, with the reason in the log: no backends or too many, a NULL backend, the last one no CPU, a buffer type that its
// backend does not support, or no memory. A backend may be listed twice: it then computes on its first place.
GGML_API ggml_backend_sched_t ggml_backend_sched_new(ggml_backend_t * backends, ggml_backend_buffer_type_t * bufts, int n_backends,
                                                     size_t graph_size, bool parallel, bool op_offload);
// Waits for what is in flight, by events: it touches no backend, so these may be gone. What has been enqueued on backends
// without events is not waited for: synchronize, or free these backends, before. NULL is allowed. A graph that it has
// allocated must not be used any more, except after ggml_sched_unalloc_graph. In a callback it frees nothing.
GGML_API void ggml_backend_sched_free(ggml_backend_sched_t sched);

// Writes the bytes that each backend's buffer would need for the graph to sizes[n_backends]: SIZE_MAX if no size_t can
// hold them, 0 after an error. Allocates nothing, and resets.
GGML_API void ggml_backend_sched_reserve_size(ggml_backend_sched_t sched, struct ggml_cgraph * measure_graph, size_t * sizes);
// Waits for what is in flight, makes the buffers large enough for the graph, and resets. False when memory runs out or an
// operation has no backend.
GGML_API bool ggml_backend_sched_reserve(ggml_backend_sched_t sched, struct ggml_cgraph * measure_graph);

GGML_API int            ggml_backend_sched_get_n_backends(ggml_backend_sched_t sched);
GGML_API ggml_backend_t ggml_backend_sched_get_backend(ggml_backend_sched_t sched, int i); // NULL outside
GGML_API int            ggml_backend_sched_get_n_splits(ggml_backend_sched_t sched);       // of the last graph
GGML_API int            ggml_backend_sched_get_n_copies(ggml_backend_sched_t sched);       // 1 unless parallel

GGML_API ggml_backend_buffer_type_t ggml_backend_sched_get_buffer_type(ggml_backend_sched_t sched, ggml_backend_t backend);
GGML_API size_t                     ggml_backend_sched_get_buffer_size(ggml_backend_sched_t sched, ggml_backend_t backend); // bytes

// Fixes where a node runs, until the next reset. The graph is refused if that backend does not support the node. get
// returns NULL for a tensor that has no backend (yet).
GGML_API void           ggml_backend_sched_set_tensor_backend(ggml_backend_sched_t sched, struct ggml_tensor * node, ggml_backend_t backend);
GGML_API ggml_backend_t ggml_backend_sched_get_tensor_backend(ggml_backend_sched_t sched, struct ggml_tensor * node);

// Assigns and splits without allocating.
GGML_API void ggml_backend_sched_split_graph(ggml_backend_sched_t sched, struct ggml_cgraph * graph);

// Gives every tensor of the graph its place. The caller may write every tensor flagged INPUT then: where earlier runs
// still use those bytes, the call has waited for exactly that. If a buffer has to grow, it waits for what is in flight and uses that buffer.
// A view that is flagged INPUT makes what it views an input, if no node computes that.
// False: memory ran out, an operation has no backend, a backend has refused a tensor, or the graph cannot be known: one of
// its nodes lies in memory of another scheduler, or it reads a result of an earlier graph that has lost its memory. The
// scheduler is reset and can be used again; tensors have no memory that it had given them.
GGML_API bool ggml_backend_sched_alloc_graph(ggml_backend_sched_t sched, struct ggml_cgraph * graph);

// Run the graph, allocating it first if that has not been done. async returns when everything is enqueued and the
// caller may overwrite, from the host, every tensor flagged INPUT; other tensors only when nothing is in flight. The run is
// ordered after earlier ones on the bytes that both touch. Results may be read after synchronize; those flagged OUTPUT
// also with tensor_get_async on the backend that computed them, enqueued before the next run, allocation or reset.
// On an error the scheduler waits for what is in flight and stays usable; what the run would have written is undefined.
// graph_compute also fails if this run fails on a device after it has been launched. graph_compute_async cannot know
// that: the next call of synchronize, graph_compute or graph_compute_async tells it, by ggml_sched_get_error and in the
// log, and is carried out all the same.
// A graph that is not allocated any more, and whose inputs have lost their values by that, is refused.
GGML_API enum ggml_status ggml_backend_sched_graph_compute(ggml_backend_sched_t sched, struct ggml_cgraph * graph);
GGML_API enum ggml_status ggml_backend_sched_graph_compute_async(ggml_backend_sched_t sched, struct ggml_cgraph * graph);
GGML_API void             ggml_backend_sched_synchronize(ggml_backend_sched_t sched); // waits for every backend

// Forgets the graph, its assignments and its places (not the buffers): call it before changing assignments or allocating
// another graph. Does not wait: work in flight stays protected. Tensors that were allocated must be neither read nor
// written from then on, until their graph is allocated again.
GGML_API void ggml_backend_sched_reset(ggml_backend_sched_t sched);

// NULL ends the observation.
GGML_API void ggml_backend_sched_set_eval_callback(ggml_backend_sched_t sched, ggml_backend_sched_eval_callback callback, void * user_data);

// Asked before the scheduler copies a weight out of host memory to `backend`, during the compute call and on its thread.
// `src` is the weight, `dst` its copy, `graph` the split that reads `dst`. All other inputs of that split, apart from
// weights, have been copied by then, or are queued on `backend`. True: the callback has filled `dst`, or this run does
// not need it. `dst` also serves later splits of the run that read `src` on `backend`. False: the callback has not
// written `dst`; the scheduler copies all of `src`, as it is at that moment.
//
// The callback may
//   - read tensors of `graph` that earlier splits have computed, through `backend` (tensor_get_async), and synchronize it;
//   - enqueue on `backend` copies to `dst` and to its own tensors, in buffers marked as weights if the graph reads them;
//   - write, in host memory, the weights of this graph for which it is asked. It may also write any other part of a
//     buffer if it is asked for every weight that is copied from that buffer. The scheduler's own copies no longer read
//     these bytes. Copies that the callback enqueued may still read them; the callback waits for those.
// The callback may call what is listed above, at "every state".
//
// A graph that runs while a callback is set begins a split at each node that reads a weight in host memory other than as
// the matrix of MUL_MAT or the experts of MUL_MAT_ID, if the split before has inputs.
//
// The callback is not asked for matrices and experts that are streamed (ggml_sched_set_streaming), for experts of which
// the scheduler copies only those that the ids name, and for weights that a device reads in host memory. With streaming
// switched off (GGML_SCHED_STREAM_OFF), it is asked for every weight that is copied.
typedef bool (*ggml_backend_sched_copy_callback)(ggml_backend_t backend, const struct ggml_tensor * src, struct ggml_tensor * dst,
                                                 struct ggml_cgraph * graph, void * user_data);

// Takes effect with the next run. If a graph is allocated and there was no callback before, that run waits for what is in
// flight and allocates the graph again. The leafs of the graph keep their contents. NULL removes the callback.
GGML_API void ggml_backend_sched_set_copy_callback(ggml_backend_sched_t sched, ggml_backend_sched_copy_callback callback, void * user_data);

// alloc_graph calls it before it replaces a compute buffer that is too small for the graph; reserve does not call it.
// backend_ids_changed: a tensor is in another type of buffer than in the graph before (of the same number of tensors).
// size_changed: the graph has another number of tensors or copies than the one before. If both are false, a tensor has
// grown. What the callback may call of the scheduler is said above, at "every state".
//
// GGML_SCHED_DEBUG_REALLOC in the environment, or ggml_sched_set_debug_realloc, lets alloc_graph fail with an error: 1 if
// both would be false, 2 at every such replacement.
typedef void (*ggml_backend_sched_realloc_callback)(ggml_backend_sched_t sched, struct ggml_cgraph * graph, bool backend_ids_changed,
                                                    bool size_changed, void * user_data);
GGML_API void ggml_backend_sched_set_realloc_callback(ggml_backend_sched_t sched, ggml_backend_sched_realloc_callback callback, void * user_data);

#ifdef __cplusplus
}
#endif
