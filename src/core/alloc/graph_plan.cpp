#include "alloc/graph_plan.h"

#include "backend/tensor_access.h"

namespace ggml_sched {

namespace {

constexpr int PLACING_FLAGS = GGML_TENSOR_FLAG_INPUT | GGML_TENSOR_FLAG_OUTPUT;

// The same, or both leafs that live as long as the graph: with rotating copies a graph uses one of several.
bool are_alike(const GraphPlan & plan, int a, int b) {
    const int n = static_cast<int>(plan.tensors.size());
    return a == b || (a < n && b < n && plan.tensors[a].is_permanent && plan.tensors[b].is_permanent);
}

// Compares the graph's references with the plan's, numbering the tensors on the way.
bool same_structure(const GraphPlan & plan, const ggml_cgraph & graph, TensorNumbering & numbering) {
    const int * expected = plan.references.data();
    const int * const end = expected + plan.references.size();
    for (int i = 0; i < graph.n_leafs; i++) {
        if (!are_alike(plan, numbering.number(graph.leafs[i]), *expected++)) {
            return false;
        }
    }
    for (int i = 0; i < graph.n_nodes; i++) {
        ggml_tensor * node = graph.nodes[i];
        for (ggml_tensor * src : node->src) {
            if (src == nullptr) {
                continue;
            }
            if (expected == end || *expected < 0) {
                return false;
            }
            if (!are_alike(plan, numbering.number(src), *expected++)) {
                return false;
            }
        }
        if (expected == end || *expected >= 0 || !are_alike(plan, numbering.number(node), ~*expected++)) {
            return false;
        }
    }
    return expected == end && numbering.size() == plan.tensors.size();
}

bool tensor_fits(const GraphPlan & plan, const TensorPlan & planned, const BufferTypes & types,
                 const TensorNumbering::Item & item) {
    const ggml_tensor * tensor = item.tensor;
    if (tensor->op != planned.op || ((tensor->flags ^ planned.flags) & PLACING_FLAGS) != 0) {
        return false;
    }
    switch (placement_of(tensor)) {
    case Placement::View: return planned.placement == Placement::View && are_alike(plan, item.root, planned.root);
    case Placement::External: return planned.placement != Placement::View;
    case Placement::Own: break;
    }
    return planned.placement == Placement::Own &&
           ggml_backend_buft_get_alloc_size(types.bufts[planned.buffer], tensor) <= planned.size &&
           (planned.in_place_of < 0 || can_work_in_place(tensor, planned.in_place_of));
}

} // namespace

Placement placement_of(const ggml_tensor * tensor) {
    if (tensor->view_src != nullptr) {
        return Placement::View;
    }
    return tensor->data != nullptr || tensor->buffer != nullptr ? Placement::External : Placement::Own;
}

bool plan_fits(const GraphPlan & plan, const BufferTypes & types, const ggml_cgraph & graph,
               TensorNumbering & numbering) {
    numbering.clear();
    if (!plan.valid || plan.n_nodes != graph.n_nodes || plan.n_leafs != graph.n_leafs ||
        !same_structure(plan, graph, numbering)) {
        return false;
    }
    for (size_t i = 0; i < plan.tensors.size(); i++) {
        if (!tensor_fits(plan, plan.tensors[i], types, numbering[i])) {
            return false;
        }
    }
    return true;
}

bool can_work_in_place(const ggml_tensor * node, int i) {
    int n_candidates = 0;
    switch (node->op) {
    // Each element of the result depends on the same element of both operands, or on others that are broadcast and
    // therefore have another layout.
    case GGML_OP_ADD:
    case GGML_OP_MUL:
    case GGML_OP_DIV: n_candidates = 2; break;
    // Only the first operand: the others are read in another order.
    case GGML_OP_SCALE:
    case GGML_OP_UNARY:
    case GGML_OP_ROPE:
    case GGML_OP_RMS_NORM:
    case GGML_OP_SOFT_MAX: n_candidates = 1; break;
    default: break;
    }
    const ggml_tensor * operand = i < n_candidates ? node->src[i] : nullptr;
    if (operand == nullptr || !same_layout(node, operand)) {
        return false;
    }
    return operand->view_src == nullptr || operand->view_offs == 0;
}

} // namespace ggml_sched
