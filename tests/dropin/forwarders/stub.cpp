#include "stub.h"

#include <cstdio>
#include <cstring>

#include "host/log.h"

std::string stub::failing;

void stub::say(const std::string & line) {
    std::puts(line.c_str());
    std::fflush(stdout);
}

bool stub::fails(const std::string & call) {
    return failing.find(call) != std::string::npos;
}

namespace ggml_sched::host {

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
