// The later passes of the assignment: neighbours, upgrades, and what is left.

#pragma once

#include "assign/assign.h"

namespace ggml_sched {

// A walk over the nodes on which those without a backend join that of the nearest node before, if it supports them.
class Expansion {
  public:
    Expansion(bool devices_only, const GraphView & graph, const std::vector<host::Backend> & backends,
              Assignment & result)
        : graph_(graph)
        , backends_(backends)
        , result_(result)
        , backend_(result.backend.data())
        , avoided_(devices_only ? static_cast<BackendId>(backends.size() - 1) : kNoBackend) {}

    void visit(const GraphNode & node) {
        if (node.is_view) {
            return;
        }
        const BackendId own = backend_[node.tensor];
        if (own != kNoBackend) {
            current_ = own == avoided_ ? kNoBackend : own;
        } else if (current_ != kNoBackend && result_.answers.supports_op(backends_, current_, graph_, node.tensor)) {
            backend_[node.tensor] = current_;
            result_.cause[node.tensor] = Cause::Neighbour;
        } else {
            n_left_++;
        }
    }

    size_t n_left() const { return n_left_; } // that have none still

  private:
    const GraphView & graph_;
    const std::vector<host::Backend> & backends_;
    Assignment & result_;
    BackendId * const backend_; // the result's, by tensor
    const BackendId avoided_;
    BackendId current_ = kNoBackend;
    size_t n_left_ = 0;
};

// Nodes without a backend join that of the nearest node before them, then after them: first the devices expand, so that
// the CPU gets only what lies between CPU nodes or what a device does not support, then everybody. The first of these
// four walks has been made. True if all have one now.
bool spread_on(const GraphView & graph, const std::vector<host::Backend> & backends, Assignment & result);

// Upgrades nodes to backends of higher priority, and finds the best backend for those that nobody reached.
void settle(const GraphView & graph, const std::vector<host::Backend> & backends, bool all_have_one,
            Assignment & result);

// Operands, views, nodes that write into other tensors. Fails for a node that no backend supports; and, with `writer`
// set to it, for a node that writes into a tensor of a backend that cannot run it.
Status assign_rest(const GraphView & graph, const std::vector<host::Backend> & backends, bool move_writers,
                   Assignment & result, TensorId & writer);

} // namespace ggml_sched
