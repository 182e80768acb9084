#include "split/split.h"

#include <algorithm>
#include <tuple>
#include <utility>

#include "split/cut_policy.h"

namespace ggml_sched {

namespace {

constexpr int32_t kNoCopy = -1;

// Splitter - cuts one graph.
class Splitter {
  public:
    Splitter(const GraphView & graph, const std::vector<host::Backend> & backends, const Assignment & assignment,
             bool parallel, CutPolicy & policy)
        : graph_(graph)
        , backends_(backends)
        , assignment_(assignment)
        , policy_(policy)
        , parallel_(parallel)
        , copy_of_(graph.n_tensors() * backends.size(), kNoCopy)
        , written_at_(graph.n_tensors(), kNoNode)
        , is_rotated_(parallel ? graph.n_tensors() : 0, false) {}

    Splits run() {
        find_reader_elsewhere();
        const std::vector<GraphNode> & nodes = graph_.nodes();
        const auto n = static_cast<int>(nodes.size());
        for (int i = 0; i < n; i++) {
            if (!nodes[i].is_view) {
                place(nodes[i], i);
            }
        }
        if (result_.splits.empty() && !nodes.empty()) {
            begin_split(static_cast<BackendId>(backends_.size() - 1), 0); // the graph has only views
        }
        if (!result_.splits.empty()) {
            result_.splits.front().begin = 0;
            result_.splits.back().end = static_cast<int>(nodes.size());
        }
        // Inputs that no node reads are added, too, so that memory does not depend on which inputs a batch uses.
        for (size_t i = 0; parallel_ && i < graph_.inputs().size(); i++) {
            add_rotated_input(graph_.inputs()[i]);
        }
        return std::move(result_);
    }

  private:
    // Puts the node into the current split, or into a new one.
    void place(const GraphNode & node, int index) {
        const BackendId backend = assignment_.backend[node.tensor];
        const bool stays = index != reader_elsewhere_;
        if (!stays) {
            find_reader_elsewhere();
        }
        if (backend != current_backend_ || (!stays && must_begin(node))) {
            begin_split(backend, index);
        }
        if (!stays || parallel_) {
            for (const Operand & op : graph_.operands_of(node)) {
                visit_operand(node, op);
            }
        }
        written_at_[graph_.root(node.tensor)] = index;
    }

    // Finds the next node that may need copies.
    void find_reader_elsewhere() {
        const std::vector<int> & readers = assignment_.readers_elsewhere;
        reader_elsewhere_ = next_reader_ < readers.size() ? readers[next_reader_++] : kNoNode;
    }

    void begin_split(BackendId backend, int index) {
        if (!result_.splits.empty()) {
            result_.splits.back().end = index;
        }
        result_.splits.push_back({backend, index, index, {}});
        current_backend_ = backend;
        first_copy_ = result_.copies.size();
    }

    // True if the policy wants a new split for the copies that the node needs.
    bool must_begin(const GraphNode & node) {
        const Split & current = result_.splits.back();
        wanted_.clear();
        for (const Operand & op : graph_.operands_of(node)) {
            if (must_copy(op.tensor, current.backend)) {
                const InputCopy copy = policy_.form_of(node, op, current.backend);
                wanted_.push_back({copy, has_copy(copy), has_streamed(copy)});
            }
        }
        return !wanted_.empty() && policy_.must_begin(current, wanted_);
    }

    // True if the current split has a streamed copy of the tensor. A streamed copy is good for one split only.
    bool has_streamed(const InputCopy & wanted) const {
        const int32_t copy = copy_of_[wanted.tensor * backends_.size() + wanted.backend];
        return copy != kNoCopy && result_.copies[copy].streamed && static_cast<size_t>(copy) >= first_copy_;
    }
    // True if the current split can use a copy that exists.
    bool has_copy(const InputCopy & wanted) const {
        const int32_t index = copy_of_[wanted.tensor * backends_.size() + wanted.backend];
        if (index == kNoCopy) {
            return false;
        }
        const InputCopy & copy = result_.copies[index];
        return wanted.streamed ? has_streamed(wanted) && copy.ids == wanted.ids && copy.ids_node == wanted.ids_node
                               : !copy.streamed && copied_at_[index] > written_at_[graph_.root(wanted.tensor)];
    }

    // True if the current split needs a copy of the tensor.
    bool must_copy(TensorId id, BackendId backend) const {
        if (assignment_.backend[id] == backend) {
            return false;
        }
        // If a node of this split has written the tensor in place, a copy from before the split would lack that.
        const bool is_fresh = !result_.splits.empty() && written_at_[graph_.root(id)] >= result_.splits.back().begin;
        return !usable_in_place(graph_, backends_, assignment_, id, backend) ||
               (!is_fresh && is_read_late(graph_, backends_, assignment_, id, backend));
    }

