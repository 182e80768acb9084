#include "split/cut_policy.h"

#include <algorithm>

namespace ggml_sched {

bool is_read_late(const GraphView & graph, const std::vector<host::Backend> & backends, const Assignment & assignment,
                  TensorId id, BackendId backend) {
    const TensorId root = graph.root(id);
    if (!(graph.facts(root) & kIsInput) || !backends[backend].async) {
        return false;
    }
    const ggml_tensor * tensor = graph.tensor(root);
    return tensor->buffer ? host::is_host(tensor->buffer)
                          : ggml_backend_buft_is_host(backends[assignment.backend[root]].buft);
}

bool needs_copy(const GraphView & graph, const std::vector<host::Backend> & backends, const Assignment & assignment,
                TensorId id, BackendId backend) {
    return assignment.backend[id] != backend && (!usable_in_place(graph, backends, assignment, id, backend) ||
                                                 is_read_late(graph, backends, assignment, id, backend));
}

CutPolicy::CutPolicy(const GraphView & graph, const std::vector<host::Backend> & backends,
                     const Assignment & assignment, bool offers)
    : graph_(graph)
    , backends_(backends)
    , assignment_(assignment) {
    if (offers) {
        is_table_.assign(graph.n_tensors(), false);
        find_tables();
    }
}

void CutPolicy::find_tables() {
    for (const int reader : assignment_.readers_elsewhere) {
        const GraphNode & node = graph_.nodes()[reader];
        for (const Operand & op : graph_.operands_of(node)) {
            const ggml_backend_buffer_t buffer = host::buffer_of(graph_.tensor(op.tensor));
            const bool is_matrix = (node.op == GGML_OP_MUL_MAT && op.slot == kMatrixSlot) ||
                                   (node.op == GGML_OP_MUL_MAT_ID && op.slot == kExpertsSlot);
            if (!is_matrix && buffer && host::is_weights(buffer) && host::is_host(buffer) &&
                needs_copy(graph_, backends_, assignment_, op.tensor, assignment_.backend[node.tensor])) {
                is_table_[graph_.root(op.tensor)] = true;
            }
        }
    }
}

bool CutPolicy::is_weight(TensorId id) const {
    const ggml_tensor * tensor = graph_.tensor(id);
    return (tensor->buffer && host::is_weights(tensor->buffer)) || may_be_written(id);
}

bool CutPolicy::is_host_weight(TensorId id) const {
    const ggml_tensor * tensor = graph_.tensor(id);
    return tensor->buffer && host::is_weights(tensor->buffer) && host::is_host(tensor->buffer);
}

InputCopy CutPolicy::form_of(const GraphNode &, const Operand & operand, BackendId backend) {
    return {operand.tensor, backend};
}

// A split begins for each weight, so that the memory of earlier weights can be used again.
bool CutPolicy::must_begin(const Split & current, const std::vector<Wanted> & wanted) {
    return !current.inputs.empty() &&
           std::any_of(wanted.begin(), wanted.end(), [this](const Wanted & one) { return is_weight(one.copy.tensor); });
}

void CutPolicy::note(const Split &, const GraphNode &, const InputCopy &) {}

} // namespace ggml_sched
