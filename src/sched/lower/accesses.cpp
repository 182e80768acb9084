#include "lower/accesses.h"

#include <algorithm>
#include <tuple>

namespace ggml_sched {

namespace {

bool before(const plan::Access & a, const plan::Access & b) {
    return std::tie(a.space, a.write, a.begin, a.end) < std::tie(b.space, b.write, b.begin, b.end);
}

void merge(size_t first, std::vector<plan::Access> & accesses) {
    if (accesses.size() == first) {
        return;
    }
    std::sort(accesses.begin() + first, accesses.end(), before);
    size_t last = first;
    for (size_t i = first + 1; i < accesses.size(); i++) {
        plan::Access & merged = accesses[last];
        const plan::Access & next = accesses[i];
        if (next.space == merged.space && next.write == merged.write && next.begin <= merged.end) {
            merged.end = std::max(merged.end, next.end);
        } else {
            accesses[++last] = next;
        }
    }
    accesses.resize(last + 1);
}

bool same(const plan::Access & a, const plan::Access & b) {
    return a.space == b.space && a.write == b.write && a.begin == b.begin && a.end == b.end;
}

// ggml_nbytes, quicker for what most tensors are
size_t size_of(const ggml_tensor * tensor) {
    const size_t * nb = tensor->nb;
    const int64_t * ne = tensor->ne;
    const bool dense = nb[1] == nb[0] * static_cast<size_t>(ne[0]) && nb[2] == nb[1] * static_cast<size_t>(ne[1]) &&
                       nb[3] == nb[2] * static_cast<size_t>(ne[2]);
    return dense ? nb[3] * static_cast<size_t>(ne[3]) : ggml_nbytes(tensor);
}

// What lies at the tensor's address, whose buffer this is
plan::Access access_in(const KnownBuffer & known, const ggml_tensor * tensor, bool write) {
    const uint64_t begin = reinterpret_cast<uintptr_t>(tensor->data);
    const bool may_have_padding = !known.facts.host && tensor->type != GGML_TYPE_F32 && !tensor->view_src;
    const uint64_t size =
        may_have_padding && ggml_is_quantized(tensor->type) ? host::size_in(known.buffer, tensor) : size_of(tensor);
    return {known.space, write, begin, begin + size};
}

constexpr size_t kRecent = 256;

} // namespace

plan::Access access_to(const ggml_tensor * tensor, bool write, BufferTable & buffers) {
    const ggml_backend_buffer_t buffer = host::buffer_of(tensor);
    if (!buffer || !tensor->data) {
        return {plan::kHostMemory, write, 0, 0};
    }
    return access_in(buffers.of(buffer), tensor, write);
}

LaunchAccesses::LaunchAccesses(const GraphView & graph, BufferTable & buffers)
    : graph_(graph)
    , buffers_(buffers)
    , touched_in_(graph.n_tensors(), 0)
    , recent_(kRecent) {}

void LaunchAccesses::append(int begin, int end, std::vector<plan::Access> & accesses) {
    const size_t first = accesses.size();
    begin_launch();
    for (int i = begin; i < end; i++) {
        const GraphNode & node = graph_.nodes()[i];
        const ggml_tensor * tensor = graph_.tensor(node.tensor);
        if (node.is_view || tensor->op == GGML_OP_NONE) {
            continue;
        }
        read_operands(node, tensor, accesses);
        add(node.tensor, tensor, true, accesses);
    }
    merge(first, accesses);
}

void LaunchAccesses::append_observed(int begin, int end, std::vector<plan::Access> & accesses) {
    const size_t first = accesses.size();
    begin_launch();
    for (int i = begin; i < end; i++) {
        const GraphNode & node = graph_.nodes()[i];
        const ggml_tensor * tensor = graph_.tensor(node.tensor);
        read_operands(node, tensor, accesses);
        add(node.tensor, tensor, false, accesses);
    }
    merge(first, accesses);
}

void LaunchAccesses::begin_launch() {
    launch_++;
    std::fill(recent_.begin(), recent_.end(), plan::Access{});
}

// What they read may be a copy on this backend; within a launch it is then always the same copy.
void LaunchAccesses::read_operands(const GraphNode & node, const ggml_tensor * tensor,
                                   std::vector<plan::Access> & accesses) {
    for (const Operand & op : graph_.operands_of(node)) {
        if (touched_in_[op.tensor] != launch_) {
            add(op.tensor, tensor->src[op.slot], false, accesses);
        }
    }
}

void LaunchAccesses::add(TensorId id, const ggml_tensor * tensor, bool write, std::vector<plan::Access> & accesses) {
    touched_in_[id] = launch_;
    const ggml_backend_buffer_t buffer = host::buffer_of(tensor);
    if (!buffer || !tensor->data) {
        return;
    }
    const KnownBuffer & known = buffers_.of(buffer);
    const plan::Access access = !write && known.facts.weights
                                    ? plan::Access{known.space, false, known.facts.begin, known.facts.end}
                                    : access_in(known, tensor, write);
    if (access.begin < access.end && is_new(access)) {
        accesses.push_back(access);
    }
}

bool LaunchAccesses::is_new(const plan::Access & access) {
    const uint64_t hash = (access.begin >> 5) ^ (access.begin >> 13) ^ (access.end >> 7) ^ (access.write ? 97 : 0);
    plan::Access & recent = recent_[hash % kRecent];
    if (same(recent, access)) {
        return false;
    }
    recent = access;
    return true;
}

} // namespace ggml_sched
