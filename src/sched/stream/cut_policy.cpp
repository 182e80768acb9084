#include "stream/cut_policy.h"

#include <algorithm>
#include <utility>

#include "host/tuning.h"

namespace ggml_sched {

StreamCuts::StreamCuts(const GraphView & graph, const std::vector<host::Backend> & backends,
                       const Assignment & assignment, const StreamLimits & limits, bool offers)
    : CutPolicy(graph, backends, assignment, offers)
    , limits_(limits)
    , written_at_(graph.n_tensors(), kNoNode)
    , caches_(graph, backends, assignment, written_at_) {
    drop_limits_for_small_weights();
    result_.limits = limits_;
    result_.decisions = SizeDecisions(limits_);
}

// Streams nothing to backends whose streamed weights would be smaller, on average, than StreamLimit::mean.
void StreamCuts::drop_limits_for_small_weights() {
    result_.is_small.assign(limits_.size(), false);
    if (std::none_of(limits_.begin(), limits_.end(), [](const StreamLimit & limit) { return limit.weight > 0; })) {
        return;
    }
    std::vector<size_t> bytes(limits_.size(), 0); // by backend: bytes of the weights that would be streamed
    std::vector<size_t> n(limits_.size(), 0);     // by backend: how many weights these are
    for (const int reader : assignment().readers_elsewhere) {
        const GraphNode & node = graph().nodes()[reader];
        const BackendId backend = assignment().backend[node.tensor];
        for (const Operand & op : graph().operands_of(node)) {
            if (is_streamed(op.tensor, backend) && needs_copy(graph(), backends(), assignment(), op.tensor, backend)) {
                bytes[backend] += graph().bytes(op.tensor);
                n[backend]++;
            }
        }
    }
    for (size_t b = 0; b < limits_.size(); b++) {
        if (bytes[b] < n[b] * limits_[b].mean) {
            limits_[b] = {};
            result_.is_small[b] = true;
        }
    }
}

// Notes what the nodes before this one write.
void StreamCuts::read_up_to(int32_t node) {
    for (; next_node_ < node; next_node_++) {
        const GraphNode & passed = graph().nodes()[static_cast<size_t>(next_node_)];
        if (passed.is_view) {
            continue;
        }
        if (caches_.visit(passed, next_node_)) {
            result_.decisions.write(passed.tensor, has_rows(graph().tensor(passed.tensor)));
        }
        written_at_[graph().root(passed.tensor)] = next_node_;
    }
}

// Begins to count the streamed bytes anew if this is another split than the last one.
void StreamCuts::enter(const Split & split) {
    if (begin_ != split.begin) {
        begin_ = split.begin;
        streamed_bytes_ = 0;
        result_.decisions.begin_split(split.backend);
    }
}

// Returns true if the tensor is a weight that is streamed to the backend.
bool StreamCuts::is_streamed(TensorId id, BackendId backend) const {
    const size_t limit = limits_[backend].weight;
    if (limit == 0 || !is_host_weight(id)) {
        return false;
    }
    const size_t most = may_be_written(id) ? std::min(Tuning::kSmallTable, limit) : limit;
    return size_on(backends()[backend], graph().tensor(id)) <= most;
}

// Returns true if the tensor is a cache that is streamed to the backend, and notes the answer.
bool StreamCuts::is_cache(TensorId id, BackendId backend) {
    if (limits_[backend].weight == 0 || !is_on_host(graph(), id)) {
        return false;
    }
    const bool is = is_mostly_old(graph(), id, caches_.written(id)) &&
                    is_cache_size(size_on(backends()[backend], graph().tensor(id)), limits_[backend]);
    result_.decisions.cache(id, backend, is);
    return is;
}

InputCopy StreamCuts::form_of(const GraphNode & node, const Operand & operand, BackendId backend) {
    read_up_to(static_cast<int32_t>(&node - graph().nodes().data()));
    if (is_streamed(operand.tensor, backend)) {
        return streamed_copy(node, operand, backend);
    }
    InputCopy copy = {operand.tensor, backend};
    copy.cache = copy.streamed = is_cache(operand.tensor, backend);
    return copy;
}

// Returns what the node needs of a weight: all of it, or the experts that its ids name.
InputCopy StreamCuts::streamed_copy(const GraphNode & node, const Operand & operand, BackendId backend) const {
    InputCopy copy = {operand.tensor, backend, true};
    copy.offered = may_be_written(operand.tensor);
    if (copy.offered || node.op != GGML_OP_MUL_MAT_ID || operand.slot != kExpertsSlot) {
        return copy; // The whole weight is needed. A snapshot is sent of an offered weight.
    }
    for (const Operand & op : graph().operands_of(node)) {
        if (op.slot == kExpertIdsSlot) {
            copy.ids = op.tensor;
            copy.ids_node = written_at_[graph().root(op.tensor)];
        }
    }
    return copy;
}

bool StreamCuts::must_begin(const Split & current, const std::vector<Wanted> & wanted) {
    enter(current);
    size_t streamed = streamed_bytes_;
    for (const Wanted & one : wanted) {
        const InputCopy & copy = one.copy;
        if (!copy.streamed && !is_weight(copy.tensor)) {
            continue;
        }
        if ((!copy.streamed || copy.offered) && !current.inputs.empty()) {
            return true;
        }
        if (copy.streamed && !one.is_here) {
            streamed += size_of(copy);
            // The split has another part of the weight, or computes the ids itself.
            if (one.has_other_one || copy.ids_node >= current.begin) {
                return true;
            }
        }
    }
    if (streamed == streamed_bytes_) {
        return false;
    }
    for (const Wanted & one : wanted) {
        if (one.copy.streamed && !one.is_here) {
            result_.decisions.wanted(one.copy.tensor);
        }
    }
    const bool is = is_too_much(streamed_bytes_, streamed, limits_[current.backend]);
    result_.decisions.too_much(is);
    return is;
}

void StreamCuts::note(const Split & split, const GraphNode & node, const InputCopy & copy) {
    if (!copy.streamed) {
        return;
    }
    enter(split);
    const size_t bytes = size_of(copy);
    streamed_bytes_ += bytes;
    result_.decisions.streamed(copy.tensor);
    if (node.op != GGML_OP_MUL_MAT_ID || copy.cache) {
        return;
    }
    StreamedExperts & experts = result_.experts;
    const ExpertBatch batch = ExpertBatch::of(graph().tensor(node.tensor));
    experts.bytes += bytes;
    if (batch.n_tokens >= experts.batch.n_tokens) {
        experts.batch = batch;
        experts.backend = copy.backend;
        experts.have_ids = copy.ids != kNoTensor;
    }
}

StreamedInputs StreamCuts::take() {
    read_up_to(static_cast<int32_t>(graph().nodes().size()));
    result_.cache_writes = caches_.take_writes();
    return std::move(result_);
}

StreamedSizes streamed_sizes(const Splits & splits, const std::vector<CacheWrite> & writes, const GraphView & graph,
                             const std::vector<host::Backend> & backends) {
    StreamedSizes result;
    std::vector<bool> is_copied(writes.empty() ? 0 : graph.n_tensors(), false); // by root
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
    for (const CacheWrite & write : writes) {
        result.by_rows.push_back(has_rows(graph.tensor(write.node)));
        if (is_copied[graph.root(write.node)]) {
            result.writes.push_back(bytes_of(write, graph));
        }
    }
    for (const OperandReplacement & replacement : splits.replacements) {
        if (replacement.slot == kExpertsSlot && graph.content(replacement.node).op() == GGML_OP_MUL_MAT_ID) {
            result.batches.push_back(ExpertBatch::of(graph.tensor(replacement.node)));
        }
    }
    return result;
}

} // namespace ggml_sched
