#include "assign/expand.h"

#include <algorithm>
#include <functional>
#include <iterator>

namespace ggml_sched {

namespace {

// Walks over the nodes in the iterator's direction. Returns how many still have no backend.
template <typename Iterator>
size_t spread_along(Iterator begin, Iterator end, bool devices_only, const GraphView & graph,
                    const std::vector<host::Backend> & backends, Assignment & result) {
    Expansion expansion(devices_only, graph, backends, result);
    for (Iterator node = begin; node != end; ++node) {
        expansion.visit(*node);
    }
    return expansion.n_left();
}

// UpgradeAndFill - the third pass, for one node at a time.
class UpgradeAndFill {
  public:
    UpgradeAndFill(const GraphView & graph, const std::vector<host::Backend> & backends, Assignment & result)
        : graph_(graph)
        , backends_(backends)
        , result_(result) {}

    // Chooses the backend that supports the node and can use most of its operands where they are.
    void find_best(const GraphNode & node) {
        int most = -1;
        for (size_t b = 0; b < backends_.size(); b++) {
            const BackendId backend = static_cast<BackendId>(b);
            if (!result_.answers.supports_op(backends_, backend, graph_, node.tensor)) {
                continue;
            }
            int n_usable = 0;
            for (const Operand & op : graph_.operands_of(node)) {
                n_usable += has_place(op.tensor) && usable(op.tensor, backend);
            }
            if (n_usable > most) {
                most = n_usable;
                result_.backend[node.tensor] = backend;
                result_.cause[node.tensor] = Cause::Best;
            }
        }
    }

    // Moves the node to the first backend of the same memory that can compute it.
    void upgrade(const GraphNode & node) {
        const BackendId own = result_.backend[node.tensor];
        for (BackendId b = 0; b < own; b++) {
            if (backends_[b].buft == backends_[own].buft &&
                result_.answers.supports_op(backends_, b, graph_, node.tensor) && can_use_all(node, b)) {
                result_.backend[node.tensor] = b;
                result_.cause[node.tensor] = Cause::Upgrade;
                return;
            }
        }
    }

  private:
    bool has_place(TensorId id) const {
        return result_.backend[id] != kNoBackend || result_.backend[graph_.root(id)] != kNoBackend;
    }
    bool usable(TensorId id, BackendId backend) const {
        return usable_in_place(graph_, backends_, result_, id, backend);
    }
    bool can_use_all(const GraphNode & node, BackendId backend) const {
        for (const Operand & op : graph_.operands_of(node)) {
            if (!usable(op.tensor, backend)) {
                return false;
            }
        }
        return true;
    }

