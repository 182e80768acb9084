// ggml-backend-impl.h - what a backend implements. For backends; programs need none of it.
// Struct and member names are those of ggml's header of the same name, so that src/sched/host compiles against either.
// Members marked (optional) may be NULL.

#pragma once

#include "ggml-backend.h"

#ifdef __cplusplus
extern "C" {
#endif

#define GGML_BACKEND_API_VERSION 2

struct ggml_backend_buffer_type_i {
    const char * (*get_name)(ggml_backend_buffer_type_t buft);
    ggml_backend_buffer_t (*alloc_buffer)(ggml_backend_buffer_type_t buft, size_t size); // NULL when memory runs out
    size_t (*get_alignment)(ggml_backend_buffer_type_t buft);
    size_t (*get_max_size)(ggml_backend_buffer_type_t buft); // (optional) SIZE_MAX
    size_t (*get_alloc_size)(ggml_backend_buffer_type_t buft,
                             const struct ggml_tensor * tensor); // (optional) ggml_nbytes
    bool (*is_host)(ggml_backend_buffer_type_t buft);            // (optional) false
};

struct ggml_backend_buffer_type {
    struct ggml_backend_buffer_type_i iface;
    ggml_backend_dev_t device;
    void * context;
};

struct ggml_backend_buffer_i {
    void (*free_buffer)(ggml_backend_buffer_t buffer); // (optional)
    void * (*get_base)(ggml_backend_buffer_t buffer);
    enum ggml_status (*init_tensor)(ggml_backend_buffer_t buffer, struct ggml_tensor * tensor); // (optional)
    // These return when the bytes have been moved; bounds have been checked.
    void (*memset_tensor)(ggml_backend_buffer_t buffer, struct ggml_tensor * tensor, uint8_t value, size_t offset,
                          size_t size);
    void (*set_tensor)(ggml_backend_buffer_t buffer, struct ggml_tensor * tensor, const void * data, size_t offset,
                       size_t size);
    void (*get_tensor)(ggml_backend_buffer_t buffer, const struct ggml_tensor * tensor, void * data, size_t offset,
                       size_t size);
    void (*set_tensor_2d)(ggml_backend_buffer_t buffer, struct ggml_tensor * tensor, const void * data, size_t offset,
                          size_t size, size_t n_copies, size_t stride_tensor, size_t stride_data); // (optional)
    void (*get_tensor_2d)(ggml_backend_buffer_t buffer, const struct ggml_tensor * tensor, void * data, size_t offset,
                          size_t size, size_t n_copies, size_t stride_tensor, size_t stride_data); // (optional)
    // dst is in buffer, src anywhere; false if it cannot (optional)
    bool (*cpy_tensor)(ggml_backend_buffer_t buffer, const struct ggml_tensor * src, struct ggml_tensor * dst);
    void (*clear)(ggml_backend_buffer_t buffer, uint8_t value);
    void (*reset)(ggml_backend_buffer_t buffer); // (optional)
};

struct ggml_backend_buffer {
    struct ggml_backend_buffer_i iface;
    ggml_backend_buffer_type_t buft;
    void * context;
    size_t size;
    enum ggml_backend_buffer_usage usage;
};

// A buffer object around what a backend allocated; NULL when memory runs out (the backend then frees its context).
GGML_API ggml_backend_buffer_t ggml_backend_buffer_init(ggml_backend_buffer_type_t buft,
                                                        struct ggml_backend_buffer_i iface, void * context,
                                                        size_t size);

// What graph_optimize may ask for, besides another order
struct ggml_backend_graph_optimize_params {
    // `tensor` keeps its memory until `until`, a node of the same graph, is computed. If this is asked for several
    // times, the last of these nodes counts.
    void (*add_alloc_dep)(void * user_data, struct ggml_tensor * tensor, struct ggml_tensor * until);
    void * user_data; // the first argument of add_alloc_dep
};

struct ggml_backend_i {
    const char * (*get_name)(ggml_backend_t backend);
    void (*free)(ggml_backend_t backend);

    // (optional) asynchronous data access
    void (*set_tensor_async)(ggml_backend_t backend, struct ggml_tensor * tensor, const void * data, size_t offset,
                             size_t size);
    void (*get_tensor_async)(ggml_backend_t backend, const struct ggml_tensor * tensor, void * data, size_t offset,
                             size_t size);
    void (*set_tensor_2d_async)(ggml_backend_t backend, struct ggml_tensor * tensor, const void * data, size_t offset,
                                size_t size, size_t n_copies, size_t stride_tensor, size_t stride_data);
    void (*get_tensor_2d_async)(ggml_backend_t backend, const struct ggml_tensor * tensor, void * data, size_t offset,
                                size_t size, size_t n_copies, size_t stride_tensor, size_t stride_data);
    // (optional) false if this pair, or these tensors, cannot be copied this way: nothing has happened then
    bool (*cpy_tensor_async)(ggml_backend_t backend_src, ggml_backend_t backend_dst, const struct ggml_tensor * src,
                             struct ggml_tensor * dst);

    void (*synchronize)(ggml_backend_t backend); // (optional) for backends that do everything at once

    // Descriptions are read during the call only, here and above; an error that shows later is told by the next call.
    enum ggml_status (*graph_compute)(ggml_backend_t backend, struct ggml_cgraph * cgraph);

    // (optional)
    void (*event_record)(ggml_backend_t backend, ggml_backend_event_t event);
    void (*event_wait)(ggml_backend_t backend, ggml_backend_event_t event);

    // (optional) may reorder the nodes of a split, and ask for memory that is kept for longer
    void (*graph_optimize)(ggml_backend_t backend, struct ggml_cgraph * cgraph,
                           struct ggml_backend_graph_optimize_params * params);
};

struct ggml_backend {
    ggml_guid_t guid;
    struct ggml_backend_i iface;
    ggml_backend_dev_t device;
    void * context;
};

struct ggml_backend_event {
    struct ggml_backend_device * device;
    void * context;
};

struct ggml_backend_device_i {
    const char * (*get_name)(ggml_backend_dev_t dev);
    const char * (*get_description)(ggml_backend_dev_t dev);
    void (*get_memory)(ggml_backend_dev_t dev, size_t * free, size_t * total);
    enum ggml_backend_dev_type (*get_type)(ggml_backend_dev_t dev);
    void (*get_props)(ggml_backend_dev_t dev, struct ggml_backend_dev_props * props);
    ggml_backend_t (*init_backend)(ggml_backend_dev_t dev, const char * params);
    ggml_backend_buffer_type_t (*get_buffer_type)(ggml_backend_dev_t dev);
    ggml_backend_buffer_type_t (*get_host_buffer_type)(ggml_backend_dev_t dev); // (optional)
    ggml_backend_buffer_t (*buffer_from_host_ptr)(ggml_backend_dev_t dev, void * ptr, size_t size,
                                                  size_t max_tensor_size); // (optional)
    bool (*supports_op)(ggml_backend_dev_t dev, const struct ggml_tensor * op);
    bool (*supports_buft)(ggml_backend_dev_t dev, ggml_backend_buffer_type_t buft);
    bool (*offload_op)(ggml_backend_dev_t dev, const struct ggml_tensor * op);     // (optional) false
    ggml_backend_event_t (*event_new)(ggml_backend_dev_t dev);                     // (optional)
    void (*event_free)(ggml_backend_dev_t dev, ggml_backend_event_t event);        // (optional)
    void (*event_synchronize)(ggml_backend_dev_t dev, ggml_backend_event_t event); // (optional)
};

struct ggml_backend_device {
    struct ggml_backend_device_i iface;
    ggml_backend_reg_t reg;
    void * context;
};

struct ggml_backend_reg_i {
    const char * (*get_name)(ggml_backend_reg_t reg);
    size_t (*get_device_count)(ggml_backend_reg_t reg);
    ggml_backend_dev_t (*get_device)(ggml_backend_reg_t reg, size_t index);
    void * (*get_proc_address)(ggml_backend_reg_t reg, const char * name); // (optional)
};

struct ggml_backend_reg {
    int api_version; // GGML_BACKEND_API_VERSION
    struct ggml_backend_reg_i iface;
    void * context;
};

// What the scheduler asks a registry for, by get_proc_address, to know more than the interface says.

// "ggml_backend_event_reaches": may a backend of `waiter` wait for an event of `recorder`? Without it: only if both are
// the same device.
typedef bool (*ggml_backend_event_reaches_t)(ggml_backend_dev_t recorder, ggml_backend_dev_t waiter);

// "ggml_backend_copy_queue": on whose queue does cpy_tensor_async from src to dst run? Without it nothing is assumed.
enum ggml_backend_copy_queue {
    GGML_BACKEND_COPY_QUEUE_NONE = 0, // the pair is refused
    GGML_BACKEND_COPY_QUEUE_SOURCE = 1,
    GGML_BACKEND_COPY_QUEUE_DESTINATION = 2,
    GGML_BACKEND_COPY_QUEUE_UNKNOWN = 3,
};
typedef enum ggml_backend_copy_queue (*ggml_backend_copy_queue_t)(ggml_backend_dev_t src, ggml_backend_dev_t dst);

// "ggml_backend_sets_ranges": may set_tensor_async of the device's backends be given a tensor of bytes, GGML_TYPE_I8 of
// one dimension, that lies over several tensors of a buffer and what is between them, and was not initialized in it? It
// does not outlive the call. Such tensors are also given to cpy_tensor_async, with one backend as the source and the
// destination: it copies between two places of its device, in the order of its queue, or returns false. Without this
// function: no.
typedef bool (*ggml_backend_sets_ranges_t)(ggml_backend_dev_t device);

// "ggml_backend_host_writes": does the host reach the device's memory, so that a blocking write of a small tensor is
// one of the CPU, and waits for no queue? Small inputs are then written in this way where nothing has to be waited for.
// Without this function: no.
typedef bool (*ggml_backend_host_writes_t)(ggml_backend_dev_t device);

// "ggml_backend_take_failure": the status of operations that have failed on a backend when they were executed, and that
// no call of this function has told; GGML_STATUS_SUCCESS if there are none. `mark`: in, a number that is given to what
// is enqueued on the backend from now on (0 before the first call); out, unless it returns SUCCESS, the number of the
// last operation that failed. A backend that cannot tell gives the current one, as it was before the call. A launch
// that was refused for such a failure can be repeated after this call. Without it, only launches tell of failures.
typedef enum ggml_status (*ggml_backend_take_failure_t)(ggml_backend_t backend, uint64_t * mark);

// For traces. A device that knows when its operations run offers both of these, or neither.
//
// "ggml_backend_clock_us": the time, in microseconds, of a clock that the devices of this registry share with the host.
typedef double (*ggml_backend_clock_us_t)(void);

// "ggml_backend_last_operation_times": when, on that clock, the operation that was enqueued last on a backend starts
// and finishes. For a wait: when the queue comes to it, and when it is over. Neither waits nor lets anything execute.
// False, and nothing written, if that is not known.
typedef bool (*ggml_backend_last_operation_times_t)(ggml_backend_t backend, double * start_us, double * finish_us);

#ifdef __cplusplus
}
#endif
