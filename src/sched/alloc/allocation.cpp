#include "alloc/allocation.h"

#include <algorithm>

#include "host/measure.h"

namespace ggml_sched {

bool Allocation::init(const std::vector<host::Backend> & backends) {
    for (const host::Backend & backend : backends) {
        bufts_.push_back(backend.buft);
        first_.push_back(static_cast<size_t>(std::find(bufts_.begin(), bufts_.end(), backend.buft) - bufts_.begin()));
    }
    buffers_.assign(bufts_.size(), nullptr);
    galloc_ = ggml_gallocr_new_n(bufts_.data(), static_cast<int>(bufts_.size()));
    sizes_ = ggml_gallocr_new_n(bufts_.data(), static_cast<int>(bufts_.size()));
    return galloc_ && sizes_;
}

Allocation::~Allocation() {
    for (const ggml_gallocr_t galloc : {galloc_, sizes_}) {
        if (galloc) {
            ggml_gallocr_free(galloc);
        }
    }
}

void Allocation::prepare(GraphView & graph, ggml_cgraph * cgraph, const Splits & splits, const Slots & slots,
                         const std::vector<host::Backend> & backends, std::vector<host::GraphHandle> & views) {
    for (const Rewire & rewire : splits.rewires) {
        graph.tensor(rewire.node)->src[rewire.slot] = slots.of(rewire.copy);
    }

    bool may_have_ordered = false;
    keeps_.clear();
    keepers_.clear();
    if (views.size() < splits.splits.size()) {
        views.resize(splits.splits.size());
    }
    for (size_t i = 0; i < splits.splits.size(); i++) {
        const Split & split = splits.splits[i];
        views[i].view(cgraph, split.begin, split.end);
        views[i].set_identity();
        if (backends[split.backend].optimizes_graphs) {
            views[i].optimize_for(backends[split.backend].handle, keeps_);
            may_have_ordered = true;
        }
    }
    const bool has_ordered = may_have_ordered && graph.reorder(cgraph);
    keeps_order_ = !has_ordered && keeps_.empty();
}

void Allocation::list(const GraphView & graph, const Splits & splits, const Slots & slots,
                      const Assignment & assignment) {
    previous_nodes_.swap(nodes_.backends);
    previous_leafs_.swap(leafs_.backends);
    list_nodes(graph, splits, slots, assignment);
    list_leafs(graph, splits, slots, assignment);
    graph_.assemble(nodes_.tensors, leafs_.tensors);
    same_buffers_ =
        uses_same_buffers(previous_nodes_, nodes_.backends) && uses_same_buffers(previous_leafs_, leafs_.backends);
}

void Allocation::list_nodes(const GraphView & graph, const Splits & splits, const Slots & slots,
                            const Assignment & assignment) {
    nodes_.clear();
    for (const Split & split : splits.splits) {
        for (const uint32_t input : split.inputs) {
            if (!splits.copies[input].streamed) {
                nodes_.add(slots.of(input), split.backend);
            }
        }
        // A reader of each source, behind all copies of the split: they are made in any order, so none may take the
        // place of another's source.
        for (const uint32_t input : split.inputs) {
            if (!splits.copies[input].streamed) {
                nodes_.add(slots.reader_of(input), assignment.backend[splits.copies[input].tensor]);
            }
        }
        for (int i = split.begin; i < split.end; i++) {
            const TensorId id = graph.nodes()[i].tensor;
            nodes_.add(graph.tensor(id), assignment.backend[id]);
            keep_until(graph.tensor(id), assignment.backend[id]);
            keep_ids_of(graph.nodes()[i], graph, assignment);
        }
    }
}

// A reader, behind the node, of each tensor that must be kept until then.
void Allocation::keep_until(const ggml_tensor * node, BackendId backend) {
    for (const host::Keep & keep : keeps_) {
        if (keep.until == node) {
            nodes_.add(keepers_.view_of(keep.tensor), backend);
        }
    }
}

// The host looks at the ids themselves, also where the node reads a copy that was made long before.
void Allocation::keep_ids_of(const GraphNode & node, const GraphView & graph, const Assignment & assignment) {
    const ggml_tensor * tensor = graph.tensor(node.tensor);
    if (tensor->op != GGML_OP_MUL_MAT_ID) {
        return;
    }
    for (const Operand * op = graph.operands_begin(node); op != graph.operands_end(node); ++op) {
        ggml_tensor * operand = graph.tensor(op->tensor);
        if (op->slot == kExpertIdsSlot && tensor->src[op->slot] != operand) {
            nodes_.add(keepers_.view_of(operand), assignment.backend[op->tensor]);
        }
    }
}

void Allocation::list_leafs(const GraphView & graph, const Splits & splits, const Slots & slots,
                            const Assignment & assignment) {
    leafs_.clear();
    for (int turn = 0; slots.n_copies() > 1 && turn < slots.n_copies(); turn++) {
        for (uint32_t i = 0; i < splits.rotating.size(); i++) {
            leafs_.add(slots.of_rotating(i, turn), splits.rotating[i].backend);
        }
        for (uint32_t i = 0; i < splits.copies.size(); i++) {
            if (!splits.copies[i].streamed) {
                leafs_.add(slots.of(i, turn), splits.copies[i].backend);
            }
        }
    }
    for (const TensorId leaf : graph.leafs()) {
        // The caller may write an input while results of the same graph are still to be read: they must not share
        // memory.
        if (host::inputs_keep_values() && (graph.tensor(leaf)->flags & GGML_TENSOR_FLAG_INPUT)) {
            ggml_set_output(graph.tensor(leaf));
        }
        if (assignment.backend[leaf] != kNoBackend) {
            leafs_.add(graph.tensor(leaf), assignment.backend[leaf]);
        }
    }
}

bool Allocation::uses_same_buffers(const std::vector<int> & before, const std::vector<int> & now) const {
    if (before.size() != now.size()) {
        return false;
    }
    for (size_t i = 0; i < now.size(); i++) {
        if (before[i] != now[i] && bufts_[before[i]] != bufts_[now[i]]) {
            return false;
        }
    }
    return true;
}

void Allocation::measure(size_t * sizes) {
    host::measure(sizes_, graph_.get(), nodes_.backends.data(), leafs_.backends.data(), sizes);
}

// ggml's allocator makes several buffers of what is too large for one, and then looks at each.
bool Allocation::is_in_parts(size_t backend) const {
    return buffer_size(static_cast<int>(backend)) > ggml_backend_buft_get_max_size(bufts_[backend]);
}

std::vector<ggml_backend_buffer_t> Allocation::buffers_in_the_way() {
    std::vector<ggml_backend_buffer_t> result;
    const size_t unknown = host::can_measure() ? 0 : SIZE_MAX;
    std::vector<size_t> sizes(bufts_.size(), unknown);
    measure(sizes.data());
    for (size_t i = 0; i < sizes.size(); i++) {
        if (buffers_[i] && (sizes[i] > buffer_size(static_cast<int>(i)) || is_in_parts(i))) {
            result.push_back(buffers_[i]);
        }
    }
    return result;
}

bool Allocation::reserve() {
    n_reserves_++;
    std::vector<size_t> before(bufts_.size());
    for (size_t i = 0; i < before.size(); i++) {
        before[i] = buffer_size(static_cast<int>(i));
        buffers_[i] = is_in_parts(i) ? nullptr : buffers_[i];
    }
    const bool ok = ggml_gallocr_reserve_n(galloc_, graph_.get(), nodes_.backends.data(), leafs_.backends.data());
    for (size_t i = 0; i < before.size(); i++) {
        const bool is_new = !ok || before[i] != buffer_size(static_cast<int>(i));
        buffers_[i] = is_new ? nullptr : buffers_[i];
    }
    return ok;
}

bool Allocation::place() {
    if (!ggml_gallocr_alloc_graph(galloc_, graph_.get())) {
        return false;
    }
    bool is_noted = true;
    for (size_t i = 0; i < buffers_.size(); i++) {
        is_noted = is_noted && (buffers_[i] || buffer_size(static_cast<int>(i)) == 0);
    }
    if (!is_noted) {
        note_buffers(nodes_);
        note_buffers(leafs_);
    }
    return true;
}

// The allocator does not tell its buffers, but tensors lie in them.
void Allocation::note_buffers(const List & list) {
    for (size_t i = 0; i < list.tensors.size(); i++) {
        const ggml_backend_buffer_t buffer = host::buffer_of(list.tensors[i]);
        const size_t first = first_[list.backends[i]];
        if (buffer && !buffers_[first] && host::is_compute(buffer) && host::buft_of(buffer) == bufts_[first]) {
            buffers_[first] = buffer;
        }
    }
}

void Allocation::reset_buffers() const {
    for (const ggml_backend_buffer_t buffer : buffers_) {
        if (buffer) {
            ggml_backend_buffer_reset(buffer);
        }
    }
}

size_t Allocation::buffer_size(int backend) const {
    return ggml_gallocr_get_buffer_size(galloc_, backend);
}

} // namespace ggml_sched
