// Launches: which kernels a node takes, and graphs of nodes, at once or as a captured graph

#include "backend.h"
#include "ggml-cpu.h"
#include "ggml-impl.h"
#include "kernels/kernels.h"
#include "range.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <new>
#include <vector>

namespace ggml_sched::gpu {
inline namespace GGML_SCHED_GPU_VENDOR {

namespace {

constexpr size_t kMinCapturedNodes = 4; // fewer are as fast one by one

float param_f32(const ggml_tensor * t, int i) {
    float value;
    std::memcpy(&value, &t->op_params[i], sizeof(value));
    return value;
}

//
// Checks
//

bool is_in_reach(const Queue & queue, const ggml_tensor * t) {
    const size_t unit = ggml_is_quantized(t->type) ? sizeof(uint16_t) : ggml_type_size(t->type);
    return ggml_is_empty(t) || (t->data != nullptr && device_of_memory(t) == &queue.device() &&
                                reinterpret_cast<uintptr_t>(t->data) % unit == 0);
}

bool check_node(const Queue & queue, const ggml_tensor * node) {
    const char * name = queue.device().name();
    if (!ggml_backend_dev_supports_op(queue.device().handle(), node)) {
        GGML_LOG_ERROR("%s: '%s' (%s) has types, shapes or strides that are not computed here; ask "
                       "ggml_backend_supports_op first\n",
                       name, node->name, ggml_op_desc(node));
        return false;
    }
    bool in_reach = is_in_reach(queue, node);
    for (const ggml_tensor * src : node->src) {
        in_reach = in_reach && (src == nullptr || is_in_reach(queue, src));
    }
    if (!in_reach) {
        GGML_LOG_ERROR("%s: '%s' (%s) or an operand of it is not in this device's memory, or not aligned to its "
                       "elements; allocate the graph in a buffer of this device\n",
                       name, node->name, ggml_op_desc(node));
    }
    return in_reach;
}

// The nodes that compute something
void select_nodes(const ggml_cgraph * graph, std::vector<ggml_tensor *> & nodes) {
    for (int i = 0; i < graph->n_nodes; ++i) {
        ggml_tensor * node = graph->nodes[i];
        if ((node->flags & GGML_TENSOR_FLAG_COMPUTE) != 0 && node->op != GGML_OP_NONE && !ggml_is_view_op(node->op) &&
            !ggml_is_empty(node)) {
            nodes.push_back(node);
        }
    }
}

//
// Nodes
//

Error launch_set(const Launch & launch, const ggml_tensor * node) {
    const Tensor a = tensor_of(node->src[0]);
    const Tensor b = tensor_of(node->src[1]);
    const Tensor dst = tensor_of(node);
    Error error = kSuccess;
    if (a.data != dst.data) {
        error = launch_copy(launch, a, dst);
    }
    Tensor part = b; // the place that b is written to
    part.data = dst.data + ggml_get_op_params_i32(node, 3);
    part.nb[0] = dst.nb[0];
    for (int i = 1; i < GGML_MAX_DIMS; ++i) {
        part.nb[i] = ggml_get_op_params_i32(node, static_cast<uint32_t>(i - 1));
    }
    return error != kSuccess || n_elements(b) == 0 ? error : launch_copy(launch, b, part);
}

Error launch_copy_node(const Launch & launch, const ggml_tensor * node) {
    const ggml_tensor * src = node->src[0];
    const bool in_place = src->data == node->data && src->type == node->type && ggml_are_same_shape(src, node) &&
                          ggml_are_same_stride(src, node);
    return in_place ? kSuccess : launch_copy(launch, tensor_of(src), tensor_of(node));
}

Error launch_glu(const Launch & launch, const ggml_tensor * node) {
    const Tensor a = tensor_of(node->src[0]);
    if (node->src[1] != nullptr) {
        return launch_swiglu(launch, a, 0, tensor_of(node->src[1]), 0, tensor_of(node));
    }
    // With one operand both parts are halves of its rows.
    const bool swapped = ggml_get_op_params_i32(node, 1) != 0;
    const int64_t half = node->ne[0];
    return launch_swiglu(launch, a, swapped ? half : 0, a, swapped ? 0 : half, tensor_of(node));
}

Error launch_unary_node(const Launch & launch, const ggml_tensor * node) {
    const ggml_unary_op op = ggml_get_unary_op(node);
    const UnaryKind kind = op == GGML_UNARY_OP_RELU   ? UnaryKind::Relu
                           : op == GGML_UNARY_OP_GELU ? UnaryKind::Gelu
                                                      : UnaryKind::Silu;
    return launch_unary(launch, kind, tensor_of(node->src[0]), tensor_of(node));
}

Error launch_binary_node(const Launch & launch, const ggml_tensor * node) {
    const BinaryKind kind = node->op == GGML_OP_ADD   ? BinaryKind::Add
                            : node->op == GGML_OP_MUL ? BinaryKind::Mul
                                                      : BinaryKind::Div;
    return launch_binary(launch, kind, tensor_of(node->src[0]), tensor_of(node->src[1]), tensor_of(node));
}

// The dimension whose wave turns n_rotations times within the original context
float yarn_dimension(const ggml_tensor * node, float n_rotations) {
    constexpr float two_pi = 6.28318530717958647692f;
    const auto n_dims = static_cast<float>(ggml_get_op_params_i32(node, 1));
    const auto n_ctx = static_cast<float>(ggml_get_op_params_i32(node, 4));
    return n_dims * std::log(n_ctx / (n_rotations * two_pi)) / (2.0f * std::log(param_f32(node, 5)));
}

Error launch_rope_node(const Launch & launch, const ggml_tensor * node) {
    RopeParams params = {};
    params.n_dims = ggml_get_op_params_i32(node, 1);
    params.neox = ggml_get_op_params_i32(node, 2) == GGML_ROPE_TYPE_NEOX;
    params.freq_base = param_f32(node, 5);
    params.freq_scale = param_f32(node, 6);
    params.ext_factor = param_f32(node, 7);
    params.magnitude = param_f32(node, 8);
    if (params.ext_factor != 0.0f) {
        params.low = std::max(0.0f, std::floor(yarn_dimension(node, param_f32(node, 9))));
        params.high =
            std::min(static_cast<float>(params.n_dims - 1), std::ceil(yarn_dimension(node, param_f32(node, 10))));
        params.magnitude *= 1.0f + 0.1f * std::log(1.0f / params.freq_scale);
    }
    Tensor divisors = {};
    if (node->src[2] != nullptr) {
        divisors = tensor_of(node->src[2]);
    }
    return launch_rope(launch, params, tensor_of(node->src[0]), tensor_of(node->src[1]),
                       node->src[2] != nullptr ? &divisors : nullptr, tensor_of(node));
}

Error launch_soft_max_node(const Launch & launch, const ggml_tensor * node) {
    Tensor mask = {};
    if (node->src[1] != nullptr) {
        mask = tensor_of(node->src[1]);
    }
    return launch_soft_max(launch, tensor_of(node->src[0]), node->src[1] != nullptr ? &mask : nullptr,
                           param_f32(node, 0), param_f32(node, 1), tensor_of(node));
}

Error launch_node(const Launch & launch, const ggml_tensor * node) {
    const Tensor dst = tensor_of(node);
    const Tensor a = tensor_of(node->src[0]);
    switch (node->op) {
    case GGML_OP_DUP:
    case GGML_OP_CPY:
    case GGML_OP_CONT: return launch_copy_node(launch, node);
    case GGML_OP_ADD:
    case GGML_OP_MUL:
    case GGML_OP_DIV: return launch_binary_node(launch, node);
    case GGML_OP_SUM_ROWS: return launch_sum_rows(launch, a, dst);
    case GGML_OP_ARGMAX: return launch_argmax(launch, a, dst);
    case GGML_OP_REPEAT: return launch_repeat(launch, a, dst);
    case GGML_OP_RMS_NORM: return launch_rms_norm(launch, a, param_f32(node, 0), dst);
    case GGML_OP_MUL_MAT: return launch_mul_mat(launch, a, tensor_of(node->src[1]), dst);
    case GGML_OP_MUL_MAT_ID: return launch_mul_mat_id(launch, a, tensor_of(node->src[1]), tensor_of(node->src[2]), dst);
    case GGML_OP_SCALE: return launch_scale(launch, a, param_f32(node, 0), param_f32(node, 1), dst);
    case GGML_OP_SET: return launch_set(launch, node);
    case GGML_OP_GET_ROWS: return launch_get_rows(launch, a, tensor_of(node->src[1]), dst);
    case GGML_OP_SET_ROWS: return launch_set_rows(launch, a, tensor_of(node->src[1]), dst);
    case GGML_OP_SOFT_MAX: return launch_soft_max_node(launch, node);
    case GGML_OP_ROPE: return launch_rope_node(launch, node);
    case GGML_OP_ARGSORT: return launch_argsort(launch, a, ggml_get_op_params_i32(node, 0) == GGML_SORT_ORDER_ASC, dst);
    case GGML_OP_TOP_K: return launch_argsort(launch, a, false, dst);
    case GGML_OP_UNARY: return launch_unary_node(launch, node);
    default: return launch_glu(launch, node); // check_node has refused the others
    }
}

//
// Graphs
//

bool launch_nodes(Queue & queue, const std::vector<ggml_tensor *> & nodes) {
    const Launch launch = {queue.stream(), queue.fault()};
    for (const ggml_tensor * node : nodes) {
        if (queue.blas().takes(node)) {
            if (!queue.blas().multiply(launch, node)) {
                return false;
            }
        } else if (!succeeded(launch_node(launch, node), queue.device().name(), ggml_op_desc(node))) {
            return false;
        }
    }
    return true;
}

// Records the launches of the nodes and makes them one. False, with the stream as it was, if the vendor refuses.
bool capture(Queue & queue, const std::vector<ggml_tensor *> & nodes, GraphExec & exec) {
    const char * name = queue.device().name();
    if (!succeeded(begin_capture(queue.stream()), name, "beginning a capture")) {
        return false;
    }
    const bool launched = launch_nodes(queue, nodes);
    Graph graph = nullptr;
    const bool ended = succeeded(end_capture(queue.stream(), &graph), name, "ending a capture");
    const bool made = launched && ended && succeeded(instantiate_graph(&exec, graph), name, "making a graph");
    if (graph != nullptr) {
        (void) succeeded(destroy_graph(graph), name, "freeing a graph");
    }
    return made;
}

enum ggml_status run(Queue & queue, const std::vector<ggml_tensor *> & nodes) {
    GraphCache::Entry * entry = nullptr;
    bool is_new = true;
    if (queue.graphs().enabled() && nodes.size() >= kMinCapturedNodes) {
        entry = &queue.graphs().find(nodes, is_new);
        if (entry->exec != nullptr) {
            return queue.check(launch_graph(entry->exec, queue.stream()), "launching a graph") ? GGML_STATUS_SUCCESS
                                                                                               : GGML_STATUS_FAILED;
        }
    }
    for (const ggml_tensor * node : nodes) {
        if (!check_node(queue, node)) {
            return GGML_STATUS_FAILED;
        }
    }
    bool grew = false;
    if (!succeeded(queue.blas().reserve(queue.stream(), nodes, grew), queue.device().name(), "allocating memory")) {
        return GGML_STATUS_ALLOC_FAILED;
    }
    if (grew) {
        queue.graphs().clear();
        entry = nullptr;
    }
    if (entry != nullptr && !is_new && !entry->cannot_capture) {
        if (capture(queue, nodes, entry->exec)) {
            return queue.check(launch_graph(entry->exec, queue.stream()), "launching a graph") ? GGML_STATUS_SUCCESS
                                                                                               : GGML_STATUS_FAILED;
        }
        entry->cannot_capture = true;
        GGML_LOG_WARN("%s: the launch cannot be captured; it goes node by node\n", queue.device().name());
    }
    return launch_nodes(queue, nodes) ? GGML_STATUS_SUCCESS : GGML_STATUS_FAILED;
}

} // namespace

enum ggml_status graph_compute(ggml_backend_t backend, ggml_cgraph * cgraph) {
    const Range range("launch");
    Queue & queue = queue_of(backend);
    if (!queue.may_launch() || !queue.select()) {
        return GGML_STATUS_FAILED;
    }
    try {
        std::vector<ggml_tensor *> nodes;
        nodes.reserve(static_cast<size_t>(cgraph->n_nodes));
        select_nodes(cgraph, nodes);
        return nodes.empty() ? GGML_STATUS_SUCCESS : run(queue, nodes);
    } catch (const std::bad_alloc &) {
        GGML_LOG_ERROR("%s: no host memory for a launch; close other programs\n", queue.device().name());
        return GGML_STATUS_ALLOC_FAILED;
    }
}

} // namespace GGML_SCHED_GPU_VENDOR
} // namespace ggml_sched::gpu
