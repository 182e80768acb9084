// ggml-backend.h - devices, backends, buffers, events, and the backend scheduler.
// Names, signatures and meaning are ggml's.
//
// Objects: a device has buffer types, which are kinds of memory, and makes backends. A buffer is a piece of memory. A
// backend is one in-order queue of a device. An event is a point of a queue. A scheduler runs a graph over backends.
//
// Order: what is enqueued on a backend later runs later. Functions named ..._async, event_record and event_wait enqueue
// and return. synchronize blocks the host until everything enqueued on the backend is done. A backend without
// asynchronous operations works during the call. Only events, copies and the host order the queues of two backends.
//
// Ownership: the caller frees backends, buffers, events and schedulers. All other objects are never freed.
//
// Errors: nothing here aborts. Functions without a result log what is wrong and do nothing. If a device fails, the next
// computation on the backend returns an error.
//
// Threading: one thread at a time uses a backend, or a scheduler. Any thread may use all other objects.

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
// Buffer types
//

GGML_API const char *          ggml_backend_buft_name(ggml_backend_buffer_type_t buft);
// Returns NULL if memory runs out. The caller frees the buffer. `size` is in bytes; size 0 gives an empty buffer.
GGML_API ggml_backend_buffer_t ggml_backend_buft_alloc_buffer(ggml_backend_buffer_type_t buft, size_t size);
// These return bytes: the alignment of tensors, the most of one buffer, and what a tensor needs with its padding.
GGML_API size_t                ggml_backend_buft_get_alignment(ggml_backend_buffer_type_t buft);
GGML_API size_t                ggml_backend_buft_get_max_size(ggml_backend_buffer_type_t buft);
GGML_API size_t                ggml_backend_buft_get_alloc_size(ggml_backend_buffer_type_t buft, const struct ggml_tensor * tensor);
// True if host code may follow pointers into such buffers.
GGML_API bool                  ggml_backend_buft_is_host(ggml_backend_buffer_type_t buft);
// Returns NULL for plain host memory, which belongs to no device.
GGML_API ggml_backend_dev_t    ggml_backend_buft_get_device(ggml_backend_buffer_type_t buft);

//
// Buffers
//

enum ggml_backend_buffer_usage {
    GGML_BACKEND_BUFFER_USAGE_ANY     = 0,
    GGML_BACKEND_BUFFER_USAGE_WEIGHTS = 1, // The scheduler prefers to compute where the weights are.
    GGML_BACKEND_BUFFER_USAGE_COMPUTE = 2,
};

GGML_API const char *                   ggml_backend_buffer_name(ggml_backend_buffer_t buffer);
// Frees the buffer at once, so nothing may use it. NULL is allowed.
GGML_API void                           ggml_backend_buffer_free(ggml_backend_buffer_t buffer);
GGML_API void *                         ggml_backend_buffer_get_base(ggml_backend_buffer_t buffer);
GGML_API size_t                         ggml_backend_buffer_get_size(ggml_backend_buffer_t buffer);
GGML_API enum ggml_status               ggml_backend_buffer_init_tensor(ggml_backend_buffer_t buffer, struct ggml_tensor * tensor);
GGML_API size_t                         ggml_backend_buffer_get_alignment(ggml_backend_buffer_t buffer);
GGML_API size_t                         ggml_backend_buffer_get_max_size(ggml_backend_buffer_t buffer);
GGML_API size_t                         ggml_backend_buffer_get_alloc_size(ggml_backend_buffer_t buffer, const struct ggml_tensor * tensor);
// Sets all bytes, and returns when they are set.
GGML_API void                           ggml_backend_buffer_clear(ggml_backend_buffer_t buffer, uint8_t value);
GGML_API bool                           ggml_backend_buffer_is_host(ggml_backend_buffer_t buffer);
GGML_API void                           ggml_backend_buffer_set_usage(ggml_backend_buffer_t buffer, enum ggml_backend_buffer_usage usage);
GGML_API enum ggml_backend_buffer_usage ggml_backend_buffer_get_usage(ggml_backend_buffer_t buffer);
GGML_API ggml_backend_buffer_type_t     ggml_backend_buffer_get_type(ggml_backend_buffer_t buffer);
GGML_API void                           ggml_backend_buffer_reset(ggml_backend_buffer_t buffer);

