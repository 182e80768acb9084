// NodeOrder - what backends have asked for before a graph is allocated: another order of nodes, and alloc dependencies.
// All is by number, so that graphs can be compared. It is a value.

#pragma once

#include <vector>

#include "graph/tensor_ids.h"

namespace ggml_sched {

// AllocDependency - something keeps its memory until a node is computed.
struct AllocDependency {
    uint32_t kept;  // number of a tensor; or of a copy, which is the number of all tensors plus its index
    TensorId until; // the node

    friend bool operator==(const AllocDependency & a, const AllocDependency & b) {
        return a.kept == b.kept && a.until == b.until;
    }
};

struct NodeOrder {
    std::vector<TensorId> nodes; // all nodes in the order of their computation; empty: in the order of the caller
    std::vector<AllocDependency> dependencies;

    friend bool operator==(const NodeOrder & a, const NodeOrder & b) {
        return a.nodes == b.nodes && a.dependencies == b.dependencies;
    }
};

} // namespace ggml_sched
