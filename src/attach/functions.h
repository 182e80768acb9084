// functions.h - the functions of ggml that the attach library calls. It finds them when it runs, by their names.
//
// Each list is a macro that applies X to every function.

#pragma once

// clang-format off

// The scheduler calls these. A ggml that lacks one cannot be attached.
#define GGML_SCHED_CALLED_FUNCTIONS(X) \
    X(ggml_are_same_shape) X(ggml_backend_buffer_clear) X(ggml_is_contiguous) X(ggml_type_size)                        \
    X(ggml_backend_buffer_free) X(ggml_backend_buffer_get_alloc_size) X(ggml_backend_buffer_get_base)                  \
    X(ggml_backend_buffer_get_size) X(ggml_backend_buffer_get_type) X(ggml_backend_buffer_get_usage)                   \
    X(ggml_backend_buffer_init_tensor) X(ggml_backend_buffer_is_host) X(ggml_backend_buffer_reset)                     \
    X(ggml_backend_buffer_set_usage) X(ggml_backend_buft_alloc_buffer) X(ggml_backend_buft_get_alignment)              \
    X(ggml_backend_buft_get_alloc_size) X(ggml_backend_buft_get_max_size) X(ggml_backend_buft_is_host)                 \
    X(ggml_backend_buft_name) X(ggml_backend_cpu_buffer_type) X(ggml_backend_dev_backend_reg)                          \
    X(ggml_backend_dev_get_props) X(ggml_backend_dev_host_buffer_type) X(ggml_backend_dev_init)                        \
    X(ggml_backend_dev_memory) X(ggml_backend_dev_type) X(ggml_backend_event_free) X(ggml_backend_event_new)           \
    X(ggml_backend_event_record) X(ggml_backend_event_synchronize) X(ggml_backend_event_wait) X(ggml_backend_free)     \
    X(ggml_backend_get_default_buffer_type) X(ggml_backend_get_device) X(ggml_backend_graph_compute_async)             \
    X(ggml_backend_name) X(ggml_backend_offload_op) X(ggml_backend_reg_get_proc_address) X(ggml_backend_reg_name)      \
    X(ggml_backend_supports_buft) X(ggml_backend_supports_op) X(ggml_backend_synchronize) X(ggml_backend_tensor_copy)  \
    X(ggml_backend_tensor_get) X(ggml_backend_tensor_get_async) X(ggml_backend_tensor_set)                             \
    X(ggml_backend_tensor_set_async) X(ggml_is_quantized) X(ggml_log_internal) X(ggml_nbytes) X(ggml_nrows)            \
    X(ggml_op_desc) X(ggml_row_size) X(ggml_status_to_string) X(ggml_type_name) X(ggml_backend_buft_get_device)        \
    X(ggml_backend_dev_description)

// The proof of a layout calls these. A ggml that lacks one cannot be attached.
#define GGML_SCHED_PROOF_FUNCTIONS(X) \
    X(ggml_init) X(ggml_free) X(ggml_new_tensor_1d) X(ggml_new_tensor_2d) X(ggml_view_2d) X(ggml_mul_mat)              \
    X(ggml_scale) X(ggml_set_name) X(ggml_get_name) X(ggml_set_input) X(ggml_set_output) X(ggml_get_data)              \
    X(ggml_op_name) X(ggml_version) X(ggml_new_graph_custom) X(ggml_build_forward_expand) X(ggml_graph_n_nodes)        \
    X(ggml_graph_size) X(ggml_graph_nodes) X(ggml_backend_tensor_memset)                                               \
    X(ggml_backend_tensor_copy_async) X(ggml_tensor_overhead)

// Not every ggml exports these.
#define GGML_SCHED_OPTIONAL_FUNCTIONS(X) \
    X(ggml_op_can_inplace) X(ggml_graph_next_uid) X(ggml_backend_buffer_copy_tensor)

// The functions of ggml's own scheduler. Not every ggml has the last five.
#define GGML_SCHED_STOCK_FUNCTIONS(X) \
    X(new) X(free) X(reserve) X(get_n_backends) X(get_backend) X(get_n_splits) X(get_n_copies) X(get_buffer_size) \
    X(set_tensor_backend) X(get_tensor_backend) X(alloc_graph) X(graph_compute) X(graph_compute_async) \
    X(synchronize) X(reset) X(set_eval_callback)
#define GGML_SCHED_LATE_STOCK_FUNCTIONS(X) \
    X(reserve_size) X(get_buffer_type) X(split_graph) X(set_copy_callback) X(set_realloc_callback)

// clang-format on
