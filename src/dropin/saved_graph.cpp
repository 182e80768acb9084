#include "saved_graph.h"

namespace ggml_sched {

namespace {

bool has_memory(const ggml_tensor * tensor) {
    return tensor->data && (tensor->view_src ? tensor->view_src : tensor)->buffer && ggml_nbytes(tensor) > 0;
}

} // namespace

SavedGraph::SavedGraph(ggml_cgraph * graph, std::vector<ggml_tensor *> inputs) {
    std::vector<ggml_tensor *> kept = inputs;
    std::vector<ggml_tensor *> all = std::move(inputs);
    const int n_nodes = graph ? ggml_graph_n_nodes(graph) : 0;
    for (int i = 0; i < n_nodes; i++) {
        ggml_tensor * node = ggml_graph_node(graph, i);
        all.push_back(node);
        if (node->flags & (GGML_TENSOR_FLAG_INPUT | GGML_TENSOR_FLAG_OUTPUT)) {
            kept.push_back(node);
        }
    }
    for (ggml_tensor * tensor : all) {
        tensors_.emplace_back(tensor, *tensor);
    }
    for (ggml_tensor * tensor : kept) {
        if (has_memory(tensor)) {
            contents_.push_back({tensor, std::vector<char>(ggml_nbytes(tensor))});
            ggml_backend_tensor_get(tensor, contents_.back().bytes.data(), 0, contents_.back().bytes.size());
        }
    }
}

void SavedGraph::note_tensors() {
    for (auto & [tensor, noted] : tensors_) {
        noted = *tensor;
    }
}

void SavedGraph::restore_tensors() const {
    for (const auto & [tensor, noted] : tensors_) {
        *tensor = noted;
    }
}

// Neither ggml's allocator nor ours uses the memory of outputs again.
void SavedGraph::keep_inputs() const {
    for (const Content & content : contents_) {
        content.tensor->flags |= GGML_TENSOR_FLAG_OUTPUT;
    }
}

void SavedGraph::restore_flags() const {
    for (const auto & [tensor, noted] : tensors_) {
        tensor->flags = noted.flags;
    }
}

void SavedGraph::restore_contents() const {
    for (const Content & content : contents_) {
        if (has_memory(content.tensor)) {
            ggml_backend_tensor_set(content.tensor, content.bytes.data(), 0, content.bytes.size());
        }
    }
}

} // namespace ggml_sched
