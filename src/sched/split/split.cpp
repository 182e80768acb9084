#include "split/split.h"

namespace ggml_sched {

namespace {

constexpr int32_t kNoCopy = -1;

class Splitter {
  public:
    Splitter(const GraphView & graph, const std::vector<host::Backend> & backends, const Assignment & assignment,
             bool rotates, const StreamLimits & limits)
        : graph_(graph)
        , backends_(backends)
        , assignment_(assignment)
        , limits_(limits)
        , rotates_(rotates)
        , copy_of_(graph.n_tensors() * backends.size(), kNoCopy)
        , is_rotating_(rotates ? graph.n_tensors() : 0, false) {}

    Splits run() {
        const std::vector<GraphNode> & nodes = graph_.nodes();
        for (size_t i = 0; i < nodes.size(); i++) {
            if (!nodes[i].is_view) {
                place(static_cast<int>(i));
            }
        }
        if (result_.splits.empty() && !nodes.empty()) {
            begin_split(static_cast<BackendId>(backends_.size() - 1), 0); // nothing but views
        }
        if (!result_.splits.empty()) {
            result_.splits.front().begin = 0;
            result_.splits.back().end = static_cast<int>(nodes.size());
        }
        // Also those that no node reads: what is allocated does not depend on which inputs a batch uses.
        for (const TensorId leaf : graph_.leafs()) {
            rotate(leaf);
        }
        return std::move(result_);
    }

  private:
    void place(int index) {
        const GraphNode & node = graph_.nodes()[index];
        const BackendId backend = assignment_.backend[node.tensor];
        if (result_.splits.empty() || result_.splits.back().backend != backend || needs_new_split(node)) {
            begin_split(backend, index);
        }
        for (const Operand * op = graph_.operands_begin(node); op != graph_.operands_end(node); ++op) {
            visit_operand(node, *op);
        }
    }

    void begin_split(BackendId backend, int index) {
        if (!result_.splits.empty()) {
            result_.splits.back().end = index;
        }
        result_.splits.push_back({backend, index, index, {}});
        first_copy_ = result_.copies.size();
        streamed_bytes_ = 0;
    }

    bool needs_new_split(const GraphNode & node) const {
        const Split & current = result_.splits.back();
        if (current.inputs.empty()) {
            return false;
        }
        size_t streamed = streamed_bytes_;
        for (const Operand * op = graph_.operands_begin(node); op != graph_.operands_end(node); ++op) {
            const ggml_tensor * tensor = graph_.tensor(op->tensor);
            if (!tensor->buffer || !host::is_weights(tensor->buffer) || !needs_copy(op->tensor, current.backend)) {
                continue;
            }
            if (!is_streamed(node, *op, current.backend)) {
                return true;
            }
            if (!has_copy(op->tensor, current.backend, true)) {
                streamed += size_on(backends_[current.backend], tensor);
            }
        }
        return streamed > streamed_bytes_ && streamed_bytes_ > 0 && streamed > limits_[current.backend].split;
    }

    // Weights in host memory that the whole node reads. Of experts' weights it reads those that its ids name.
    bool is_streamed(const GraphNode & node, const Operand & operand, BackendId backend) const {
        if (limits_.empty() || limits_[backend].weight == 0) {
            return false;
        }
        const ggml_tensor * tensor = graph_.tensor(operand.tensor);
        const bool is_host_weight = tensor->buffer && host::is_weights(tensor->buffer) && host::is_host(tensor->buffer);
        return is_host_weight && graph_.tensor(node.tensor)->op != GGML_OP_MUL_MAT_ID &&
               size_on(backends_[backend], tensor) <= limits_[backend].weight;
    }

    // Is there one that the current split can use? Streamed ones are only good for the split that they are made for.
    bool has_copy(TensorId id, BackendId backend, bool streamed) const {
        const int32_t copy = copy_of_[id * backends_.size() + backend];
        return copy != kNoCopy && result_.copies[copy].streamed == streamed &&
               (!streamed || static_cast<size_t>(copy) >= first_copy_);
    }

    bool needs_copy(TensorId id, BackendId backend) const {
        if (assignment_.backend[id] == backend) {
            return false;
        }
        return !usable_in_place(graph_, backends_, assignment_, id, backend) || is_read_late(id, backend);
    }

    // A device that reads the caller's memory in place would do so after the caller has it back.
    bool is_read_late(TensorId id, BackendId backend) const {
        const TensorId root = graph_.view_source(id) == kNoTensor ? id : graph_.view_source(id);
        const ggml_tensor * tensor = graph_.tensor(root);
        if (!(tensor->flags & GGML_TENSOR_FLAG_INPUT) || !backends_[backend].async) {
            return false;
        }
        return tensor->buffer ? host::is_host(tensor->buffer)
                              : ggml_backend_buft_is_host(backends_[assignment_.backend[root]].buft);
    }

    void visit_operand(const GraphNode & node, const Operand & operand) {
        const TensorId id = operand.tensor;
        rotate(id);
        Split & split = result_.splits.back();
        if (!needs_copy(id, split.backend)) {
            return;
        }
        const bool streamed = is_streamed(node, operand, split.backend);
        int32_t & copy = copy_of_[id * backends_.size() + split.backend];
        if (!has_copy(id, split.backend, streamed)) {
            copy = static_cast<int32_t>(result_.copies.size());
            result_.copies.push_back({id, split.backend, streamed});
            split.inputs.push_back(static_cast<uint32_t>(copy));
            streamed_bytes_ += streamed ? size_on(backends_[split.backend], graph_.tensor(id)) : 0;
        }
        result_.rewires.push_back({node.tensor, operand.slot, static_cast<uint32_t>(copy)});
    }

    void rotate(TensorId id) {
        const ggml_tensor * tensor = graph_.tensor(id);
        if (rotates_ && (tensor->flags & GGML_TENSOR_FLAG_INPUT) && !tensor->buffer && !is_rotating_[id] &&
            assignment_.backend[id] != kNoBackend) {
            is_rotating_[id] = true;
            result_.rotating.push_back({id, assignment_.backend[id]});
        }
    }

    const GraphView & graph_;
    const std::vector<host::Backend> & backends_;
    const Assignment & assignment_;
    const StreamLimits & limits_;
    const bool rotates_;
    size_t first_copy_ = 0;         // of the current split
    size_t streamed_bytes_ = 0;     // for the current split
    std::vector<int32_t> copy_of_;  // by tensor and backend, index into copies: the latest
    std::vector<bool> is_rotating_; // by tensor
    Splits result_;
};

} // namespace

Splits split(const GraphView & graph, const std::vector<host::Backend> & backends, const Assignment & assignment,
             bool rotates, const StreamLimits & limits) {
    return Splitter(graph, backends, assignment, rotates, limits).run();
}

size_t size_on(const host::Backend & backend, const ggml_tensor * tensor) {
    return ggml_backend_buft_get_alloc_size(backend.buft, tensor);
}

} // namespace ggml_sched