    // Notes the copy that the node needs of this operand, and the replacement.
    void visit_operand(const GraphNode & node, const Operand & operand) {
        const TensorId id = operand.tensor;
        Split & split = result_.splits.back();
        if (parallel_) {
            add_rotated_input(id);
        }
        if (!must_copy(id, split.backend)) {
            return;
        }
        const InputCopy wanted = policy_.form_of(node, operand, split.backend);
        int32_t & copy = copy_of_[id * backends_.size() + split.backend];
        if (!has_copy(wanted)) {
            copy = static_cast<int32_t>(result_.copies.size());
            result_.copies.push_back(wanted);
            copied_at_.push_back(split.begin);
            split.inputs.push_back(static_cast<uint32_t>(copy));
            policy_.note(split, node, wanted);
        }
        const auto index = static_cast<uint32_t>(&operand - graph_.operands().first);
        result_.replacements.push_back({node.tensor, operand.slot, index, static_cast<uint32_t>(copy)});
    }

    // Adds the root of the tensor to the rotated inputs, if it is an input that the scheduler places.
    void add_rotated_input(TensorId of) {
        const TensorId id = graph_.root(of);
        if ((graph_.facts(id) & kIsInput) && !graph_.tensor(id)->buffer && !is_rotated_[id] &&
            assignment_.backend[id] != kNoBackend) {
            is_rotated_[id] = true;
            result_.rotated_inputs.push_back({id, assignment_.backend[id]});
        }
    }

    const GraphView & graph_;
    const std::vector<host::Backend> & backends_;
    const Assignment & assignment_;
    CutPolicy & policy_;
    const bool parallel_;
    int reader_elsewhere_ = kNoNode; // the next node of Assignment::readers_elsewhere
    size_t next_reader_ = 0;         // index of the one after that
    BackendId current_backend_ = kNoBackend;
    size_t first_copy_ = 0;                 // first copy of the current split
    std::vector<CutPolicy::Wanted> wanted_; // copies that the current node wants
    std::vector<int32_t> copy_of_;          // by tensor and backend: index of the latest copy
    std::vector<int32_t> written_at_;       // by root: the last node that writes it
    std::vector<int32_t> copied_at_;        // by copy: the first node of its split
    std::vector<bool> is_rotated_;          // by tensor
    Splits result_;
};

} // namespace

Splits split(const GraphView & graph, const std::vector<host::Backend> & backends, const Assignment & assignment,
             bool parallel, CutPolicy & policy) {
    return Splitter(graph, backends, assignment, parallel, policy).run();
}

const ggml_tensor * find_address_without_buffer(const GraphView & graph, const Splits & splits,
                                                const Assignment & assignment, BackendId cpu) {
    const auto lacks_buffer = [&](TensorId id) {
        const TensorId root = graph.root(id);
        return !(graph.facts(root) & (kNeedsMemory | kIsPlaced));
    };
    for (TensorId id = 0; id < graph.n_tensors(); id++) {
        if (lacks_buffer(id) && assignment.backend[id] != cpu && assignment.backend[id] != kNoBackend) {
            return graph.tensor(id);
        }
    }
    const auto copy = std::find_if(splits.copies.begin(), splits.copies.end(),
                                   [&](const InputCopy & input) { return lacks_buffer(input.tensor); });
    return copy == splits.copies.end() ? nullptr : graph.tensor(copy->tensor);
}

bool are_alike(const Splits & a, const Splits & b) {
    const auto same = [](const auto & x, const auto & y, const auto & fields) {
        return std::equal(x.begin(), x.end(), y.begin(), y.end(),
                          [&](const auto & one, const auto & other) { return fields(one) == fields(other); });
    };
    const auto of_split = [](const Split & s) { return std::tie(s.backend, s.begin, s.end, s.inputs); };
    const auto of_copy = [](const InputCopy & c) {
        return std::tie(c.tensor, c.backend, c.streamed, c.ids, c.ids_node, c.offered, c.cache);
    };
    const auto of_replacement = [](const OperandReplacement & r) {
        return std::tie(r.node, r.slot, r.operand, r.copy);
    };
    return same(a.splits, b.splits, of_split) && same(a.copies, b.copies, of_copy) &&
           same(a.rotated_inputs, b.rotated_inputs, of_copy) && same(a.replacements, b.replacements, of_replacement);
}

size_t size_on(const host::Backend & backend, const ggml_tensor * tensor) {
    return ggml_backend_buft_get_alloc_size(backend.buft, tensor);
}

} // namespace ggml_sched
