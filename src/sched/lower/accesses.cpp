#include "lower/accesses.h"

#include <algorithm>
#include <tuple>

namespace ggml_sched {

namespace {

bool before(const plan::Access & a, const plan::Access & b) {
    return std::tie(a.space, a.write, a.begin, a.end) < std::tie(b.space, b.write, b.begin, b.end);
}

// Sorts the accesses from `first` on, and merges those that touch or overlap.
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

// Returns the access to a tensor that lies in this buffer.
plan::Access access_in(const KnownBuffer & known, const ggml_tensor * tensor, size_t bytes, bool write) {
    const uint64_t begin = reinterpret_cast<uintptr_t>(tensor->data);
    const bool may_have_padding = !known.facts.host && tensor->type != GGML_TYPE_F32 && !tensor->view_src;
    const uint64_t size =
        may_have_padding && ggml_is_quantized(tensor->type) ? host::size_in(known.buffer, tensor) : bytes;
    return {known.space, write, begin, begin + size};
}

} // namespace

plan::Access access_to(const ggml_tensor * tensor, bool write, BufferTable & buffers) {
    const ggml_backend_buffer_t buffer = host::buffer_of(tensor);
    if (!buffer || !tensor->data) {
        return {plan::kHostMemory, write, 0, 0};
    }
    return access_in(buffers.of(buffer), tensor, ggml_nbytes(tensor), write);
}

void append_writes_of_inputs(const GraphView & graph, BufferTable & buffers, std::vector<plan::Access> & accesses) {
    for (const TensorId input : graph.inputs()) {
        const plan::Access access = access_to(graph.tensor(input), true, buffers);
        if (access.begin < access.end) {
            accesses.push_back(access);
        }
    }
}

void append_writes_of_registered(const GraphView & graph, const Splits & splits, BufferTable & buffers,
                                 std::vector<plan::Access> & accesses) {
    for (const InputCopy & copy : splits.copies) {
        const ggml_tensor * const source = graph.tensor(copy.tensor);
        const ggml_backend_buffer_t buffer = host::buffer_of(source);
        if (buffer && buffers.of(buffer).facts.registered && !buffers.of(buffer).facts.weights) {
            accesses.push_back(access_to(source, true, buffers));
        }
    }
}

std::vector<plan::CallerRead> reads_of_caller(const GraphView & graph, const Assignment & assignment,
                                              const Topology & topology, BufferTable & buffers) {
    const auto lane_of = [&](const GraphNode & node) { return topology.lane_of[assignment.backend[node.tensor]]; };
    std::vector<plan::Lane> last_writer(graph.n_tensors(), plan::kHost); // by root
    for (const GraphNode & node : graph.nodes()) {
        if (!node.is_view) {
            last_writer[graph.root(node.tensor)] = lane_of(node);
        }
    }
    std::vector<plan::CallerRead> reads;
    for (const GraphNode & node : graph.nodes()) {
        const plan::Lane lane = lane_of(node);
        // If another lane has changed the result in place, the caller reads it there.
        if (!(graph.facts(node.tensor) & kIsOutput) || lane == plan::kHost ||
            last_writer[graph.root(node.tensor)] != lane) {
            continue;
        }
        const plan::Access access = access_to(graph.tensor(node.tensor), false, buffers);
        if (access.begin < access.end) {
            reads.push_back({lane, access});
        }
    }
    std::stable_sort(reads.begin(), reads.end(),
                     [](const plan::CallerRead & a, const plan::CallerRead & b) { return a.lane < b.lane; });
    return reads;
}

LaunchAccesses::LaunchAccesses(const GraphView & graph, BufferTable & buffers)
    : graph_(graph)
    , buffers_(buffers)
    , touched_in_(graph.n_tensors(), 0) {}

void LaunchAccesses::append(int begin, int end, std::vector<plan::Access> & accesses) {
    const size_t first = accesses.size();
    begin_launch();
    for (int i = begin; i < end; i++) {
        const GraphNode & node = graph_.nodes()[i];
        if (node.is_view || node.op == GGML_OP_NONE) {
            continue;
        }
        const ggml_tensor * tensor = graph_.tensor(node.tensor);
        read_operands(node, tensor);
        touch(node.tensor, tensor, true);
        touched_in_[node.tensor] = written_in(launch_);
    }
    end_launch(first, accesses);
}

void LaunchAccesses::append_inputs(int begin, int end, std::vector<plan::Access> & accesses) {
    const size_t first = accesses.size();
    begin_launch();
    for (int i = begin; i < end; i++) {
        const GraphNode & node = graph_.nodes()[i];
        if (!node.is_view && node.op != GGML_OP_NONE) {
            touched_in_[node.tensor] = written_in(launch_);
        }
    }
    for (int i = begin; i < end; i++) {
        const GraphNode & node = graph_.nodes()[i];
        for (const Operand & op : graph_.operands_of(node)) {
            const TensorId root = graph_.root(op.tensor);
            const ggml_tensor * operand = graph_.tensor(node.tensor)->src[op.slot];
            // A copy of a view does not change when the launch writes the root of the view.
            const bool is_copy = operand != graph_.tensor(op.tensor);
            const bool is_inner = !is_copy && touched_in_[root] == written_in(launch_);
            if (!node.is_view && !is_inner && !(graph_.facts(root) & kIsWeights)) {
                touch(op.tensor, operand, false);
            }
        }
    }
    end_launch(first, accesses);
}

void LaunchAccesses::append_observed(int begin, int end, std::vector<plan::Access> & accesses) {
    const size_t first = accesses.size();
    begin_launch();
    for (int i = begin; i < end; i++) {
        const GraphNode & node = graph_.nodes()[i];
        const ggml_tensor * tensor = graph_.tensor(node.tensor);
        read_operands(node, tensor);
        touch(node.tensor, tensor, false);
        touched_in_[node.tensor] = read_in(launch_);
    }
    end_launch(first, accesses);
}

void LaunchAccesses::end_launch(size_t first, std::vector<plan::Access> & accesses) {
    accesses.insert(accesses.end(), accesses_.begin(), accesses_.end());
    accesses_.clear();
    for (const auto & [handle, buffer] : known_.entries()) {
        for (const bool write : {false, true}) {
            const Span & span = buffer.spans[write ? 1 : 0];
            if (buffer.launch == launch_ && span.begin < span.end) {
                accesses.push_back({buffer.known.space, write, span.begin, span.end});
            }
        }
    }
    merge(first, accesses);
}

// An operand may be a copy on this backend. A launch reads only one copy of each tensor.
inline void LaunchAccesses::read_operands(const GraphNode & node, const ggml_tensor * tensor) {
    for (const Operand & op : graph_.operands_of(node)) {
        if (touched_in_[op.tensor] >= read_in(launch_)) {
            continue;
        }
        const ggml_tensor * operand = tensor->src[op.slot];
        // A copy is no view, so writes to the root of its source do not count.
        if (!operand->view_src || touched_in_[graph_.root(op.tensor)] != written_in(launch_)) {
            touch(op.tensor, operand, false);
        }
        touched_in_[op.tensor] = read_in(launch_);
    }
}

inline void LaunchAccesses::touch(TensorId id, const ggml_tensor * tensor, bool write) {
    const ggml_backend_buffer_t handle = host::buffer_of(tensor);
    if (!handle || !tensor->data) {
        return;
    }
    Buffer & buffer = known_.of(handle, [this](ggml_backend_buffer_t added) {
        return Buffer{buffers_.of(added), 0, {}};
    });
    const plan::Access access = access_in(buffer.known, tensor, graph_.bytes(id), write);
    const Span & span = buffer.spans[write ? 1 : 0];
    if (access.begin < span.begin || access.end > span.end || buffer.launch != launch_) {
        extend(buffer, write, access.begin, access.end);
    }
}

void LaunchAccesses::extend(Buffer & buffer, bool write, uint64_t begin, uint64_t end) {
    if (begin == end) {
        return;
    }
    if (!write && buffer.known.facts.weights) {
        begin = buffer.known.facts.begin;
        end = buffer.known.facts.end;
    }
    if (buffer.launch != launch_) {
        buffer.launch = launch_;
        buffer.spans = {};
    }
    Span & span = buffer.spans[write ? 1 : 0];
    if (span.begin == span.end) {
        span = {begin, end};
    } else if (begin <= span.end && end >= span.begin) {
        span = {std::min(span.begin, begin), std::max(span.end, end)};
    } else if (!is_among_last(buffer.known.space, write, begin, end)) {
        accesses_.push_back({buffer.known.space, write, begin, end});
    }
}

bool LaunchAccesses::is_among_last(plan::Space space, bool write, uint64_t begin, uint64_t end) const {
    constexpr size_t kLast = 4;
    const auto first = accesses_.end() - static_cast<std::ptrdiff_t>(std::min(kLast, accesses_.size()));
    return std::any_of(first, accesses_.end(), [&](const plan::Access & access) {
        return access.space == space && access.write == write && access.begin <= begin && end <= access.end;
    });
}

} // namespace ggml_sched
