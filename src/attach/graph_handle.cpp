// host/graph_handle.h for the ggml that the current thread works with.

#include "host/graph_handle.h"

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <new>

#include "bound_ggml.h"
#include "fields.h"
#include "foreign.h"

namespace ggml_sched::host {

using attach::current;
using attach::GraphLayout;
using attach::read_field;
using attach::write_field;

namespace {

// The parameters of graph_optimize. An older backend takes none, and does not look at the third argument.
struct OptimizeParameters {
    void (*add_alloc_dep)(void * user_data, ggml_tensor * tensor, ggml_tensor * until);
    void * user_data;
};

const GraphLayout & layout() {
    return current().layout.graph;
}

// Makes `view` the nodes [begin, end) of `graph`, without leafs and gradients.
void make_view(ggml_cgraph * view, const ggml_cgraph * graph, int begin, int end) {
    const GraphLayout & where = layout();
    std::memcpy(static_cast<void *>(view), graph, where.bytes);
    write_field<int>(view, where.size, 0);
    write_field<int>(view, where.n_nodes, end - begin);
    write_field<int>(view, where.n_leafs, 0);
    write_field(view, where.nodes, read_field<ggml_tensor **>(graph, where.nodes) + begin);
    write_field<void *>(view, where.grads, nullptr);
    write_field<void *>(view, where.grad_accs, nullptr);
    write_field<void *>(view, where.leafs, nullptr);
    if (where.uid != attach::kAbsent) {
        write_field<uint64_t>(view, where.uid, 0);
    }
}

// Returns an identity that ggml gives to no graph: ggml counts from 1.
uint64_t next_identity() {
    static std::atomic<uint64_t> last = uint64_t{1} << 63;
    return ++last;
}

} // namespace

Nodes nodes_of(const ggml_cgraph * graph) {
    return {read_field<ggml_tensor **>(graph, layout().nodes), read_field<int>(graph, layout().n_nodes)};
}

Nodes leafs_of(const ggml_cgraph * graph) {
    return {read_field<ggml_tensor **>(graph, layout().leafs), read_field<int>(graph, layout().n_leafs)};
}

uint64_t identity_of(const ggml_cgraph * graph) {
    return layout().uid == attach::kAbsent ? 0 : read_field<uint64_t>(graph, layout().uid);
}

void set_identity(ggml_cgraph * graph) {
    if (layout().uid != attach::kAbsent) {
        write_field(graph, layout().uid, next_identity());
    }
}

bool is_complete(const ggml_cgraph * /*graph*/) {
    return true; // ggml ends the program when a graph is too small.
}

void GraphHandle::Deleter::operator()(ggml_cgraph * graph) const {
    ::operator delete(static_cast<void *>(graph));
}

GraphHandle::GraphHandle()
    : graph_(static_cast<ggml_cgraph *>(::operator new(layout().bytes))) {
    std::memset(static_cast<void *>(graph_.get()), 0, layout().bytes);
}
GraphHandle::GraphHandle(GraphHandle && other) noexcept = default;
GraphHandle & GraphHandle::operator=(GraphHandle && other) noexcept = default;
GraphHandle::~GraphHandle() = default;

void GraphHandle::view(ggml_cgraph * graph, int begin, int end) {
    make_view(graph_.get(), graph, begin, end);
}

void GraphHandle::optimize_for(ggml_backend_t backend, std::vector<Keep> & keeps) {
    using Optimize = void (*)(ggml_backend_t, ggml_cgraph *, OptimizeParameters *);
    OptimizeParameters parameters = {};
    parameters.user_data = &keeps;
    parameters.add_alloc_dep = [](void * user_data, ggml_tensor * tensor, ggml_tensor * until) {
        static_cast<std::vector<Keep> *>(user_data)->push_back({tensor, until});
    };
    if (const auto optimize = read_field<Optimize>(backend, current().layout.backend.graph_optimize)) {
        optimize(backend, graph_.get(), &parameters);
    }
}

void GraphHandle::slice(const GraphHandle & whole, int begin, int end) {
    make_view(graph_.get(), whole.get(), begin, end);
}

void GraphHandle::replace_nodes(const ggml_cgraph * graph, ggml_tensor ** nodes, int n_nodes) {
    const GraphLayout & where = layout();
    std::memcpy(static_cast<void *>(graph_.get()), graph, where.bytes);
    write_field<int>(graph_.get(), where.n_nodes, n_nodes);
    write_field<int>(graph_.get(), where.size, std::max(n_nodes, read_field<int>(graph, where.size)));
    write_field(graph_.get(), where.nodes, nodes);
    write_field<void *>(graph_.get(), where.grads, nullptr);
    write_field<void *>(graph_.get(), where.grad_accs, nullptr);
}

void GraphHandle::set_identity() {
    host::set_identity(graph_.get());
}

} // namespace ggml_sched::host
