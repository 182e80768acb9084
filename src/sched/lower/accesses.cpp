#include "lower/accesses.h"

#include <algorithm>
#include <tuple>

#include "host/query.h"

namespace ggml_sched {

namespace {

plan::Access whole(ggml_backend_buffer_t buffer, Spaces & spaces) {
    const uint64_t base = reinterpret_cast<uintptr_t>(ggml_backend_buffer_get_base(buffer));
    return {spaces.of(buffer), false, base, base + ggml_backend_buffer_get_size(buffer)};
}

bool same(const plan::Access & a, const plan::Access & b) {
    return a.space == b.space && a.write == b.write && a.begin == b.begin && a.end == b.end;
}

void add(const plan::Access & access, size_t first, std::vector<plan::Access> & accesses) {
    const bool repeats = accesses.size() > first && same(accesses.back(), access);
    if (access.begin < access.end && !repeats) {
        accesses.push_back(access);
    }
}

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

} // namespace

plan::Access access_to(const ggml_tensor * tensor, bool write, Spaces & spaces) {
    const ggml_backend_buffer_t buffer = host::buffer_of(tensor);
    if (!buffer || !tensor->data) {
        return {plan::kHostMemory, write, 0, 0};
    }
    const uint64_t begin = reinterpret_cast<uintptr_t>(tensor->data);
    return {spaces.of(buffer), write, begin, begin + ggml_nbytes(tensor)};
}

void append_launch_accesses(const GraphView & graph, int begin, int end, Spaces & spaces,
                            std::vector<plan::Access> & accesses) {
    const size_t first = accesses.size();
    for (int i = begin; i < end; i++) {
        const GraphNode & node = graph.nodes()[i];
        const ggml_tensor * tensor = graph.tensor(node.tensor);
        if (node.is_view || tensor->op == GGML_OP_NONE) {
            continue;
        }
        for (const Operand * op = graph.operands_begin(node); op != graph.operands_end(node); ++op) {
            const ggml_tensor * src = tensor->src[op->slot];
            const ggml_backend_buffer_t buffer = host::buffer_of(src);
            const bool weights = buffer && host::is_weights(buffer);
            add(weights ? whole(buffer, spaces) : access_to(src, false, spaces), first, accesses);
        }
        add(access_to(tensor, true, spaces), first, accesses);
    }
    merge(first, accesses);
}

} // namespace ggml_sched
