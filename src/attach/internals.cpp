// host/internals.h for the ggml that the current thread works with.

#include "host/internals.h"

#include "bound_ggml.h"
#include "fields.h"
#include "foreign.h"
#include "host/owned_buffers.h"

namespace ggml_sched::host {

using attach::current;
using attach::has_field;
using attach::read_field;
using attach::write_field;

namespace {

// Logs that the tensor's memory is gone.
void log_lost(const ggml_tensor * tensor) {
    ggml_log_internal(
        GGML_LOG_LEVEL_ERROR,
        "ggml-sched: tensor '%s' lies in memory that its scheduler has replaced; allocate its graph again\n",
        tensor->name);
}

void * no_base(ggml_backend_buffer_t /*buffer*/) {
    return nullptr;
}

void lost_memset(ggml_backend_buffer_t /*buffer*/, ggml_tensor * tensor, uint8_t /*value*/, size_t /*offset*/,
                 size_t /*size*/) {
    log_lost(tensor);
}

void lost_set(ggml_backend_buffer_t /*buffer*/, ggml_tensor * tensor, const void * /*data*/, size_t /*offset*/,
              size_t /*size*/) {
    log_lost(tensor);
}

void lost_get(ggml_backend_buffer_t /*buffer*/, const ggml_tensor * tensor, void * /*data*/, size_t /*offset*/,
              size_t /*size*/) {
    log_lost(tensor);
}

void no_clear(ggml_backend_buffer_t /*buffer*/, uint8_t /*value*/) {}

} // namespace

BackendFunctions functions_of(ggml_backend_t backend) {
    const attach::BackendLayout & where = current().layout.backend;
    BackendFunctions result;
    result.set_async = has_field(backend, where.set_async);
    result.get_async = has_field(backend, where.get_async);
    result.copy_async = has_field(backend, where.copy_async);
    result.synchronize = has_field(backend, where.synchronize);
    result.events = has_field(backend, where.event_record) && has_field(backend, where.event_wait);
    result.graph_optimize = has_field(backend, where.graph_optimize);
    return result;
}

bool try_copy_async(ggml_backend_t src_backend, ggml_backend_t dst_backend, const ggml_tensor * src,
                    ggml_tensor * dst) {
    using Copy = bool (*)(ggml_backend_t, ggml_backend_t, const ggml_tensor *, ggml_tensor *);
    const auto copy = read_field<Copy>(dst_backend, current().layout.backend.copy_async);
    return copy && copy(src_backend, dst_backend, src, dst);
}

bool has_props(ggml_backend_dev_t device) {
    return has_field(device, current().layout.device.get_props);
}

bool makes_backends(ggml_backend_dev_t device) {
    return has_field(device, current().layout.device.init_backend);
}

bool has_alloc_size(ggml_backend_buffer_type_t buft) {
    return has_field(buft, current().layout.buft.get_alloc_size);
}

bool has_init_tensor(ggml_backend_buffer_t buffer) {
    return has_field(buffer, current().layout.buffer.init_tensor);
}

FreeBuffer exchange_free(ggml_backend_buffer_t buffer, FreeBuffer free_buffer) {
    const size_t where = current().layout.buffer.free_buffer;
    const auto before = read_field<FreeBuffer>(buffer, where);
    write_field(buffer, where, free_buffer);
    return before;
}

void free_memory_of(ggml_backend_buffer_t buffer) {
    const attach::BufferLayout & where = current().layout.buffer;
    if (const auto free_buffer = read_field<void (*)(ggml_backend_buffer_t)>(buffer, where.free_buffer)) {
        free_buffer(buffer);
    }
    for (size_t function = 0; function < where.buft; function += sizeof(void *)) {
        write_field<void *>(buffer, function, nullptr);
    }
    write_field(buffer, where.get_base, &no_base);
    write_field(buffer, where.memset_tensor, &lost_memset);
    write_field(buffer, where.set_tensor, &lost_set);
    write_field(buffer, where.get_tensor, &lost_get);
    write_field(buffer, where.clear, &no_clear);
    write_field<void *>(buffer, where.context, nullptr);
    write_field<size_t>(buffer, where.size, 0);
}

} // namespace ggml_sched::host
