#include "assign/assign.h"

#include <algorithm>

#include "assign/placement.h"
#include "assign/spread.h"

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
        if (id != kNoTensor && !host::is_view_op(graph.tensor(id))) { // a view is where its bytes are
            placed.emplace_back(id, backend);
        }
    }
    std::sort(placed.begin(), placed.end());
    return placed;
}

Status assign(const GraphView & graph, const std::vector<host::Backend> & backends, const PlacedByUser & user,
              const AssignOptions & options, Assignment & result) {
    result.backend.assign(graph.n_tensors(), kNoBackend);
    result.cause.assign(graph.n_tensors(), Cause::None);
    result.questions.begin(graph);
    result.readers_elsewhere.clear();
    for (const auto & [id, backend] : user) {
        result.backend[id] = backend;
        result.cause[id] = Cause::User;
    }

    Spread devices(true, graph, backends, result);
    Status status = assign_by_placement(graph, backends, options.op_offload, devices, result);
    if (status.ok()) {
        const bool all_have_one = devices.n_left() == 0 || spread_on(graph, backends, result);
        settle(graph, backends, all_have_one, result);
        status = assign_rest(graph, backends, options.keep_writes, result);
    }
    return status;
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