// Places a tensor at an address in the buffer. Fails if the tensor does not fit there, has a place, or is a view.
GGML_API enum ggml_status ggml_backend_tensor_alloc(ggml_backend_buffer_t buffer, struct ggml_tensor * tensor, void * addr);
// Gives a view its place in the memory of its view_src. Fails if the view has a place, or its view_src has none.
GGML_API enum ggml_status ggml_backend_view_init(struct ggml_tensor * tensor);

//
// Data: `offset` and `size` are bytes within the tensor
//

// These return when the bytes have been moved, so they are ordered before everything that is enqueued later. They are
// not ordered with work in flight: such work must not write these bytes, and must not read bytes that are written here.
GGML_API void ggml_backend_tensor_set(struct ggml_tensor * tensor, const void * data, size_t offset, size_t size);
GGML_API void ggml_backend_tensor_get(const struct ggml_tensor * tensor, void * data, size_t offset, size_t size);
GGML_API void ggml_backend_tensor_memset(struct ggml_tensor * tensor, uint8_t value, size_t offset, size_t size);
GGML_API void ggml_backend_tensor_copy(const struct ggml_tensor * src, struct ggml_tensor * dst); // equal layouts
// These move n_copies pieces of `size` bytes. The strides are the bytes between pieces, in the tensor and in `data`.
GGML_API void ggml_backend_tensor_set_2d(struct ggml_tensor * tensor, const void * data, size_t offset, size_t size,
                                         size_t n_copies, size_t stride_tensor, size_t stride_data);
GGML_API void ggml_backend_tensor_get_2d(const struct ggml_tensor * tensor, void * data, size_t offset, size_t size,
                                         size_t n_copies, size_t stride_tensor, size_t stride_data);

// These enqueue on the backend. Until it is done, `data` must stay valid. For set it must not be changed, for get not
// be read. set may read `data` during the call, unless it is in the device's pinned memory
// (ggml_backend_dev_host_buffer_type). The caller may change the description of the tensor when the call returns. A
// backend without asynchronous operations waits for its work and moves the bytes during the call.
GGML_API void ggml_backend_tensor_set_async(ggml_backend_t backend, struct ggml_tensor * tensor, const void * data, size_t offset, size_t size);
GGML_API void ggml_backend_tensor_get_async(ggml_backend_t backend, const struct ggml_tensor * tensor, void * data, size_t offset, size_t size);
GGML_API void ggml_backend_tensor_set_2d_async(ggml_backend_t backend, struct ggml_tensor * tensor, const void * data,
                                               size_t offset, size_t size, size_t n_copies, size_t stride_tensor, size_t stride_data);
GGML_API void ggml_backend_tensor_get_2d_async(ggml_backend_t backend, const struct ggml_tensor * tensor, void * data,
                                               size_t offset, size_t size, size_t n_copies, size_t stride_tensor, size_t stride_data);

// The copy runs after everything that is queued on backend_src. What is queued on backend_dst later runs after the
// copy. Nothing else is ordered: the copy may run before earlier work on backend_dst, and after later work on
// backend_src (see the project's docs/memory-model.md). If the backends cannot copy asynchronously, both are
// synchronized and the bytes are copied during the call.
GGML_API void ggml_backend_tensor_copy_async(ggml_backend_t backend_src, ggml_backend_t backend_dst, const struct ggml_tensor * src,
                                             struct ggml_tensor * dst);

//
// Backends
//

GGML_API ggml_guid_t  ggml_backend_guid(ggml_backend_t backend); // is the same for all backends of one implementation
GGML_API bool         ggml_guid_matches(ggml_guid_t guid_a, ggml_guid_t guid_b);
GGML_API const char * ggml_backend_name(ggml_backend_t backend);
// Waits for the work of the backend and frees it. Its buffers and events stay. NULL is allowed.
GGML_API void         ggml_backend_free(ggml_backend_t backend);

GGML_API ggml_backend_dev_t         ggml_backend_get_device(ggml_backend_t backend);
// These use the buffer type of the backend's device. The caller frees the buffer. Sizes and alignment are in bytes.
GGML_API ggml_backend_buffer_type_t ggml_backend_get_default_buffer_type(ggml_backend_t backend);
GGML_API ggml_backend_buffer_t      ggml_backend_alloc_buffer(ggml_backend_t backend, size_t size);
GGML_API size_t                     ggml_backend_get_alignment(ggml_backend_t backend);
GGML_API size_t                     ggml_backend_get_max_size(ggml_backend_t backend);

