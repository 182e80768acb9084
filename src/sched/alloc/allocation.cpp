#include "alloc/allocation.h"

namespace ggml_sched {

bool Allocation::init(const std::vector<host::Backend> & backends) {
    for (const host::Backend & backend : backends) {
        bufts_.push_back(backend.buft);
    }
    galloc_ = ggml_gallocr_new_n(bufts_.data(), static_cast<int>(bufts_.size()));
    return galloc_ != nullptr;
}

Allocation::~Allocation() {
    ggml_gallocr_free(galloc_);
}

void Allocation::prepare(GraphView & graph, ggml_cgraph * cgraph, const Splits & splits, const Slots & slots,
                         const Assignment & assignment, const std::vector<host::Backend> & backends,
                         std::vector<host::GraphHandle> & views) {
    for (const Rewire & rewire : splits.rewires) {
        graph.tensor(rewire.node)->src[rewire.slot] = slots.of(rewire.copy);
    }

    bool reordered = false;
    if (views.size() < splits.splits.size()) {
        views.resize(splits.splits.size());
    }
    for (size_t i = 0; i < splits.splits.size(); i++) {
        const Split & split = splits.splits[i];
        views[i].view(cgraph, split.begin, split.end);
        views[i].set_identity();
        if (backends[split.backend].optimizes_graphs) {
            views[i].optimize_for(backends[split.backend].handle);
            reordered = true;
        }
    }
    if (reordered) {
        graph.reorder(cgraph);
    }

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
            nodes_.add(slots.of(input), split.backend);
        }
        // A reader of each source, behind all copies of the split: they are made in any order, so none may take the
        // place of another's source.
        for (const uint32_t input : split.inputs) {
            nodes_.add(slots.reader_of(input), assignment.backend[splits.copies[input].tensor]);
        }
        for (int i = split.begin; i < split.end; i++) {
            const TensorId id = graph.nodes()[i].tensor;
            nodes_.add(graph.tensor(id), assignment.backend[id]);
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
            leafs_.add(slots.of(i, turn), splits.copies[i].backend);
        }
    }
    for (const TensorId leaf : graph.leafs()) {
        // The caller may write an input while results of the same graph are still to be read: they must not share
        // memory.
        if (graph.tensor(leaf)->flags & GGML_TENSOR_FLAG_INPUT) {
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
    ggml_gallocr_reserve_n_size(galloc_, graph_.get(), nodes_.backends.data(), leafs_.backends.data(), sizes);
}

bool Allocation::reserve_frees_buffers() {
    std::vector<size_t> sizes(bufts_.size());
    measure(sizes.data());
    for (size_t i = 0; i < sizes.size(); i++) {
        const size_t now = buffer_size(static_cast<int>(i));
        if (now > 0 && sizes[i] > now) {
            return true;
        }
    }
    return false;
}

bool Allocation::reserve() {
    return ggml_gallocr_reserve_n(galloc_, graph_.get(), nodes_.backends.data(), leafs_.backends.data());
}

bool Allocation::place() {
    return ggml_gallocr_alloc_graph(galloc_, graph_.get());
}

size_t Allocation::buffer_size(int backend) const {
    return ggml_gallocr_get_buffer_size(galloc_, backend);
}

} // namespace ggml_sched