    const GraphView & graph_;
    const std::vector<host::Backend> & backends_;
    Assignment & result_;
};

// True if two backends put their results into memory of the same type.
bool share_memory(const std::vector<host::Backend> & backends) {
    std::vector<ggml_backend_buffer_type_t> bufts;
    std::transform(backends.begin(), backends.end(), std::back_inserter(bufts),
                   [](const host::Backend & backend) { return backend.buft; });
    std::sort(bufts.begin(), bufts.end(), std::less<>());
    return std::adjacent_find(bufts.begin(), bufts.end()) != bufts.end();
}

// Assigns an operand without a backend: a view to the backend of its root, other tensors to that of their reader.
void assign_operand(const GraphView & graph, const GraphNode & node, TensorId operand, Assignment & result) {
    const bool is_view = graph.views_another(operand);
    result.backend[operand] = result.backend[is_view ? graph.root(operand) : node.tensor];
    result.cause[operand] = is_view ? Cause::View : Cause::Reader;
}

// Assigns the roots of the node's operands. A root that no node reads directly has no backend until then.
void assign_viewed(const GraphView & graph, const GraphNode & node, Assignment & result) {
    for (const Operand & op : graph.operands_of(node)) {
        const TensorId root = graph.root(op.tensor);
        if (result.backend[root] == kNoBackend) {
            result.backend[root] = result.backend[node.tensor];
            result.cause[root] = Cause::Reader;
        }
    }
}

// Assigns the node to the first backend that supports it.
bool fall_back(const GraphView & graph, const std::vector<host::Backend> & backends, const GraphNode & node,
               Assignment & result) {
    for (BackendId b = 0; b < static_cast<BackendId>(backends.size()); b++) {
        if (result.answers.supports_op(backends, b, graph, node.tensor)) {
            result.backend[node.tensor] = b;
            result.cause[node.tensor] = Cause::Fallback;
            return true;
        }
    }
    return false;
}

// Assigns a node that has no backend: a view to the backend of its root.
Status assign_node(const GraphView & graph, const std::vector<host::Backend> & backends, const GraphNode & node,
                   Assignment & result) {
    if (graph.views_another(node.tensor)) {
        result.backend[node.tensor] = result.backend[graph.root(node.tensor)];
        result.cause[node.tensor] = Cause::View;
    }
    if (result.backend[node.tensor] == kNoBackend && !fall_back(graph, backends, node, result)) {
        const ggml_tensor * tensor = graph.tensor(node.tensor);
        return Status::failed(std::string("no backend supports ") + ggml_op_desc(tensor) + " '" + tensor->name +
                              "' of type " + ggml_type_name(tensor->type) +
                              "; add a backend that does, such as the CPU");
    }
    return {};
}

// Moves a node to the backend of the tensor that it writes into, unless its own backend can use that in place.
Status keep_writes(const GraphView & graph, const std::vector<host::Backend> & backends, const GraphNode & node,
                   Assignment & result, TensorId & writer) {
    const TensorId target = graph.root(node.tensor);
    const BackendId own = result.backend[node.tensor];
    if (result.backend[target] == own || usable_in_place(graph, backends, result, target, own)) {
        return {};
    }
    const ggml_tensor * tensor = graph.tensor(node.tensor);
    const BackendId owner = result.backend[target];
    if (!result.answers.supports_op(backends, owner, graph, node.tensor)) {
        writer = node.tensor;
        return Status::failed(std::string(ggml_op_desc(tensor)) + " '" + tensor->name + "' writes into '" +
                              graph.tensor(target)->name + "', which is on " + backends[owner].name +
                              " and cannot run it there; assign both to one backend that supports the operation");
    }
    result.backend[node.tensor] = owner;
    result.cause[node.tensor] = Cause::WritesInto;
    return {};
}

} // namespace

bool expand(const GraphView & graph, const std::vector<host::Backend> & backends, Assignment & result) {
    const std::vector<GraphNode> & nodes = graph.nodes();
    return spread_along(nodes.rbegin(), nodes.rend(), true, graph, backends, result) == 0 ||
           spread_along(nodes.begin(), nodes.end(), false, graph, backends, result) == 0 ||
           spread_along(nodes.rbegin(), nodes.rend(), false, graph, backends, result) == 0;
}

void upgrade_and_fill(const GraphView & graph, const std::vector<host::Backend> & backends, bool all_have_one,
                      Assignment & result) {
    if (all_have_one && !share_memory(backends)) {
        return;
    }
    UpgradeAndFill rest(graph, backends, result);
    for (const GraphNode & node : graph.nodes()) {
        if (node.is_view) {
            continue;
        }
        if (result.backend[node.tensor] == kNoBackend) {
            rest.find_best(node);
        } else {
            rest.upgrade(node);
        }
    }
}

Status assign_rest(const GraphView & graph, const std::vector<host::Backend> & backends, bool move_writers,
                   Assignment & result, TensorId & writer) {
    const std::vector<GraphNode> & nodes = graph.nodes();
    const bool have_roots = std::all_of(graph.views().begin(), graph.views().end(),
                                        [&](TensorId view) { return result.backend[graph.root(view)] != kNoBackend; });
    const TensorId * const roots = graph.roots();
    BackendId * const backend = result.backend.data();
    const auto n = static_cast<int>(nodes.size());
    for (int i = 0; i < n; i++) {
        const GraphNode & node = nodes[i];
        if (backend[node.tensor] == kNoBackend) {
            if (Status status = assign_node(graph, backends, node, result); !status.ok()) {
                return status;
            }
        }
        const BackendId own = backend[node.tensor];
        bool elsewhere = false;
        for (const Operand & op : graph.operands_of(node)) {
            if (backend[op.tensor] != own) {
                if (backend[op.tensor] == kNoBackend) {
                    assign_operand(graph, node, op.tensor, result);
                }
                elsewhere = elsewhere || backend[op.tensor] != own;
            }
        }
        if (!have_roots) {
            assign_viewed(graph, node, result);
        }
        if (node.is_view) {
            continue;
        }
        if (move_writers && roots[node.tensor] != node.tensor) {
            if (Status status = keep_writes(graph, backends, node, result, writer); !status.ok()) {
                return status;
            }
            elsewhere = true; // the node may have moved
        }
        if (elsewhere) {
            result.readers_elsewhere.push_back(i);
        }
    }
    return {};
}

} // namespace ggml_sched
