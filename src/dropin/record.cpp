#include "record.h"

#include <algorithm>

#include "ggml.h"

namespace ggml_sched {

namespace {

// True if our scheduler will place the tensor. A tensor in a compute buffer may have been placed, and is placed again.
bool may_get_memory(const ggml_tensor * tensor) {
    const bool has_memory = tensor->buffer
                                ? ggml_backend_buffer_get_usage(tensor->buffer) != GGML_BACKEND_BUFFER_USAGE_COMPUTE
                                : tensor->data != nullptr;
    return !has_memory && !tensor->view_src;
}

} // namespace

std::vector<ggml_tensor *> find_inputs_to_place(ggml_cgraph * graph) {
    std::vector<ggml_tensor *> inputs;
    const int n_nodes = ggml_graph_n_nodes(graph);
    for (int i = 0; i < n_nodes; i++) {
        for (ggml_tensor * src : ggml_graph_node(graph, i)->src) {
            ggml_tensor * tensor = src && src->view_src ? src->view_src : src;
            if (tensor && tensor->op == GGML_OP_NONE && may_get_memory(tensor)) {
                inputs.push_back(tensor);
            }
        }
    }
    std::sort(inputs.begin(), inputs.end());
    inputs.erase(std::unique(inputs.begin(), inputs.end()), inputs.end());
    return inputs;
}

void Record::assign(ggml_tensor * tensor, ggml_backend_t backend) {
    const auto & backends = arguments.backends;
    if (tensor && std::find(backends.begin(), backends.end(), backend) != backends.end()) {
        assignments[tensor] = backend;
    }
}

void Record::forget_graph() {
    graph = nullptr;
    inputs.clear();
}

void Record::reset() {
    assignments.clear();
    forget_graph();
}

bool Record::is_allocated(ggml_cgraph * other) const {
    if (!other || other != graph) {
        return false;
    }
    const int n_nodes = ggml_graph_n_nodes(other);
    return n_nodes == 0 || ggml_graph_node(other, n_nodes - 1)->data;
}

void Record::begin_allocation(ggml_cgraph * next) {
    if (next && !is_allocated(next)) {
        inputs = find_inputs_to_place(next);
    }
}

void Record::end_allocation(ggml_cgraph * allocated, bool succeeded) {
    if (succeeded) {
        graph = allocated;
    } else {
        reset(); // Our scheduler has reset, too.
    }
}

void Record::end_run(ggml_cgraph * computed, ggml_status status) {
    if (status == GGML_STATUS_SUCCESS || status == GGML_STATUS_ABORTED) {
        graph = computed;
    } else if (computed != graph || status == GGML_STATUS_ALLOC_FAILED) {
        reset();
    }
}

} // namespace ggml_sched
