#include "simulated_cpu.h"

#include <algorithm>
#include <memory>
#include <new>
#include <vector>

#include "ggml-backend-impl.h"
#include "ggml-cpu.h"
#include "ggml-impl.h"
#include "ggml-sim.h"

namespace ggml_sched::bench {
namespace {

// Context - what a backend owns
struct Context {
    ggml_backend_t cpu; // computes
    CpuCosts costs;
};

Context & context_of(ggml_backend_t backend) {
    return *static_cast<Context *>(backend->context);
}

// Costs

double bytes_of(const ggml_tensor * tensor) {
    return tensor ? static_cast<double>(ggml_nelements(tensor)) / static_cast<double>(ggml_blck_size(tensor->type)) *
                        static_cast<double>(ggml_type_size(tensor->type))
                  : 0.0;
}

// Returns how many different experts the ids name.
size_t count_experts(const ggml_tensor * ids) {
    std::vector<int32_t> named;
    for (int64_t token = 0; token < ids->ne[1]; token++) {
        for (int64_t i = 0; i < ids->ne[0]; i++) {
            const char * const at = static_cast<const char *>(ids->data) + static_cast<size_t>(i) * ids->nb[0] +
                                    static_cast<size_t>(token) * ids->nb[1];
            named.push_back(*reinterpret_cast<const int32_t *>(at));
        }
    }
    std::sort(named.begin(), named.end());
    return static_cast<size_t>(std::unique(named.begin(), named.end()) - named.begin());
}

// Returns the bytes that a node reads and writes. Shapes and ids are those with which it was computed.
double bytes_touched(const ggml_tensor * node) {
    switch (node->op) {
    case GGML_OP_MUL_MAT_ID: // of the experts, only those that the ids name
        return static_cast<double>(count_experts(node->src[2]) * node->src[0]->nb[2]) + bytes_of(node->src[1]) +
               bytes_of(node->src[2]) + bytes_of(node);
    case GGML_OP_GET_ROWS: // the rows that are read, the rows that are written, the indices
        return 2 * bytes_of(node) + bytes_of(node->src[1]);
    case GGML_OP_CUSTOM: // The node that parts pairs reads its first operand alone.
        return bytes_of(node->src[0]) + bytes_of(node);
    default: break;
    }
    double bytes = bytes_of(node);
    for (const ggml_tensor * src : node->src) {
        bytes += bytes_of(src);
    }
    return bytes;
}

double cost_us(const ggml_cgraph * graph, const CpuCosts & costs) {
    double us = costs.graph_us;
    for (int i = 0; i < graph->n_nodes; i++) {
        const ggml_tensor * const node = graph->nodes[i];
        if ((node->flags & GGML_TENSOR_FLAG_COMPUTE) == 0 || node->op == GGML_OP_NONE || ggml_is_view_op(node->op)) {
            continue;
        }
        us += costs.node_us + (ggml_is_empty(node) ? 0.0 : bytes_touched(node) / costs.bytes_per_us);
    }
    return us;
}

// The backend

const char * backend_name(ggml_backend_t) {
    return "CPU";
}

void backend_free(ggml_backend_t backend) {
    const std::unique_ptr<Context> context(&context_of(backend));
    ggml_backend_free(context->cpu);
    delete backend;
}

ggml_status backend_compute(ggml_backend_t backend, ggml_cgraph * graph) {
    const Context & context = context_of(backend);
    const ggml_status status = ggml_backend_graph_compute(context.cpu, graph);
    if (status == GGML_STATUS_SUCCESS) {
        ggml_backend_sim_advance_us(cost_us(graph, context.costs));
    }
    return status;
}

// The device. It answers as ggml's CPU does.

ggml_backend_dev_t real_device() {
    return ggml_backend_reg_dev_get(ggml_backend_cpu_reg(), 0);
}

const char * device_name(ggml_backend_dev_t) {
    return "SIMCPU";
}
const char * device_description(ggml_backend_dev_t) {
    return "the CPU, with times of the virtual clock";
}
void device_memory(ggml_backend_dev_t, size_t * free, size_t * total) {
    ggml_backend_dev_memory(real_device(), free, total);
}
enum ggml_backend_dev_type device_type(ggml_backend_dev_t) {
    return GGML_BACKEND_DEVICE_TYPE_CPU;
}
void device_props(ggml_backend_dev_t device, ggml_backend_dev_props * props) {
    ggml_backend_dev_get_props(real_device(), props);
    props->name = device_name(device);
    props->description = device_description(device);
    props->caps.buffer_from_host_ptr = false;
}
ggml_backend_t device_init(ggml_backend_dev_t, const char *) {
    return simulated_cpu_init({});
}
ggml_backend_buffer_type_t device_buffer_type(ggml_backend_dev_t) {
    return ggml_backend_cpu_buffer_type();
}
bool device_supports_op(ggml_backend_dev_t, const ggml_tensor * node) {
    return ggml_backend_dev_supports_op(real_device(), node);
}
bool device_supports_buft(ggml_backend_dev_t, ggml_backend_buffer_type_t buft) {
    return ggml_backend_dev_supports_buft(real_device(), buft);
}

ggml_backend_device_i device_interface() {
    ggml_backend_device_i iface = {};
    iface.get_name = device_name;
    iface.get_description = device_description;
    iface.get_memory = device_memory;
    iface.get_type = device_type;
    iface.get_props = device_props;
    iface.init_backend = device_init;
    iface.get_buffer_type = device_buffer_type;
    iface.supports_op = device_supports_op;
    iface.supports_buft = device_supports_buft;
    return iface;
}

// The registry

ggml_backend_dev_t the_device();

const char * registry_name(ggml_backend_reg_t) {
    return "SIMCPU";
}
size_t registry_count(ggml_backend_reg_t) {
    return 1;
}
ggml_backend_dev_t registry_device(ggml_backend_reg_t, size_t index) {
    return index == 0 ? the_device() : nullptr;
}

ggml_backend_reg_t the_registry() {
    static ggml_backend_reg registry = {
        GGML_BACKEND_API_VERSION, {registry_name, registry_count, registry_device, nullptr}, nullptr};
    return &registry;
}

ggml_backend_dev_t the_device() {
    static ggml_backend_device device = {device_interface(), the_registry(), nullptr};
    return &device;
}

} // namespace

ggml_backend_t simulated_cpu_init(const CpuCosts & costs) {
    static ggml_guid guid = {0x3d, 0x90, 0x1b, 0xe4, 0x77, 0x5a, 0x42, 0x8c,
                             0x96, 0x0f, 0xc8, 0x21, 0xb5, 0x6e, 0xd3, 0x14};
    std::unique_ptr<ggml_backend> backend(new (std::nothrow) ggml_backend{});
    std::unique_ptr<Context> context(new (std::nothrow) Context{ggml_backend_cpu_init(), costs});
    if (!backend || !context || !context->cpu) {
        return nullptr;
    }
    ggml_backend_cpu_set_n_threads(context->cpu, 1);
    backend->guid = &guid;
    backend->iface.get_name = backend_name;
    backend->iface.free = backend_free;
    backend->iface.graph_compute = backend_compute;
    backend->device = the_device();
    backend->context = context.release();
    return backend.release();
}

} // namespace ggml_sched::bench