// The host waits for everything that has been enqueued on the backend, and for nothing else.
GGML_API void ggml_backend_synchronize(ggml_backend_t backend);

// graph_compute returns when the graph is done, graph_compute_async when it is enqueued. The caller may then change the
// descriptions of the graph and its tensors. The memory of the tensors must stay until the graph is done. What a failed
// launch would have written is undefined. What was queued before it is executed. An error that a device reports late is
// returned once, by the next call.
GGML_API enum ggml_status ggml_backend_graph_compute(ggml_backend_t backend, struct ggml_cgraph * cgraph);
GGML_API enum ggml_status ggml_backend_graph_compute_async(ggml_backend_t backend, struct ggml_cgraph * cgraph);

// These ask the backend's device; see ggml_backend_dev_supports_op, _supports_buft and _offload_op.
GGML_API bool ggml_backend_supports_op(ggml_backend_t backend, const struct ggml_tensor * op);
GGML_API bool ggml_backend_supports_buft(ggml_backend_t backend, ggml_backend_buffer_type_t buft);
GGML_API bool ggml_backend_offload_op(ggml_backend_t backend, const struct ggml_tensor * op);

//
// Events: record marks what is queued on the backend so far, and replaces the earlier record. synchronize lets the host
// wait, and wait lets the backend's queue wait, for the record that is current at the call. Both do nothing if there is
// none. Backends of the event's own device may record it and wait for it. Backends of other devices may wait for it if
// the device says so. An event may outlive backends, and must stay until nothing that is queued uses it.
//

GGML_API ggml_backend_event_t ggml_backend_event_new(ggml_backend_dev_t device); // returns NULL if it has no events
GGML_API void                 ggml_backend_event_free(ggml_backend_event_t event); // NULL is allowed
GGML_API void                 ggml_backend_event_record(ggml_backend_event_t event, ggml_backend_t backend);
GGML_API void                 ggml_backend_event_synchronize(ggml_backend_event_t event);
GGML_API void                 ggml_backend_event_wait(ggml_backend_t backend, ggml_backend_event_t event);

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
    bool async;                // Operations are enqueued, not done during the call.
    bool host_buffer;          // The device has a buffer type of pinned host memory.
    bool buffer_from_host_ptr; // The device can use host memory that others allocated.
    bool events;               // The device has events.
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
// Makes a backend, which the caller frees. `params` may be NULL. Returns NULL on failure.
GGML_API ggml_backend_t             ggml_backend_dev_init(ggml_backend_dev_t device, const char * params);
GGML_API ggml_backend_buffer_type_t ggml_backend_dev_buffer_type(ggml_backend_dev_t device);
GGML_API ggml_backend_buffer_type_t ggml_backend_dev_host_buffer_type(ggml_backend_dev_t device); // NULL if it has none
// Makes a buffer of `size` bytes of the caller's memory at `ptr`, which must outlive it. Returns NULL on failure.
GGML_API ggml_backend_buffer_t      ggml_backend_dev_buffer_from_host_ptr(ggml_backend_dev_t device, void * ptr, size_t size,
                                                                          size_t max_tensor_size);
// True if the device can compute the operation, or can use the memory of the buffer type in place.
GGML_API bool                       ggml_backend_dev_supports_op(ggml_backend_dev_t device, const struct ggml_tensor * op);
GGML_API bool                       ggml_backend_dev_supports_buft(ggml_backend_dev_t device, ggml_backend_buffer_type_t buft);
// True if the device should compute the operation although its weights are in host memory.
GGML_API bool                       ggml_backend_dev_offload_op(ggml_backend_dev_t device, const struct ggml_tensor * op);

//
// Registries: each lists the devices of one implementation. The library's own register themselves at the first use.
// Functions return NULL for what does not exist. Names of registries and devices are compared without regard to case.
//

GGML_API const char *       ggml_backend_reg_name(ggml_backend_reg_t reg);
GGML_API size_t             ggml_backend_reg_dev_count(ggml_backend_reg_t reg);
GGML_API ggml_backend_dev_t ggml_backend_reg_dev_get(ggml_backend_reg_t reg, size_t index);
GGML_API void *             ggml_backend_reg_get_proc_address(ggml_backend_reg_t reg, const char * name);

