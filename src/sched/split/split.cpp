#include "split/split.h"

#include <algorithm>
#include <tuple>

namespace ggml_sched {

namespace {

constexpr int32_t kNoCopy = -1;

class Splitter {
  public:
    Splitter(const GraphView & graph, const std::vector<host::Backend> & backends, const Assignment & assignment,
             bool rotates, const StreamLimits & limits, bool offers)
        : graph_(graph)
        , backends_(backends)
        , assignment_(assignment)
        , limits_(limits)
        , rotates_(rotates)
        , copy_of_(graph.n_tensors() * backends.size(), kNoCopy)
        , written_at_(graph.n_tensors(), kNoNode)
        , is_rotating_(rotates ? graph.n_tensors() : 0, false)
        , is_table_(offers ? graph.n_tensors() : 0, false)
        , caches_(graph, backends, assignment, written_at_) {}

    Splits run() {
        find_tables();
        drop_limits_for_small_weights();
        result_.decisions = SizeDecisions(limits_);
        find_reader_elsewhere();
        const std::vector<GraphNode> & nodes = graph_.nodes();
        const auto n = static_cast<int>(nodes.size());
        for (int i = 0; i < n; i++) {
            if (!nodes[i].is_view) {
                place(nodes[i], i);
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
        for (size_t i = 0; rotates_ && i < graph_.inputs().size(); i++) {
            rotate(graph_.inputs()[i]);
        }
        result_.cache_writes = caches_.take_writes();
        return std::move(result_);
    }

  private:
    struct Total {
        size_t bytes = 0;
        size_t n = 0;
    };

    // Finds the weights that a copy callback may write: some copy of them is read in another way than as a matrix.
    void find_tables() {
        if (is_table_.empty()) {
            return;
        }
        for (const int reader : assignment_.readers_elsewhere) {
            const GraphNode & node = graph_.nodes()[reader];
            for (const Operand & op : graph_.operands_of(node)) {
                const ggml_backend_buffer_t buffer = host::buffer_of(graph_.tensor(op.tensor));
                const bool is_matrix = (node.op == GGML_OP_MUL_MAT && op.slot == kMatrixSlot) ||
                                       (node.op == GGML_OP_MUL_MAT_ID && op.slot == kExpertsSlot);
                if (!is_matrix && buffer && host::is_weights(buffer) && host::is_host(buffer) &&
                    needs_copy(op.tensor, assignment_.backend[node.tensor])) {
                    is_table_[graph_.root(op.tensor)] = true;
                }
            }
        }
    }

    void drop_limits_for_small_weights() {
        if (std::none_of(limits_.begin(), limits_.end(), [](const StreamLimit & limit) { return limit.weight > 0; })) {
            return;
        }
        std::vector<Total> totals(limits_.size()); // by backend
        for (const int reader : assignment_.readers_elsewhere) {
            const GraphNode & node = graph_.nodes()[reader];
            const BackendId backend = assignment_.backend[node.tensor];
            for (const Operand & op : graph_.operands_of(node)) {
                if (needs_copy(op.tensor, backend) && is_streamed(op.tensor, backend)) {
                    totals[backend].bytes += ggml_nbytes(graph_.tensor(op.tensor));
                    totals[backend].n++;
                }
            }
        }
        for (size_t b = 0; b < limits_.size(); b++) {
            if (totals[b].bytes < totals[b].n * limits_[b].mean) {
                limits_[b] = {};
            }
        }
    }

    void place(const GraphNode & node, int index) {
        const BackendId backend = assignment_.backend[node.tensor];
        const bool stays = index != reader_elsewhere_;
        if (!stays) {
            find_reader_elsewhere();
        }
        if (backend != current_backend_ || (!stays && needs_new_split(node))) {
            begin_split(backend, index);
        }
        if (!stays || rotates_) {
            for (const Operand & op : graph_.operands_of(node)) {
                visit_operand(node, op);
            }
        }
        if (!limits_.empty()) {
            visit_cache(node, index);
        }
        written_at_[graph_.root(node.tensor)] = index;
    }

    void visit_cache(const GraphNode & node, int index) {
        const size_t n_writes = caches_.writes().size();
        caches_.visit(node, index);
        if (caches_.writes().size() > n_writes) {
            result_.decisions.write(node.tensor, has_rows(graph_.tensor(node.tensor)));
        }
    }

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
        streamed_bytes_ = 0;
        if (!limits_.empty()) {
            result_.decisions.begin_split(backend);
        }
    }

    bool needs_new_split(const GraphNode & node) {
        const Split & current = result_.splits.back();
        size_t streamed = streamed_bytes_;
        wanted_.clear();
        for (const Operand & op : graph_.operands_of(node)) {
            const ggml_tensor * tensor = graph_.tensor(op.tensor);
            const bool is_weight = (tensor->buffer && host::is_weights(tensor->buffer)) || is_table(op.tensor);
            if ((!is_weight && !is_cache(op.tensor, current.backend)) || !needs_copy(op.tensor, current.backend)) {
                continue;
            }
            const InputCopy wanted = wanted_copy(node, op, current.backend);
            if ((!wanted.streamed || wanted.offered) && !current.inputs.empty()) {
                return true;
            }
            if (!wanted.streamed) {
                continue;
            }
            if (!has_copy(wanted)) {
                wanted_.push_back(op.tensor);
                streamed += size_on(backends_[current.backend], tensor);
                // Another part of it is here, or the ids are not known before the split is launched.
                if (has_streamed(wanted) || wanted.ids_node >= current.begin) {
                    return true;
                }
            }
        }
        return !wanted_.empty() && is_too_much_of_wanted(streamed, current.backend);
    }

    bool is_too_much_of_wanted(size_t streamed, BackendId backend) {
        const bool is = is_too_much(streamed_bytes_, streamed, limits_[backend]);
        for (const TensorId id : wanted_) {
            result_.decisions.wanted(id);
        }
        result_.decisions.too_much(is);
        return is;
    }

    // Weights in host memory
    bool is_streamed(TensorId id, BackendId backend) const {
        if (limits_.empty() || limits_[backend].weight == 0) {
            return false;
        }
        const ggml_tensor * tensor = graph_.tensor(id);
        const size_t most = is_table(id) ? std::min(kSmallTable, limits_[backend].weight) : limits_[backend].weight;
        return tensor->buffer && host::is_weights(tensor->buffer) && host::is_host(tensor->buffer) &&
               size_on(backends_[backend], tensor) <= most;
    }

    bool is_table(TensorId id) const { return !is_table_.empty() && is_table_[graph_.root(id)]; }

    bool is_cache(TensorId id, BackendId backend) {
        if (limits_.empty() || limits_[backend].weight == 0 || !is_on_host(graph_, id)) {
            return false;
        }
        const bool is = is_mostly_old(graph_, id, caches_.written(id)) &&
                        is_cache_size(size_on(backends_[backend], graph_.tensor(id)), limits_[backend]);
        result_.decisions.cache(id, backend, is);
        return is;
    }

    InputCopy wanted_copy(const GraphNode & node, const Operand & operand, BackendId backend) {
        if (is_streamed(operand.tensor, backend)) {
            return streamed_copy(node, operand, backend);
        }
        InputCopy copy = {operand.tensor, backend};
        copy.cache = copy.streamed = is_cache(operand.tensor, backend);
        return copy;
    }

    // What the node needs of a weight: of experts perhaps only those that its ids name.
    InputCopy streamed_copy(const GraphNode & node, const Operand & operand, BackendId backend) const {
        InputCopy copy = {operand.tensor, backend, true};
        copy.offered = is_table(operand.tensor);
        if (copy.offered) {
            return copy; // a snapshot of all of it is sent
        }
        const ggml_tensor * tensor = graph_.tensor(node.tensor);
        if (tensor->op != GGML_OP_MUL_MAT_ID || operand.slot != kExpertsSlot) {
            return copy;
        }
        for (const Operand & op : graph_.operands_of(node)) {
            if (op.slot == kExpertIdsSlot) {
                copy.ids = op.tensor;
                copy.ids_node = written_at_[graph_.root(op.tensor)];
            }
        }
        return copy;
    }

    // Streamed copies are only good for the split that they are made for.
    bool has_streamed(const InputCopy & wanted) const {
        const int32_t copy = copy_of_[wanted.tensor * backends_.size() + wanted.backend];
        return copy != kNoCopy && result_.copies[copy].streamed && static_cast<size_t>(copy) >= first_copy_;
    }
    bool has_copy(const InputCopy & wanted) const {
        const int32_t index = copy_of_[wanted.tensor * backends_.size() + wanted.backend];
        if (index == kNoCopy) {
            return false;
        }
        const InputCopy & copy = result_.copies[index];
        return wanted.streamed ? has_streamed(wanted) && copy.ids == wanted.ids && copy.ids_node == wanted.ids_node
                               : !copy.streamed && copied_at_[index] > written_at_[graph_.root(wanted.tensor)];
    }

    void note_streamed(const GraphNode & node, const InputCopy & copy) {
        const size_t bytes = size_on(backends_[copy.backend], graph_.tensor(copy.tensor));
        streamed_bytes_ += bytes;
        result_.decisions.streamed(copy.tensor);
        const ggml_tensor * tensor = graph_.tensor(node.tensor);
        if (tensor->op == GGML_OP_MUL_MAT_ID && !copy.cache) {
            StreamedExperts & experts = result_.experts;
            const ExpertBatch batch = ExpertBatch::of(tensor);
            experts.bytes += bytes;
            if (batch.n_tokens >= experts.batch.n_tokens) {
                experts.batch = batch;
                experts.backend = copy.backend;
                experts.have_ids = copy.ids != kNoTensor;
            }
        }
    }

    bool needs_copy(TensorId id, BackendId backend) const {
        if (assignment_.backend[id] == backend) {
            return false;
        }
        return !usable_in_place(graph_, backends_, assignment_, id, backend) || is_read_late(id, backend);
    }

    // A device that reads the caller's memory in place would do so after the caller has it back.
    bool is_read_late(TensorId id, BackendId backend) const {
        const TensorId root = graph_.root(id);
        const ggml_tensor * tensor = graph_.tensor(root);
        if (!(graph_.facts(root) & kIsInput) || !backends_[backend].async) {
            return false;
        }
        // A node of this split has written it where it is; a copy is made before that.
        if (!result_.splits.empty() && written_at_[root] >= result_.splits.back().begin) {
            return false;
        }
        return tensor->buffer ? host::is_host(tensor->buffer)
                              : ggml_backend_buft_is_host(backends_[assignment_.backend[root]].buft);
    }

    void visit_operand(const GraphNode & node, const Operand & operand) {
        const TensorId id = operand.tensor;
        Split & split = result_.splits.back();
        if (rotates_) {
            rotate(id);
        }
        if (!needs_copy(id, split.backend)) {
            return;
        }
        const InputCopy wanted = wanted_copy(node, operand, split.backend);
        int32_t & copy = copy_of_[id * backends_.size() + split.backend];
        if (!has_copy(wanted)) {
            copy = static_cast<int32_t>(result_.copies.size());
            result_.copies.push_back(wanted);
            copied_at_.push_back(split.begin);
            split.inputs.push_back(static_cast<uint32_t>(copy));
            if (wanted.streamed) {
                note_streamed(node, wanted);
            }
        }
        const auto index = static_cast<uint32_t>(&operand - graph_.operands().first);
        result_.rewires.push_back({node.tensor, operand.slot, index, static_cast<uint32_t>(copy)});
    }

    // A view stays one: what it views takes turns.
    void rotate(TensorId of) {
        const TensorId id = graph_.root(of);
        if ((graph_.facts(id) & kIsInput) && !graph_.tensor(id)->buffer && !is_rotating_[id] &&
            assignment_.backend[id] != kNoBackend) {
            is_rotating_[id] = true;
            result_.rotating.push_back({id, assignment_.backend[id]});
        }
    }

    const GraphView & graph_;
    const std::vector<host::Backend> & backends_;
    const Assignment & assignment_;
    StreamLimits limits_;
    const bool rotates_;
    int reader_elsewhere_ = kNoNode; // the next of the assignment's
    size_t next_reader_ = 0;         // behind it
    BackendId current_backend_ = kNoBackend;
    size_t first_copy_ = 0;           // of the current split
    size_t streamed_bytes_ = 0;       // for the current split
    std::vector<TensorId> wanted_;    // by the node that is looked at, and not yet streamed for the split
    std::vector<int32_t> copy_of_;    // by tensor and backend, index into copies: the latest
    std::vector<int32_t> written_at_; // by tensor that is no view: the last node that writes it
    std::vector<int32_t> copied_at_;  // by copy: the first node of its split; what is written later is not in it
    std::vector<bool> is_rotating_;   // by tensor
    std::vector<bool> is_table_;      // by tensor that is no view; empty if no callback writes any
    Caches caches_;
    Splits result_;
};

} // namespace

Splits split(const GraphView & graph, const std::vector<host::Backend> & backends, const Assignment & assignment,
             bool rotates, const StreamLimits & limits, bool offers) {
    return Splitter(graph, backends, assignment, rotates, limits, offers).run();
}

const ggml_tensor * find_address_without_buffer(const GraphView & graph, const Splits & splits,
                                                const Assignment & assignment, BackendId cpu) {
    const auto lacks_buffer = [&](TensorId id) {
        const TensorId root = graph.root(id);
        return !(graph.facts(root) & (kIsHomeless | kIsPlaced));
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
    const auto of_write = [](const CacheWrite & w) { return std::tie(w.node, w.index, w.ids); };
    const auto of_rewire = [](const Rewire & r) { return std::tie(r.node, r.slot, r.operand, r.copy); };
    return same(a.splits, b.splits, of_split) && same(a.copies, b.copies, of_copy) &&
           same(a.rotating, b.rotating, of_copy) && same(a.rewires, b.rewires, of_rewire) &&
           same(a.cache_writes, b.cache_writes, of_write);
}

StreamedLayout streamed_layout(const Splits & splits, const GraphView & graph,
                               const std::vector<host::Backend> & backends) {
    StreamedLayout result;
    std::vector<bool> is_copied(splits.cache_writes.empty() ? 0 : graph.n_tensors(), false); // by root
    for (const InputCopy & copy : splits.copies) {
        if (!is_copied.empty()) {
            is_copied[graph.root(copy.tensor)] = true;
        }
        const ggml_tensor * tensor = graph.tensor(copy.tensor);
        const bool is_weight = tensor->buffer && host::is_weights(tensor->buffer) && host::is_host(tensor->buffer);
        if (is_weight || is_on_host(graph, copy.tensor)) {
            (is_weight ? result.weights : result.caches).push_back(size_on(backends[copy.backend], tensor));
        }
    }
    for (const CacheWrite & write : splits.cache_writes) {
        if (is_copied[graph.root(write.node)]) {
            result.writes.push_back(bytes_of(write, graph));
        }
    }
    for (const Rewire & rewire : splits.rewires) {
        if (rewire.slot == kExpertsSlot && graph.content(rewire.node).op() == GGML_OP_MUL_MAT_ID) {
            result.batches.push_back(ExpertBatch::of(graph.tensor(rewire.node)));
        }
    }
    return result;
}

size_t size_on(const host::Backend & backend, const ggml_tensor * tensor) {
    return ggml_backend_buft_get_alloc_size(backend.buft, tensor);
}

} // namespace ggml_sched
