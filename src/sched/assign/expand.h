// Expansion and the passes 2 to 4 of the assignment (see assign/assign.h): neighbours, upgrades, and the rest.
//
// All functions write to an Assignment that the caller owns, and keep nothing between calls.

#pragma once

#include "assign/assign.h"

namespace ggml_sched {

// Expansion - a walk over the nodes. A node without a backend gets that of the nearest node before it on the walk, if
// that backend supports it.
class Expansion {
  public:
    // If `devices_only`, the CPU does not expand. The references must outlive the walk.
    Expansion(bool devices_only, const GraphView & graph, const std::vector<host::Backend> & backends,
              Assignment & result)
        : graph_(graph)
        , backends_(backends)
        , result_(result)
        , backend_(result.backend.data())
        , avoided_(devices_only ? static_cast<BackendId>(backends.size() - 1) : kNoBackend) {}

    // Visits the next node of the walk.
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

    // Returns how many of the visited nodes still have no backend.
    size_t n_left() const { return n_left_; }

  private:
    const GraphView & graph_;
    const std::vector<host::Backend> & backends_;
    Assignment & result_;
    BackendId * const backend_;      // the result's, by tensor
    const BackendId avoided_;        // the CPU if only devices expand
    BackendId current_ = kNoBackend; // that of the nearest node before; kNoBackend if that is avoided_
    size_t n_left_ = 0;
};

// Makes the last three of four walks: devices expand down and up, then all backends do. The first walk is part of
// assign_by_placement(). Devices go first, so that the CPU gets only nodes that no device reaches. Returns true if all
// nodes have a backend.
bool expand(const GraphView & graph, const std::vector<host::Backend> & backends, Assignment & result);

// Upgrades nodes to backends of higher priority, and finds the best backend for nodes without one.
void upgrade_and_fill(const GraphView & graph, const std::vector<host::Backend> & backends, bool all_have_one,
                      Assignment & result);

// Assigns operands and views, and moves nodes to the tensors that they write into. Fails for a node that no backend
// supports. If a node writes into a tensor of a backend that cannot run it, fails and sets `writer` to the node.
Status assign_rest(const GraphView & graph, const std::vector<host::Backend> & backends, bool move_writers,
                   Assignment & result, TensorId & writer);

} // namespace ggml_sched