// The type of the function "ggml_backend_set_n_threads"
typedef void (*ggml_backend_set_n_threads_t)(ggml_backend_t backend, int n_threads);

// These add a registry with its devices, or one device, which must stay. Adding them again does nothing.
GGML_API void ggml_backend_register(ggml_backend_reg_t reg);
GGML_API void ggml_backend_device_register(ggml_backend_dev_t device);

GGML_API size_t             ggml_backend_reg_count(void);
GGML_API ggml_backend_reg_t ggml_backend_reg_get(size_t index);
GGML_API ggml_backend_reg_t ggml_backend_reg_by_name(const char * name);

GGML_API size_t             ggml_backend_dev_count(void);
GGML_API ggml_backend_dev_t ggml_backend_dev_get(size_t index);
GGML_API ggml_backend_dev_t ggml_backend_dev_by_name(const char * name);
GGML_API ggml_backend_dev_t ggml_backend_dev_by_type(enum ggml_backend_dev_type type);

// These make a backend, or return NULL. The caller frees it. best takes a GPU, else an IGPU, else the CPU.
GGML_API ggml_backend_t ggml_backend_init_by_name(const char * name, const char * params);
GGML_API ggml_backend_t ggml_backend_init_by_type(enum ggml_backend_dev_type type, const char * params);
GGML_API ggml_backend_t ggml_backend_init_best(void);

// These work also without a CPU backend. The memory of `size` bytes at `ptr` must outlive the buffer.
GGML_API ggml_backend_buffer_t      ggml_backend_cpu_buffer_from_ptr(void * ptr, size_t size);
GGML_API ggml_backend_buffer_type_t ggml_backend_cpu_buffer_type(void);

//
// Scheduler: runs one graph over several backends.
//
//   sched = ggml_backend_sched_new(backends, NULL, n_backends, GGML_DEFAULT_GRAPH_SIZE, false, true);
//   ggml_backend_sched_reserve(sched, worst_case_graph);             // optional: sizes the buffers
//   for each batch:
//       ggml_backend_sched_reset(sched);                             // forgets the last graph
//       graph = build_graph(batch);
//       ggml_backend_sched_alloc_graph(sched, graph);
//       ggml_backend_tensor_set(input, ...);
//       ggml_backend_sched_graph_compute_async(sched, graph);        // the inputs may be overwritten from here on
//       ggml_backend_sched_synchronize(sched);
//       ggml_backend_tensor_get(output, ...);
//
// The description of a graph must stay until the scheduler is reset or synchronized, or is given another graph. An
// allocated graph can be run many times, and must not be changed. Its inputs keep their values until the caller writes
// them. Between calls the nodes have the operands that the caller built. They point at copies only during a call.
//
// Every function may be called in every state:
//   - alloc_graph may be called while a graph is allocated, the same one or another. Tensors that the scheduler has
//     placed before get new memory. Leafs that are in both graphs keep what the caller has written. For that the call
//     waits for what is in flight. A reset loses what the caller has written.
//   - ggml_sched_get_error says why a call has failed. If a graph cannot be allocated, the scheduler is as after a
//     reset. If a run fails, its graph stays allocated.
//   - A callback may call getters, setters of callbacks, ggml_sched_set_sync_mode, ggml_sched_set_verify and
//     ggml_backend_sched_synchronize of the scheduler that called it. All other functions are refused, with an error.
// The project's docs/memory-model.md has a table of them. ggml-sched.h has what only this scheduler offers.
//

typedef struct ggml_backend_sched * ggml_backend_sched_t;

// The eval callback. With ask == true it returns whether the caller wants to see the node `t`. With ask == false it is
// called when such a node has been computed, and the host has waited for the node and its operands. If it then returns
// false, nothing after that node is started, and the compute call returns GGML_STATUS_ABORTED.
typedef bool (*ggml_backend_sched_eval_callback)(struct ggml_tensor * t, bool ask, void * user_data);

