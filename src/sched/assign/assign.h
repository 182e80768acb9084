// Assignment - which backend computes each node and holds each tensor of a graph.
//
// The rules and their order are ggml's, so that an engine's graph is placed here as it is there:
//   1  tensors that already have memory, inputs (on the last backend), operations with weights (where the weights are,
//      or on a device that offers to take the operation: op_offload)
//   2  neighbours join: device backends expand down and up over nodes that they support, then all backends do
//   3  nodes move to a backend of higher priority that shares the memory; nodes that nobody reached go where most of
//      their operands are
//   4  operands that still have no backend take that of their reader, views that of what they view
// One rule is ours: a node that writes into a tensor of another backend's memory moves to that backend, since writing
// into a copy of the tensor would be lost.

#pragma once

#include <unordered_map>
#include <utility>
#include <vector>

#include "assign/answers.h"
#include "host/status.h"

namespace ggml_sched {

enum class Cause : uint8_t {
    None,
    User,       // usr: set by the caller
    Memory,     // 1.dst: it already has memory
    ViewMemory, // 1.vsrc: what it views already has memory
    Input,      // 1.inp: it is an input
    Weights,    // 1.wgt: it uses weights
    Offload,    // 1.off: it uses weights in host memory, and a device takes it all the same
    Neighbour,  // 2.sup
    Best,       // 3.best: most of its operands are there
    Upgrade,    // 3.upg: a backend of higher priority shares the memory
    View,       // 4.vsrc: it is a view
    Reader,     // 4.cur: its reader is there
    Fallback,   // 4.any: the first backend that supports it
    WritesInto, // 4.wr: it writes into a tensor there
};

const char * cause_name(Cause cause);

struct Assignment {
    std::vector<BackendId> backend; // by tensor
    std::vector<Cause> cause;       // by tensor
    BackendAnswers answers;         // that led to it
    // Nodes, but no views, that may have operands on other backends; in their order. No other node has.
    std::vector<int> readers_elsewhere;
};

using UserAssignments = std::unordered_map<const ggml_tensor *, BackendId>;

// What the user asked for, of one graph's tensors, sorted
using PlacedByUser = std::vector<std::pair<TensorId, BackendId>>;
PlacedByUser placed_by_user(const GraphView & graph, const UserAssignments & user);

struct AssignOptions {
    bool op_offload;
    bool keep_writes = true; // the last rule; off in a test only
};

// Fails, naming the node, if no backend can compute it. `result` keeps its memory from graph to graph.
Status assign(const GraphView & graph, const std::vector<host::Backend> & backends, const PlacedByUser & user,
              const AssignOptions & options, Assignment & result);

// Can `backend` use the tensor where it is (or will be), without a copy?
bool usable_in_place(const GraphView & graph, const std::vector<host::Backend> & backends,
                     const Assignment & assignment, TensorId tensor, BackendId backend);

} // namespace ggml_sched
