#include "assign/placement.h"

#include "host/by_buffer.h"
#include "host/operations.h"

namespace ggml_sched {

namespace {

// Choice - a backend and the cause; kNoBackend if no rule of this pass applies.
struct Choice {
    BackendId backend = kNoBackend;
    Cause cause = Cause::None;
};

// Placement - applies the rules of the pass to one tensor at a time.
class Placement {
  public:
    Placement(const GraphView & graph, const std::vector<host::Backend> & backends, bool op_offload,
              BackendAnswers & answers)
        : graph_(graph)
        , backends_(backends)
        , op_offload_(op_offload)
        , answers_(answers) {}

    // Chooses by memory or by the flag INPUT. Returns false if no backend can run the operation in the tensor's memory.
    bool choose(TensorId id, Choice & choice) {
        const uint8_t facts = graph_.facts(id);
        if (facts & kIsPlaced) {
            choice = {backend_at(graph_.content(id).buffer(), id),
                      graph_.views_another(id) ? Cause::ViewMemory : Cause::Memory};
            return choice.backend != kNoBackend;
        }
        if (facts & kIsInput) {
            choice = {static_cast<BackendId>(backends_.size() - 1), Cause::Input};
        }
        return true;
    }

    // Chooses by the first operand that is a weight.
    void choose_by_weights(const GraphNode & node, Choice & choice) {
        const uint8_t * const facts = graph_.facts();
        for (const Operand & op : graph_.operands_of(node)) {
            if (facts[op.tensor] & kIsWeights) {
                if (host::is_placed_by_weights(graph_.tensor(node.tensor))) {
                    choice = by_weights(node.tensor, graph_.content(op.tensor).buffer());
                }
                return;
            }
        }
    }

  private:
    // Returns the first backend that can use the buffer and compute `op`; kNoBackend if there is none.
    BackendId backend_at(ggml_backend_buffer_t buffer, TensorId op) {
        BackendId user = first_users_.of(buffer, [this](ggml_backend_buffer_t added) { return next_user(added, 0); });
        while (user != kNoBackend && !supports_op(user, op)) {
            user = next_user(buffer, user + 1);
        }
        return user;
    }
    // Returns the first backend from `from` on that can use the buffer.
    BackendId next_user(ggml_backend_buffer_t buffer, int from) const {
        for (BackendId b = static_cast<BackendId>(from); b < static_cast<BackendId>(backends_.size()); b++) {
            if (ggml_backend_supports_buft(backends_[b].handle, host::buft_of(buffer))) {
                return b;
            }
        }
        return kNoBackend;
    }

    // Chooses the backend of the weights, or a device that offers to take the operation.
    Choice by_weights(TensorId id, ggml_backend_buffer_t weights) {
        const BackendId owner = backend_at(weights, id);
        const bool on_cpu = owner == static_cast<BackendId>(backends_.size() - 1);
        if (op_offload_ && on_cpu && host::is_host(weights)) {
            for (BackendId b = 0; b < owner; b++) {
                if (supports_op(b, id) && answers_.offload_op(backends_, b, graph_, id)) {
                    return {b, Cause::Offload};
                }
            }
        }
        return {owner, Cause::Weights};
    }

    bool supports_op(BackendId backend, TensorId op) { return answers_.supports_op(backends_, backend, graph_, op); }

    const GraphView & graph_;
    const std::vector<host::Backend> & backends_;
    const bool op_offload_;
    BackendAnswers & answers_;
    host::ByBuffer<BackendId> first_users_; // the first backend that can use the buffer
};

// Returns the error for a tensor in memory where no backend can run its operation.
Status nobody_can_run(const ggml_tensor * tensor) {
    const std::string where = std::string("tensor '") + tensor->name + "' lies in memory of type " +
                              ggml_backend_buft_name(host::buft_of(host::buffer_of(tensor)));
    if (tensor->op == GGML_OP_NONE) {
        return Status::failed(where +
                              ", which no backend of this scheduler can use; add the backend of that memory, or "
                              "move the tensor");
    }
    return Status::failed(where + ", where no backend of this scheduler can run " + ggml_op_desc(tensor) +
                          "; add a backend that can, or place the tensor elsewhere");
}

} // namespace

Status assign_by_placement(const GraphView & graph, const std::vector<host::Backend> & backends, bool op_offload,
                           Expansion & devices, Assignment & result) {
    Placement placement(graph, backends, op_offload, result.answers);
    const auto take = [&](TensorId id, const Choice & choice) {
        if (choice.backend != kNoBackend) {
            result.backend[id] = choice.backend;
            result.cause[id] = choice.cause;
        }
    };
    for (const TensorId leaf : graph.leafs()) {
        Choice choice;
        if (result.backend[leaf] == kNoBackend && !placement.choose(leaf, choice)) {
            return nobody_can_run(graph.tensor(leaf));
        }
        take(leaf, choice);
    }
    const uint8_t * const facts = graph.facts();
    const BackendId * const backend = result.backend.data();
    for (const GraphNode & node : graph.nodes()) {
        if (backend[node.tensor] == kNoBackend) {
            Choice choice;
            if ((facts[node.tensor] & (kIsPlaced | kIsInput)) && !placement.choose(node.tensor, choice)) {
                return nobody_can_run(graph.tensor(node.tensor));
            }
            if (choice.cause == Cause::None) {
                placement.choose_by_weights(node, choice);
            }
            take(node.tensor, choice);
        }
        devices.visit(node); // expansion down depends only on nodes before it
    }
    return {};
}

} // namespace ggml_sched
