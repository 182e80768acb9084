#include "host/graph_handle.h"

#include "ggml-backend-impl.h"
#include "ggml-impl.h"

namespace ggml_sched::host {

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

void GraphHandle::optimize_for(ggml_backend_t backend) {
    if (backend->iface.graph_optimize) {
        backend->iface.graph_optimize(backend, graph_.get());
    }
}

void GraphHandle::slice(const GraphHandle & whole, int begin, int end) {
    *graph_ = ggml_graph_view(whole.graph_.get(), begin, end);
}

void GraphHandle::assemble(std::vector<ggml_tensor *> & nodes, std::vector<ggml_tensor *> & leafs) {
    *graph_ = {};
    graph_->n_nodes = static_cast<int>(nodes.size());
    graph_->n_leafs = static_cast<int>(leafs.size());
    graph_->size = graph_->n_nodes > graph_->n_leafs ? graph_->n_nodes : graph_->n_leafs;
    graph_->nodes = nodes.data();
    graph_->leafs = leafs.data();
}

void GraphHandle::set_identity() {
    graph_->uid = ggml_graph_next_uid();
}

} // namespace ggml_sched::host