// Makes a scheduler. `backends` are n_backends of the caller; the first has the highest priority, the last must be a
// CPU. They may be freed before the scheduler, if it is not used any more. A backend that is listed twice computes on
// its first place. `bufts` has the type of each backend's compute buffers; NULL means the defaults. graph_size has no
// effect: graphs of any size are taken. With `parallel` the scheduler keeps ggml_backend_sched_get_n_copies copies of
// the inputs, so that a run can start while earlier ones are in flight. With op_offload a device may run expensive
// operations whose weights are in host memory. Returns NULL, with the reason in the log, if memory runs out or an
// argument is wrong. A NULL backend, a wrong number of backends, and a last one that is no CPU are wrong. So is a type
// that its backend does not support.
GGML_API ggml_backend_sched_t ggml_backend_sched_new(ggml_backend_t * backends, ggml_backend_buffer_type_t * bufts, int n_backends,
                                                     size_t graph_size, bool parallel, bool op_offload);
// Waits by events for what is in flight, and frees the scheduler. It uses no backend, so the backends may be freed
// before. It does not wait for backends without events: synchronize or free these before. NULL is allowed. In a
// callback it frees nothing. A graph that it has allocated must not be used any more, except after
// ggml_sched_unalloc_graph.
GGML_API void ggml_backend_sched_free(ggml_backend_sched_t sched);

// Writes the bytes that each backend's compute buffer would need for the graph to sizes[n_backends]. A size is SIZE_MAX
// if no size_t can hold it, and 0 after an error. The call makes no buffer, and resets.
GGML_API void ggml_backend_sched_reserve_size(ggml_backend_sched_t sched, struct ggml_cgraph * measure_graph, size_t * sizes);
// Makes the compute buffers large enough for the graph, and resets. Before a buffer is replaced, the call waits for
// what uses it. Returns false if memory runs out or an operation has no backend.
GGML_API bool ggml_backend_sched_reserve(ggml_backend_sched_t sched, struct ggml_cgraph * measure_graph);

GGML_API int            ggml_backend_sched_get_n_backends(ggml_backend_sched_t sched);
GGML_API ggml_backend_t ggml_backend_sched_get_backend(ggml_backend_sched_t sched, int i); // NULL if i is wrong
GGML_API int            ggml_backend_sched_get_n_splits(ggml_backend_sched_t sched);       // of the last graph
GGML_API int            ggml_backend_sched_get_n_copies(ggml_backend_sched_t sched);       // 1 unless parallel

// These return the type and the bytes of a backend's compute buffer; NULL and 0 for a backend that the scheduler lacks.
GGML_API ggml_backend_buffer_type_t ggml_backend_sched_get_buffer_type(ggml_backend_sched_t sched, ggml_backend_t backend);
GGML_API size_t                     ggml_backend_sched_get_buffer_size(ggml_backend_sched_t sched, ggml_backend_t backend);

// set fixes where a node runs, until the next reset. A graph is refused if that backend does not support the node. For
// a view it has no effect. get returns NULL for a tensor that has no backend.
GGML_API void           ggml_backend_sched_set_tensor_backend(ggml_backend_sched_t sched, struct ggml_tensor * node, ggml_backend_t backend);
GGML_API ggml_backend_t ggml_backend_sched_get_tensor_backend(ggml_backend_sched_t sched, struct ggml_tensor * node);

// Assigns and splits the graph, and allocates nothing. A graph that was allocated loses its places.
GGML_API void ggml_backend_sched_split_graph(ggml_backend_sched_t sched, struct ggml_cgraph * graph);

// Gives every tensor of the graph its place. The caller may then write every tensor flagged INPUT: the call waits for
// runs that still use these bytes, or a buffer that must grow. A view that is flagged INPUT makes what it views an
// input, if no node computes that. Returns false if memory runs out, an operation has no backend, or a backend refuses
// a tensor. A node in memory of another scheduler, and an operand that is an earlier result without memory, are errors,
// too. After an error the scheduler is reset, and no tensor has memory of this call.
GGML_API bool ggml_backend_sched_alloc_graph(ggml_backend_sched_t sched, struct ggml_cgraph * graph);

