#include "graph/graph_content.h"

#include <algorithm>
#include <cstring>

namespace ggml_sched {

bool GraphContent::same(const Tensor & content, const ggml_tensor & tensor) {
    return content.op == tensor.op && content.type == tensor.type && content.flags == tensor.flags &&
           content.buffer == host::buffer_of(&tensor) &&
           std::memcmp(content.ne.data(), tensor.ne, sizeof(tensor.ne)) == 0 &&
           std::memcmp(content.nb.data(), tensor.nb, sizeof(tensor.nb)) == 0 &&
           (host::is_view_op(&tensor) ||
            std::memcmp(content.op_params.data(), tensor.op_params, sizeof(tensor.op_params)) == 0);
}

bool GraphContent::same_structure(const GraphView & graph) const {
    const auto same_node = [](const GraphNode & a, const GraphNode & b) {
        return a.tensor == b.tensor && a.n_operands == b.n_operands;
    };
    const auto same_operand = [](const Operand & a, const Operand & b) {
        return a.tensor == b.tensor && a.slot == b.slot;
    };
    return tensors_.size() == graph.n_tensors() && leafs_ == graph.leafs() &&
           std::equal(nodes_.begin(), nodes_.end(), graph.nodes().begin(), graph.nodes().end(), same_node) &&
           std::equal(operands_.begin(), operands_.end(), graph.operands().begin(), graph.operands().end(),
                      same_operand);
}

bool GraphContent::equals(const GraphView & graph) const {
    if (!taken_ || !same_structure(graph)) {
        return false;
    }
    for (TensorId id = 0; id < tensors_.size(); id++) {
        if (tensors_[id].view_source != graph.view_source(id) || !same(tensors_[id], *graph.tensor(id))) {
            return false;
        }
    }
    return std::all_of(buffers_.begin(), buffers_.end(),
                       [](const auto & known) { return host::facts_of(known.first) == known.second; });
}

void GraphContent::take(const GraphView & graph) {
    taken_ = false;
    buffers_.clear();
    leafs_ = graph.leafs();
    nodes_ = graph.nodes();
    operands_ = graph.operands();
    tensors_.resize(graph.n_tensors());
    for (TensorId id = 0; id < tensors_.size(); id++) {
        const ggml_tensor & tensor = *graph.tensor(id);
        Tensor & content = tensors_[id];
        content.type = tensor.type;
        content.op = tensor.op;
        content.flags = tensor.flags;
        content.view_source = graph.view_source(id);
        content.buffer = host::buffer_of(&tensor);
        std::copy_n(tensor.ne, GGML_MAX_DIMS, content.ne.begin());
        std::copy_n(tensor.nb, GGML_MAX_DIMS, content.nb.begin());
        std::memcpy(content.op_params.data(), tensor.op_params, sizeof(tensor.op_params));
        note_buffer(content.buffer);
    }
    taken_ = true;
}

void GraphContent::note_buffer(ggml_backend_buffer_t buffer) {
    const auto is_it = [buffer](const auto & known) { return known.first == buffer; };
    // Neighbouring tensors share a buffer, so the last ones are looked at first.
    if (buffer && std::none_of(buffers_.rbegin(), buffers_.rend(), is_it)) {
        buffers_.emplace_back(buffer, host::facts_of(buffer));
    }
}

} // namespace ggml_sched
