#include "host/graph_handle.h"

#include <algorithm>

#include "host/ggml_api.h"

namespace ggml_sched::host {

Nodes nodes_of(const ggml_cgraph * graph) {
    return {graph->nodes, graph->n_nodes};
}

Nodes leafs_of(const ggml_cgraph * graph) {
    return {graph->leafs, graph->n_leafs};
}

uint64_t identity_of(const ggml_cgraph * graph) {
#if GGML_SCHED_HAS_GRAPH_UID
    return graph->uid;
#else
    static_cast<void>(graph);
    return 0;
#endif
}

void set_identity(ggml_cgraph * graph) {
#if GGML_SCHED_HAS_GRAPH_UID
    graph->uid = ggml_graph_next_uid();
#else
    static_cast<void>(graph);
#endif
}

bool is_complete(const ggml_cgraph * graph) {
#ifdef GGML_SCHED_DROP_IN
    static_cast<void>(graph);
    return true; // ggml ends the program when a graph is too small
#else
    return !graph->overflow;
#endif
}

void GraphHandle::Deleter::operator()(ggml_cgraph * graph) const {
    delete graph;
}

GraphHandle::GraphHandle()
    : graph_(new ggml_cgraph()) {}
GraphHandle::GraphHandle(GraphHandle && other) noexcept = default;
GraphHandle & GraphHandle::operator=(GraphHandle && other) noexcept = default;
GraphHandle::~GraphHandle() = default;

void GraphHandle::view(ggml_cgraph * graph, int begin, int end) {
    *graph_ = ggml_graph_view(graph, begin, end);
}

#if GGML_SCHED_HAS_GRAPH_OPTIMIZE == 2

void GraphHandle::optimize_for(ggml_backend_t backend, std::vector<Keep> & keeps) {
    ggml_backend_graph_optimize_params params = {};
    params.user_data = &keeps;
    params.add_alloc_dep = [](void * user_data, ggml_tensor * tensor, ggml_tensor * until) {
        static_cast<std::vector<Keep> *>(user_data)->push_back({tensor, until});
    };
    if (backend->iface.graph_optimize) {
        backend->iface.graph_optimize(backend, graph_.get(), &params);
    }
}

#elif GGML_SCHED_HAS_GRAPH_OPTIMIZE == 1

void GraphHandle::optimize_for(ggml_backend_t backend, std::vector<Keep> & /*keeps*/) {
    if (backend->iface.graph_optimize) {
        backend->iface.graph_optimize(backend, graph_.get());
    }
}

#else

void GraphHandle::optimize_for(ggml_backend_t /*backend*/, std::vector<Keep> & /*keeps*/) {}

#endif

void GraphHandle::slice(const GraphHandle & whole, int begin, int end) {
    *graph_ = ggml_graph_view(whole.graph_.get(), begin, end);
}

void GraphHandle::replace_nodes(const ggml_cgraph * graph, ggml_tensor ** nodes, int n_nodes) {
    *graph_ = *graph;
    graph_->nodes = nodes;
    graph_->n_nodes = n_nodes;
    graph_->size = std::max(n_nodes, graph->size);
}

void GraphHandle::set_identity() {
#if GGML_SCHED_HAS_GRAPH_UID
    graph_->uid = ggml_graph_next_uid();
#endif
}

} // namespace ggml_sched::host