// These run the graph. They allocate it first if it is not allocated, and refuse it if an input has lost its value.
// async returns when everything is enqueued. The host may then overwrite every tensor flagged INPUT, and other tensors
// only when nothing is in flight. A run is ordered after earlier runs on the bytes that both touch.
//
// Results may be read after synchronize. A result flagged OUTPUT may also be read by tensor_get_async on the backend
// that computed it, enqueued before the next run, allocation or reset. If the call fails, nothing is in flight, and
// what the run would have written is undefined. graph_compute also fails if this run fails on a device after its
// launch. Such a failure after graph_compute_async is told by the next synchronize, graph_compute or
// graph_compute_async, in the log and by ggml_sched_get_error. That call does its own work all the same.
GGML_API enum ggml_status ggml_backend_sched_graph_compute(ggml_backend_sched_t sched, struct ggml_cgraph * graph);
GGML_API enum ggml_status ggml_backend_sched_graph_compute_async(ggml_backend_sched_t sched, struct ggml_cgraph * graph);
GGML_API void             ggml_backend_sched_synchronize(ggml_backend_sched_t sched); // Waits for every backend.

// Forgets the graph, its places and the assignments, but keeps the buffers. It does not wait: later runs are ordered
// after what is in flight. Tensors must be neither read nor written until their graph is allocated again.
GGML_API void ggml_backend_sched_reset(ggml_backend_sched_t sched);

// Sets the eval callback of the next runs. NULL removes it.
GGML_API void ggml_backend_sched_set_eval_callback(ggml_backend_sched_t sched, ggml_backend_sched_eval_callback callback, void * user_data);

// The copy callback is asked before the scheduler copies a weight out of host memory to `backend`. It is called during
// the compute call, on its thread. `src` is the weight, `dst` its copy, `graph` the split that reads `dst`. All other
// inputs of that split, apart from weights, have been copied by then, or are queued on `backend`. It returns true if it
// has filled `dst`, or this run does not need `dst`. `dst` also serves later splits of the run that read `src` on
// `backend`. If it returns false, it must not have written `dst`. The scheduler then copies all of `src`, as it is at
// that moment.
//
// The callback may
//   - read, through `backend` (tensor_get_async), tensors of `graph` that earlier splits have computed, and
//     synchronize;
//   - enqueue on `backend` copies to `dst` and to its own tensors. If the graph reads these, their buffers must be
//     marked as weights;
//   - write, in host memory, the weights of this graph for which it is asked. It may also write any other part of a
//     buffer if it is asked for every weight that is copied from that buffer. The scheduler's own copies no longer read
//     these bytes. The callback must wait for copies that it has enqueued itself;
//   - call what the list of "every state" allows, above.
//
// While a callback is set, a split begins at each node that reads a weight in host memory, if the split before has
// inputs. Nodes for which the weight is the matrix of MUL_MAT or the experts of MUL_MAT_ID are excepted.
//
// The callback is not asked for weights that a device reads in host memory, nor for matrices and experts that are
// streamed (ggml_sched_set_streaming). It is not asked for experts of which the scheduler copies only those that the
// ids name. With streaming switched off (GGML_SCHED_STREAM_OFF), it is asked for every weight that is copied.
typedef bool (*ggml_backend_sched_copy_callback)(ggml_backend_t backend, const struct ggml_tensor * src, struct ggml_tensor * dst,
                                                 struct ggml_cgraph * graph, void * user_data);

// Sets the copy callback of the next runs. NULL removes it. If a graph is allocated and there was no callback before,
// the next run waits for what is in flight and allocates the graph again. The leafs of the graph keep their contents.
GGML_API void ggml_backend_sched_set_copy_callback(ggml_backend_sched_t sched, ggml_backend_sched_copy_callback callback, void * user_data);

// The realloc callback is called before a compute buffer that is too small for a graph is replaced, but not by reserve.
// backend_ids_changed is true if the graph before has as many tensors, and one was in another type of buffer.
// size_changed is true if the graph before has another number of tensors or copies. If both are false, a tensor has
// grown. The list of "every state" says what the callback may call.
//
// The switch GGML_SCHED_DEBUG_REALLOC (ggml_sched_set_debug_realloc) makes such an allocation fail: 1 if both values
// are false, 2 always.
typedef void (*ggml_backend_sched_realloc_callback)(ggml_backend_sched_t sched, struct ggml_cgraph * graph, bool backend_ids_changed,
                                                    bool size_changed, void * user_data);
GGML_API void ggml_backend_sched_set_realloc_callback(ggml_backend_sched_t sched, ggml_backend_sched_realloc_callback callback, void * user_data);

#ifdef __cplusplus
}
#endif
