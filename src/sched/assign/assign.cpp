#include "assign/assign.h"

#include <algorithm>

#include "assign/expand.h"
#include "assign/placement.h"
#include "host/operations.h"

namespace ggml_sched {

const char * cause_name(Cause cause) {
    switch (cause) {
    case Cause::None: return "";
    case Cause::User: return "usr";
    case Cause::Memory: return "1.dst";
    case Cause::ViewMemory: return "1.vsrc";
    case Cause::Input: return "1.inp";
    case Cause::Weights: return "1.wgt";
    case Cause::Offload: return "1.off";
    case Cause::Neighbour: return "2.sup";
    case Cause::Best: return "3.best";
    case Cause::Upgrade: return "3.upg";
    case Cause::View: return "4.vsrc";
    case Cause::Reader: return "4.cur";
    case Cause::Fallback: return "4.any";
    case Cause::WritesInto: return "4.wr";
    }
    return "";
}

PlacedByUser placed_by_user(const GraphView & graph, const UserAssignments & user) {
    PlacedByUser placed;
    for (const auto & [tensor, backend] : user) {
        const TensorId id = graph.ids().find(tensor);
        if (id != kNoTensor && !host::is_view_op(graph.tensor(id))) { // a view lies where its root lies
            placed.emplace_back(id, backend);
        }
    }
    std::sort(placed.begin(), placed.end());
    return placed;
}

namespace {

// Fails for a node that the user has assigned to a backend that does not support it.
Status check_user_assignments(const GraphView & graph, const std::vector<host::Backend> & backends,
                              const PlacedByUser & user, Assignment & result) {
    for (const auto & [id, backend] : user) {
        const uint8_t both = kIsNode | kIsComputed;
        if ((graph.facts(id) & both) == both && !result.answers.supports_op(backends, backend, graph, id)) {
            const ggml_tensor * node = graph.tensor(id);
            return Status::failed(std::string(ggml_op_desc(node)) + " '" + node->name + "' has been assigned to " +
                                  backends[backend].name + ", which does not support it; assign it to a backend for " +
                                  "which ggml_backend_supports_op is true, or to none");
        }
    }
    return {};
}

// True if the tensor already has memory, and the backend cannot use that.
bool lies_elsewhere(const GraphView & graph, const std::vector<host::Backend> & backends, TensorId id,
                    BackendId backend) {
    const ggml_backend_buffer_t buffer = host::buffer_of(graph.tensor(id));
    return buffer && !ggml_backend_supports_buft(backends[backend].handle, host::buft_of(buffer));
}

// Makes all passes once. If a node writes into a tensor of a backend that cannot run it, fails and sets `writer` to the
// node.
Status assign_once(const GraphView & graph, const std::vector<host::Backend> & backends, const PlacedByUser & user,
                   const PlacedByUser & moved, const AssignOptions & options, Assignment & result, TensorId & writer) {
    result.backend.assign(graph.n_tensors(), kNoBackend);
    result.cause.assign(graph.n_tensors(), Cause::None);
    result.readers_elsewhere.clear();
    for (const auto & [id, backend] : moved) {
        result.backend[id] = backend;
        result.cause[id] = Cause::WritesInto;
    }
    for (const auto & [id, backend] : user) {
        if (options.keep_writes && lies_elsewhere(graph, backends, id, backend)) {
            continue;
        }
        result.backend[id] = backend;
        result.cause[id] = Cause::User;
    }
    Expansion devices(true, graph, backends, result);
    Status status = assign_by_placement(graph, backends, options.op_offload, devices, result);
    if (status.ok()) {
        const bool all_have_one = devices.n_left() == 0 || expand(graph, backends, result);
        upgrade_and_fill(graph, backends, all_have_one, result);
        status = assign_rest(graph, backends, options.keep_writes, result, writer);
    }
    return status;
}

// Returns the first backend that can run all nodes which write the bytes of this tensor; kNoBackend if there is none.
BackendId find_backend_of_all_writers(const GraphView & graph, const std::vector<host::Backend> & backends,
                                      TensorId target, Assignment & result) {
    for (BackendId b = 0; b < static_cast<BackendId>(backends.size()); b++) {
        const auto can_run = [&](const GraphNode & node) {
            return node.is_view || graph.root(node.tensor) != target ||
                   result.answers.supports_op(backends, b, graph, node.tensor);
        };
        if (std::all_of(graph.nodes().begin(), graph.nodes().end(), can_run)) {
            return b;
        }
    }
    return kNoBackend;
}

} // namespace

Status assign(const GraphView & graph, const std::vector<host::Backend> & backends, const PlacedByUser & user,
              const AssignOptions & options, Assignment & result) {
    result.answers.begin();
    if (Status status = check_user_assignments(graph, backends, user, result); !status.ok()) {
        return status;
    }
    PlacedByUser moved; // targets of writes, with a backend that has the operation
    while (true) {
        TensorId writer = kNoTensor;
        Status status = assign_once(graph, backends, user, moved, options, result, writer);
        if (writer == kNoTensor) {
            return status;
        }
        const TensorId target = graph.root(writer);
        const bool is_fixed = (graph.facts(target) & kIsPlaced) || result.cause[target] == Cause::User ||
                              result.cause[target] == Cause::WritesInto;
        const BackendId backend = is_fixed ? kNoBackend : find_backend_of_all_writers(graph, backends, target, result);
        if (backend == kNoBackend) {
            return status;
        }
        moved.emplace_back(target, backend);
    }
}

bool usable_in_place(const GraphView & graph, const std::vector<host::Backend> & backends,
                     const Assignment & assignment, TensorId tensor, BackendId backend) {
    ggml_backend_buffer_type_t buft = nullptr;
    if (const ggml_backend_buffer_t buffer = host::buffer_of(graph.tensor(tensor))) {
        buft = host::buft_of(buffer);
    } else {
        BackendId owner = assignment.backend[tensor];
        if (owner == kNoBackend) {
            owner = assignment.backend[graph.root(tensor)];
        }
        if (owner == backend) {
            return true;
        }
        if (owner != kNoBackend) {
            buft = backends[owner].buft;
        }
    }
    return buft && ggml_backend_supports_buft(backends[backend].handle, buft);
}

} // namespace ggml_sched
