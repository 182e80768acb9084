// Assignment - which backend computes each node and holds each tensor of a graph, and why (Cause).
//
// The rules and their order are ggml's, so that an engine's graph is placed here as it is there:
//   1  tensors that already have memory, inputs (on the last backend), operations with weights (where the weights are,
//      or on a device that offers to take the operation: op_offload)
//   2  neighbours join: devices expand down and up over nodes that they support, then all backends do
//   3  nodes are upgraded to a backend of higher priority that shares the memory; nodes that pass 2 did not reach go
//      where most of their operands are
//   4  operands that still have no backend take that of their reader, views that of what they view
// One rule is ours: a node that writes into a tensor of another backend's memory moves to that backend. A write into a
// copy of the tensor would be lost.
//
// assign() keeps nothing between calls, and may be called from any thread. The caller owns the Assignment.

#pragma once

#include <unordered_map>
#include <utility>
#include <vector>

#include "assign/answers.h"
#include "host/status.h"

namespace ggml_sched {

// Cause - the rule that chose the backend of a tensor.
enum class Cause : uint8_t {
    None,       // no backend has been chosen
    User,       // usr: set by the caller
    Memory,     // 1.dst: it already has memory
    ViewMemory, // 1.vsrc: its view_src already has memory
    Input,      // 1.inp: it is an input
    Weights,    // 1.wgt: it uses weights
    Offload,    // 1.off: it uses weights in host memory, and a device offers to take it
    Neighbour,  // 2.sup: a neighbour's backend expanded to it
    Best,       // 3.best: most of its operands are there
    Upgrade,    // 3.upg: a backend of higher priority shares the memory
    View,       // 4.vsrc: it is a view
    Reader,     // 4.cur: its reader is there
    Fallback,   // 4.any: the first backend that supports it
    WritesInto, // 4.wr: it writes into a tensor there
};

// Returns ggml's short name of the cause, such as "1.wgt".
const char * cause_name(Cause cause);

// Assignment - the backend of each tensor, and what the stages behind need to know about it.
struct Assignment {
    std::vector<BackendId> backend; // by tensor
    std::vector<Cause> cause;       // by tensor
    BackendAnswers answers;         // the answers on which it depends
    // Indices of the nodes that may have operands on other backends, in order. Views are left out.
    std::vector<int> readers_elsewhere;
};

// UserAssignments - the backends that the user chose, for tensors of any graph.
using UserAssignments = std::unordered_map<const ggml_tensor *, BackendId>;

// PlacedByUser - the backends that the user chose for tensors of one graph, sorted by tensor.
using PlacedByUser = std::vector<std::pair<TensorId, BackendId>>;
// Returns the user's choices for tensors of this graph. Leaves views out: they lie where their root lies.
PlacedByUser placed_by_user(const GraphView & graph, const UserAssignments & user);

// AssignOptions - switches of the assignment.
struct AssignOptions {
    bool op_offload;         // devices may take operations whose weights are in host memory
    bool keep_writes = true; // nodes move to the tensor that they write into; only a test switches this off
};

// Chooses the backends. Fails for a node that no backend can compute, and names it. `result` can be used again.
Status assign(const GraphView & graph, const std::vector<host::Backend> & backends, const PlacedByUser & user,
              const AssignOptions & options, Assignment & result);

// True if `backend` can use the tensor where it is, or will be, without a copy.
bool usable_in_place(const GraphView & graph, const std::vector<host::Backend> & backends,
                     const Assignment & assignment, TensorId tensor, BackendId backend);

} // namespace ggml_sched
