// The functions of ggml that the scheduler calls. Each passes the call on to the current ggml.

#include <cstdarg>
#include <cstdio>

#include "bound_ggml.h"
#include "foreign.h"

#define CALL(name) GGML_SCHED_CALL(::ggml_sched::attach::current(), name)

extern "C" {

bool ggml_are_same_shape(const ggml_tensor * t0, const ggml_tensor * t1) {
    return CALL(ggml_are_same_shape)(t0, t1);
}

void ggml_backend_buffer_clear(ggml_backend_buffer_t buffer, uint8_t value) {
    CALL(ggml_backend_buffer_clear)(buffer, value);
}

void ggml_backend_buffer_free(ggml_backend_buffer_t buffer) {
    CALL(ggml_backend_buffer_free)(buffer);
}

size_t ggml_backend_buffer_get_alloc_size(ggml_backend_buffer_t buffer, const ggml_tensor * tensor) {
    return CALL(ggml_backend_buffer_get_alloc_size)(buffer, tensor);
}

void * ggml_backend_buffer_get_base(ggml_backend_buffer_t buffer) {
    return CALL(ggml_backend_buffer_get_base)(buffer);
}

size_t ggml_backend_buffer_get_size(ggml_backend_buffer_t buffer) {
    return CALL(ggml_backend_buffer_get_size)(buffer);
}

ggml_backend_buffer_type_t ggml_backend_buffer_get_type(ggml_backend_buffer_t buffer) {
    return CALL(ggml_backend_buffer_get_type)(buffer);
}

ggml_backend_buffer_usage ggml_backend_buffer_get_usage(ggml_backend_buffer_t buffer) {
    return CALL(ggml_backend_buffer_get_usage)(buffer);
}

ggml_status ggml_backend_buffer_init_tensor(ggml_backend_buffer_t buffer, ggml_tensor * tensor) {
    return CALL(ggml_backend_buffer_init_tensor)(buffer, tensor);
}

bool ggml_backend_buffer_is_host(ggml_backend_buffer_t buffer) {
    return CALL(ggml_backend_buffer_is_host)(buffer);
}

void ggml_backend_buffer_reset(ggml_backend_buffer_t buffer) {
    CALL(ggml_backend_buffer_reset)(buffer);
}

void ggml_backend_buffer_set_usage(ggml_backend_buffer_t buffer, ggml_backend_buffer_usage usage) {
    CALL(ggml_backend_buffer_set_usage)(buffer, usage);
}

ggml_backend_buffer_t ggml_backend_buft_alloc_buffer(ggml_backend_buffer_type_t buft, size_t size) {
    return CALL(ggml_backend_buft_alloc_buffer)(buft, size);
}

size_t ggml_backend_buft_get_alignment(ggml_backend_buffer_type_t buft) {
    return CALL(ggml_backend_buft_get_alignment)(buft);
}

size_t ggml_backend_buft_get_alloc_size(ggml_backend_buffer_type_t buft, const ggml_tensor * tensor) {
    return CALL(ggml_backend_buft_get_alloc_size)(buft, tensor);
}

size_t ggml_backend_buft_get_max_size(ggml_backend_buffer_type_t buft) {
    return CALL(ggml_backend_buft_get_max_size)(buft);
}

ggml_backend_dev_t ggml_backend_buft_get_device(ggml_backend_buffer_type_t buft) {
    return CALL(ggml_backend_buft_get_device)(buft);
}

bool ggml_backend_buft_is_host(ggml_backend_buffer_type_t buft) {
    return CALL(ggml_backend_buft_is_host)(buft);
}

const char * ggml_backend_buft_name(ggml_backend_buffer_type_t buft) {
    return CALL(ggml_backend_buft_name)(buft);
}

ggml_backend_buffer_type_t ggml_backend_cpu_buffer_type() {
    return CALL(ggml_backend_cpu_buffer_type)();
}

ggml_backend_reg_t ggml_backend_dev_backend_reg(ggml_backend_dev_t device) {
    return CALL(ggml_backend_dev_backend_reg)(device);
}

const char * ggml_backend_dev_description(ggml_backend_dev_t device) {
    return CALL(ggml_backend_dev_description)(device);
}

void ggml_backend_dev_get_props(ggml_backend_dev_t device, ggml_backend_dev_props * props) {
    CALL(ggml_backend_dev_get_props)(device, props);
}

ggml_backend_buffer_type_t ggml_backend_dev_host_buffer_type(ggml_backend_dev_t device) {
    return CALL(ggml_backend_dev_host_buffer_type)(device);
}

ggml_backend_t ggml_backend_dev_init(ggml_backend_dev_t device, const char * params) {
    return CALL(ggml_backend_dev_init)(device, params);
}

void ggml_backend_dev_memory(ggml_backend_dev_t device, size_t * free, size_t * total) {
    CALL(ggml_backend_dev_memory)(device, free, total);
}

enum ggml_backend_dev_type ggml_backend_dev_type(ggml_backend_dev_t device) {
    return CALL(ggml_backend_dev_type)(device);
}

void ggml_backend_event_free(ggml_backend_event_t event) {
    CALL(ggml_backend_event_free)(event);
}

ggml_backend_event_t ggml_backend_event_new(ggml_backend_dev_t device) {
    return CALL(ggml_backend_event_new)(device);
}

void ggml_backend_event_record(ggml_backend_event_t event, ggml_backend_t backend) {
    CALL(ggml_backend_event_record)(event, backend);
}

void ggml_backend_event_synchronize(ggml_backend_event_t event) {
    CALL(ggml_backend_event_synchronize)(event);
}

void ggml_backend_event_wait(ggml_backend_t backend, ggml_backend_event_t event) {
    CALL(ggml_backend_event_wait)(backend, event);
}

void ggml_backend_free(ggml_backend_t backend) {
    CALL(ggml_backend_free)(backend);
}

ggml_backend_buffer_type_t ggml_backend_get_default_buffer_type(ggml_backend_t backend) {
    return CALL(ggml_backend_get_default_buffer_type)(backend);
}

ggml_backend_dev_t ggml_backend_get_device(ggml_backend_t backend) {
    return CALL(ggml_backend_get_device)(backend);
}

ggml_status ggml_backend_graph_compute_async(ggml_backend_t backend, ggml_cgraph * cgraph) {
    return CALL(ggml_backend_graph_compute_async)(backend, cgraph);
}

const char * ggml_backend_name(ggml_backend_t backend) {
    return CALL(ggml_backend_name)(backend);
}

bool ggml_backend_offload_op(ggml_backend_t backend, const ggml_tensor * op) {
    return CALL(ggml_backend_offload_op)(backend, op);
}

void * ggml_backend_reg_get_proc_address(ggml_backend_reg_t reg, const char * name) {
    return CALL(ggml_backend_reg_get_proc_address)(reg, name);
}

const char * ggml_backend_reg_name(ggml_backend_reg_t reg) {
    return CALL(ggml_backend_reg_name)(reg);
}

bool ggml_backend_supports_buft(ggml_backend_t backend, ggml_backend_buffer_type_t buft) {
    return CALL(ggml_backend_supports_buft)(backend, buft);
}

bool ggml_backend_supports_op(ggml_backend_t backend, const ggml_tensor * op) {
    return CALL(ggml_backend_supports_op)(backend, op);
}

void ggml_backend_synchronize(ggml_backend_t backend) {
    CALL(ggml_backend_synchronize)(backend);
}

void ggml_backend_tensor_copy(const ggml_tensor * src, ggml_tensor * dst) {
    CALL(ggml_backend_tensor_copy)(src, dst);
}

void ggml_backend_tensor_get(const ggml_tensor * tensor, void * data, size_t offset, size_t size) {
    CALL(ggml_backend_tensor_get)(tensor, data, offset, size);
}

void ggml_backend_tensor_get_async(ggml_backend_t backend, const ggml_tensor * tensor, void * data, size_t offset,
                                   size_t size) {
    CALL(ggml_backend_tensor_get_async)(backend, tensor, data, offset, size);
}

void ggml_backend_tensor_set(ggml_tensor * tensor, const void * data, size_t offset, size_t size) {
    CALL(ggml_backend_tensor_set)(tensor, data, offset, size);
}

void ggml_backend_tensor_set_async(ggml_backend_t backend, ggml_tensor * tensor, const void * data, size_t offset,
                                   size_t size) {
    CALL(ggml_backend_tensor_set_async)(backend, tensor, data, offset, size);
}

bool ggml_is_quantized(ggml_type type) {
    return CALL(ggml_is_quantized)(type);
}

bool ggml_is_contiguous(const ggml_tensor * tensor) {
    return CALL(ggml_is_contiguous)(tensor);
}

size_t ggml_type_size(ggml_type type) {
    return CALL(ggml_type_size)(type);
}

size_t ggml_nbytes(const ggml_tensor * tensor) {
    return CALL(ggml_nbytes)(tensor);
}

int64_t ggml_nrows(const ggml_tensor * tensor) {
    return CALL(ggml_nrows)(tensor);
}

const char * ggml_op_desc(const ggml_tensor * t) {
    return CALL(ggml_op_desc)(t);
}

size_t ggml_row_size(ggml_type type, int64_t ne) {
    return CALL(ggml_row_size)(type, ne);
}

const char * ggml_status_to_string(ggml_status status) {
    return CALL(ggml_status_to_string)(status);
}

const char * ggml_type_name(ggml_type type) {
    return CALL(ggml_type_name)(type);
}

void ggml_log_internal(ggml_log_level level, const char * format, ...) {
    char text[4096]; // A longer line is cut.
    va_list arguments;
    va_start(arguments, format);
    (void) std::vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    CALL(ggml_log_internal)(level, "%s", text);
}

} // extern "C"

#undef CALL
