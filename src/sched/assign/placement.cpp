#include "assign/placement.h"

namespace ggml_sched {

namespace {

struct Choice {
    BackendId backend = kNoBackend;
    Cause cause = Cause::None;
};

class Placement {
  public:
    Placement(const GraphView & graph, const std::vector<host::Backend> & backends, bool op_offload,
              Questions & questions)
        : graph_(graph)
        , backends_(backends)
        , op_offload_(op_offload)
        , questions_(questions) {}

    Status choose(TensorId id, Choice & choice) {
        const ggml_tensor * tensor = graph_.tensor(id);
        const ggml_backend_buffer_t buffer = host::buffer_of(tensor);
        if (buffer) {
            choice = {backend_at(buffer, id), tensor->view_src ? Cause::ViewMemory : Cause::Memory};
            if (choice.backend == kNoBackend) {
                return Status::failed(std::string("tensor '") + tensor->name + "' is in a buffer of type " +
                                      ggml_backend_buft_name(host::buft_of(buffer)) + ", where no backend can run " +
                                      ggml_op_desc(tensor) + "; add a backend that can, or place the tensor elsewhere");
            }
        } else if (tensor->flags & GGML_TENSOR_FLAG_INPUT) {
            choice = {static_cast<BackendId>(backends_.size() - 1), Cause::Input};
        } else if (host::is_placed_by_weights(tensor)) {
            choice = by_weights(id);
        }
        return {};
    }

  private:
    // The first backend that can use the buffer and compute op.
    BackendId backend_at(ggml_backend_buffer_t buffer, TensorId op) {
        for (BackendId b = 0; b < static_cast<BackendId>(backends_.size()); b++) {
            if (ggml_backend_supports_buft(backends_[b].handle, host::buft_of(buffer)) && supports_op(b, op)) {
                return b;
            }
        }
        return kNoBackend;
    }

    Choice by_weights(TensorId id) {
        for (const ggml_tensor * src : graph_.tensor(id)->src) {
            if (!src || !src->buffer || !is_weights(src->buffer)) {
                continue;
            }
            const BackendId owner = backend_at(src->buffer, id);
            const bool on_cpu = owner == static_cast<BackendId>(backends_.size() - 1);
            if (op_offload_ && on_cpu && host::is_host(src->buffer)) {
                for (BackendId b = 0; b < owner; b++) {
                    if (supports_op(b, id) && questions_.offload_op(backends_, b, graph_, id)) {
                        return {b, Cause::Offload};
                    }
                }
            }
            return {owner, Cause::Weights};
        }
        return {};
    }

    bool supports_op(BackendId backend, TensorId op) { return questions_.supports_op(backends_, backend, graph_, op); }

    bool is_weights(ggml_backend_buffer_t buffer) {
        if (buffer != last_buffer_) { // neighbouring operations share a buffer
            last_buffer_ = buffer;
            last_is_weights_ = host::is_weights(buffer);
        }
        return last_is_weights_;
    }

    const GraphView & graph_;
    const std::vector<host::Backend> & backends_;
    const bool op_offload_;
    Questions & questions_;
    ggml_backend_buffer_t last_buffer_ = nullptr;
    bool last_is_weights_ = false;
};

} // namespace

Status assign_by_placement(const GraphView & graph, const std::vector<host::Backend> & backends, bool op_offload,
                           Assignment & result) {
    Placement placement(graph, backends, op_offload, result.questions);
    const auto visit = [&](TensorId id) {
        Choice choice;
        Status status;
        if (result.backend[id] == kNoBackend) {
            status = placement.choose(id, choice);
            result.backend[id] = choice.backend;
            result.cause[id] = choice.backend == kNoBackend ? Cause::None : choice.cause;
        }
        return status;
    };

    for (const TensorId leaf : graph.leafs()) {
        if (Status status = visit(leaf); !status.ok()) {
            return status;
        }
    }
    for (const GraphNode & node : graph.nodes()) {
        if (Status status = visit(node.tensor); !status.ok()) {
            return status;
        }
    }
    return {};
}

} // namespace ggml_sched
