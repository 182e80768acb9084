#include "stream/cache_writes.h"

#include <algorithm>

#include "host/operations.h"
#include "host/tuning.h"

namespace ggml_sched {

namespace {

// Operands of SET_ROWS, as indices into ggml_tensor::src
constexpr uint8_t kRowsSlot = 0;
constexpr uint8_t kRowIdsSlot = 1;

size_t row_size(const ggml_tensor * tensor) {
    return ggml_row_size(tensor->type, tensor->ne[0]);
}

} // namespace

bool is_on_host(const GraphView & graph, TensorId id) {
    const TensorId root = graph.root(id);
    const ggml_tensor * tensor = graph.tensor(root);
    return tensor->buffer && !(graph.facts(root) & (kIsInput | kIsComputed)) && host::is_host(tensor->buffer) &&
           !host::is_weights(tensor->buffer);
}

bool has_rows(const ggml_tensor * node) {
    return host::is_set_rows(node) && row_size(node) >= Tuning::kLeastRow;
}

size_t bytes_of(const CacheWrite & write, const GraphView & graph) {
    const ggml_tensor * node = graph.tensor(write.node);
    return write.ids == kNoTensor ? graph.bytes(write.node)
                                  : static_cast<size_t>(ggml_nrows(node->src[kRowsSlot])) * row_size(node);
}

bool Caches::visit(const GraphNode & node, int32_t index) {
    if (!graph_.views_another(node.tensor) || !is_on_host(graph_, node.tensor)) {
        return false;
    }
    writes_.push_back({node.tensor, index, ids_of(node)});
    written_[graph_.root(node.tensor)] += bytes_of(writes_.back(), graph_);
    return true;
}

// Returns the ids of the rows that a node writes; kNoTensor if the rows cannot be found one by one.
TensorId Caches::ids_of(const GraphNode & node) const {
    const ggml_tensor * tensor = graph_.tensor(node.tensor);
    if (!has_rows(tensor)) {
        return kNoTensor;
    }
    const Operands operands = graph_.operands_of(node);
    const Operand * ids = std::find_if(operands.begin(), operands.end(),
                                       [](const Operand & operand) { return operand.slot == kRowIdsSlot; });
    return ids != operands.end() && are_in_host_memory(graph_.root(ids->tensor)) ? ids->tensor : kNoTensor;
}

// Returns true if the ids lie in host memory, and if nothing writes them before the node reads them.
bool Caches::are_in_host_memory(TensorId ids) const {
    if ((graph_.facts(ids) & kIsComputed) || written_at_[ids] != kNoNode) {
        return false;
    }
    const ggml_backend_buffer_t buffer = graph_.tensor(ids)->buffer;
    const BackendId backend = assignment_.backend[ids];
    return buffer ? host::is_host(buffer) : backend != kNoBackend && ggml_backend_buft_is_host(backends_[backend].buft);
}

WritesByCache::WritesByCache(const std::vector<CacheWrite> & writes, const GraphView & graph)
    : graph_(graph)
    , writes_(writes) {
    std::stable_sort(writes_.begin(), writes_.end(),
                     [&](const CacheWrite & a, const CacheWrite & b) { return root_of(a) < root_of(b); });
}

// Returns the first write into a cache, or the place where it would be.
std::vector<CacheWrite>::const_iterator WritesByCache::first_of(TensorId root) const {
    return std::lower_bound(writes_.begin(), writes_.end(), root,
                            [&](const CacheWrite & write, TensorId id) { return root_of(write) < id; });
}

} // namespace ggml_sched
