#include "costs.h"

#include "ggml.h"

namespace ggml_sched::sim {

namespace {

// The bytes of the elements; a view's gaps are not touched.
double element_bytes(const ggml_tensor & tensor) {
    const auto block = (double) ggml_blck_size(tensor.type);
    return block > 0 ? (double) ggml_nelements(&tensor) / block * (double) ggml_type_size(tensor.type) : 0.0;
}

double bytes_touched(const ggml_tensor & node) {
    switch (node.op) {
    case GGML_OP_GET_ROWS: // the rows that are read, the rows that are written, the indices
        return 2 * element_bytes(node) + element_bytes(*node.src[1]);
    case GGML_OP_SET_ROWS: // the node is a view of all of the destination
        return 2 * element_bytes(*node.src[0]) + element_bytes(*node.src[1]);
    case GGML_OP_CPY: return element_bytes(node) + element_bytes(*node.src[0]);
    default: break;
    }
    double bytes = element_bytes(node);
    for (const ggml_tensor * src : node.src) {
        bytes += src != nullptr ? element_bytes(*src) : 0.0;
    }
    return bytes;
}

} // namespace

bool are_costs_valid(const ggml_sim_config & config) {
    return config.flops_per_us > 0 && config.bytes_per_us > 0 && config.link_bytes_per_us > 0 &&
           config.link_latency_us >= 0 && config.launch_us >= 0 && config.host_call_us >= 0;
}

double node_cost_us(const ggml_sim_config & config, const ggml_tensor & node) {
    if (node.op == GGML_OP_MUL_MAT || node.op == GGML_OP_MUL_MAT_ID) {
        return 2.0 * (double) ggml_nelements(&node) * (double) node.src[0]->ne[0] / config.flops_per_us;
    }
    return bytes_touched(node) / config.bytes_per_us;
}

double link_cost_us(const ggml_sim_config & config, size_t bytes) {
    return config.link_latency_us + (double) bytes / config.link_bytes_per_us;
}

double local_cost_us(const ggml_sim_config & config, size_t bytes) {
    return (double) bytes / config.bytes_per_us;
}

double copy_cost_us(const ggml_sim_config & config, size_t bytes) {
    return config.link_latency_us + 2 * local_cost_us(config, bytes);
}

} // namespace ggml_sched::sim
