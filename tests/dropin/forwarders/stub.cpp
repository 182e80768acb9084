#include "stub.h"

#include <cstdint>
#include <cstdio>
#include <cstring>
#include <list>

#include "host/log.h"

size_t stub::buffer_size = 0;
std::string stub::failing;

void stub::say(const std::string & line) {
    std::puts(line.c_str());
    std::fflush(stdout);
}

bool stub::fails(const std::string & call) {
    return failing.find(call) != std::string::npos;
}

namespace ggml_sched::host {

void log_error(const char * text) {
    log_error(std::string(text));
}

void log_error(const std::string & text) {
    stub::say("error: " + text);
}
void log_warning(const std::string & text) {
    stub::say("warning: " + text);
}
void log_debug(const std::string &) {}

} // namespace ggml_sched::host

size_t ggml_nbytes(const ggml_tensor * tensor) {
    return static_cast<size_t>(tensor->ne[0]);
}

int ggml_graph_n_nodes(ggml_cgraph * graph) {
    return static_cast<int>(graph->nodes.size());
}

ggml_tensor * ggml_graph_node(ggml_cgraph * graph, int i) {
    return graph->nodes[static_cast<size_t>(i)];
}

void ggml_backend_tensor_get(const ggml_tensor * tensor, void * data, size_t offset, size_t size) {
    std::memcpy(data, static_cast<const char *>(tensor->data) + offset, size);
}

void ggml_backend_tensor_set(ggml_tensor * tensor, const void * data, size_t offset, size_t size) {
    std::memcpy(static_cast<char *>(tensor->data) + offset, data, size);
}

// A graph that a scheduler reserves: its tensors are numbered, and their sizes are what matters.

struct ggml_context {
    std::list<ggml_tensor> tensors;
    ggml_cgraph graph;
};

ggml_context * ggml_init(ggml_init_params) {
    return new ggml_context();
}

void ggml_free(ggml_context * context) {
    delete context;
}

size_t ggml_tensor_overhead() {
    return 1;
}

size_t ggml_graph_overhead() {
    return 1;
}

ggml_tensor * ggml_new_tensor_1d(ggml_context * context, ggml_type, int64_t n) {
    ggml_tensor tensor = {};
    tensor.ne[0] = n * 4;
    std::snprintf(tensor.name, sizeof(tensor.name), "%d bytes", static_cast<int>(n) * 4);
    context->tensors.push_back(tensor);
    return &context->tensors.back();
}

ggml_tensor * ggml_scale_inplace(ggml_context * context, ggml_tensor * of, float) {
    context->tensors.push_back(*of);
    ggml_tensor * node = &context->tensors.back();
    node->src[0] = node->view_src = of;
    return node;
}

void ggml_set_output(ggml_tensor * tensor) {
    tensor->flags |= GGML_TENSOR_FLAG_OUTPUT;
}

ggml_cgraph * ggml_new_graph(ggml_context * context) {
    return &context->graph;
}

void ggml_build_forward_expand(ggml_cgraph * graph, ggml_tensor * node) {
    graph->nodes.push_back(node);
}

ggml_backend_buffer_type_t ggml_backend_get_default_buffer_type(ggml_backend_t) {
    return nullptr;
}

enum ggml_backend_buffer_usage ggml_backend_buffer_get_usage(ggml_backend_buffer_t) {
    return GGML_BACKEND_BUFFER_USAGE_ANY;
}
size_t ggml_backend_buft_get_max_size(ggml_backend_buffer_type_t) {
    return SIZE_MAX;
}
