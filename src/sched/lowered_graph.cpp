#include "lowered_graph.h"

#include "host/execute.h"

namespace ggml_sched {

namespace {

bool is_unplaced(const ggml_tensor * tensor) {
    return !tensor->view_src && !tensor->buffer && !tensor->data;
}

} // namespace

// The allocator may have let a node work in the place of a view that begins where its source does, so views of what is
// placed here must begin where they did.
bool LoweredGraph::can_place(const GraphView & graph, const Splits & splits) const {
    if (tensors_.size() != graph.n_tensors() || slots_.size() != splits.copies.size()) {
        return false;
    }
    for (TensorId id = 0; id < tensors_.size(); id++) {
        const ggml_tensor * tensor = graph.tensor(id);
        const Address & known = tensors_[id];
        if (is_unplaced(tensor) && (!known.buffer || !known.data)) {
            return false;
        }
        if (tensor->view_src && is_unplaced(tensor->view_src) && tensor->view_offs != known.view_offset) {
            return false;
        }
    }
    for (const Address & slot : slots_) {
        if (!slot.buffer || !slot.data) {
            return false;
        }
    }
    return true;
}

bool LoweredGraph::place(const GraphView & graph, const Splits & splits, const Slots & slots) const {
    if (!can_place(graph, splits)) {
        return false;
    }
    bool ok = true;
    for (uint32_t i = 0; i < slots_.size(); i++) {
        if (is_unplaced(slots.of(i))) { // else it is streamed, and has its place already
            ok = ok && host::place(slots.of(i), slots_[i].buffer, slots_[i].data) == GGML_STATUS_SUCCESS;
        }
    }
    for (TensorId id = 0; id < tensors_.size(); id++) {
        ggml_tensor * tensor = graph.tensor(id);
        if (is_unplaced(tensor)) {
            ok = ok && host::place(tensor, tensors_[id].buffer, tensors_[id].data) == GGML_STATUS_SUCCESS;
        }
    }
    for (TensorId id = 0; id < tensors_.size(); id++) {
        ggml_tensor * tensor = graph.tensor(id);
        const ggml_tensor * root = tensor->view_src;
        if (root && !tensor->buffer && root->data) {
            void * data = static_cast<char *>(root->data) + tensor->view_offs;
            ok = ok && host::place(tensor, root->buffer, data) == GGML_STATUS_SUCCESS;
        }
    }
    return ok;
}

bool LoweredGraph::lies_at(const GraphView & graph, const Splits & splits, const Slots & slots) const {
    if (tensors_.size() != graph.n_tensors() || slots_.size() != splits.copies.size()) {
        return false;
    }
    for (uint32_t i = 0; i < slots_.size(); i++) {
        if (!(slots_[i] == address_of(slots.of(i)))) {
            return false;
        }
    }
    for (TensorId id = 0; id < tensors_.size(); id++) {
        if (!(tensors_[id] == address_of(graph.tensor(id)))) {
            return false;
        }
    }
    return true;
}

void LoweredGraph::take(const Key & key, const GraphView & graph, const Splits & splits, const Slots & slots,
                        Lowered lowered) {
    valid_ = false;
    names.reset();
    inputs_are_free.reset();
    plans_.clear();
    tensors_.resize(graph.n_tensors());
    for (TensorId id = 0; id < tensors_.size(); id++) {
        tensors_[id] = address_of(graph.tensor(id));
    }
    slots_.resize(splits.copies.size());
    for (uint32_t i = 0; i < slots_.size(); i++) {
        slots_[i] = address_of(slots.of(i));
    }
    key_ = key;
    lowered_ = std::move(lowered);
    valid_ = true;
}

void LoweredGraph::bind(const GraphView & graph, const Slots & slots) {
    for (CopyBinding & copy : lowered_.copies) {
        copy.src = graph.tensor(copy.tensor);
        copy.dst = copy.copy == kNoBinding ? copy.src : slots.of(copy.copy);
    }
}

} // namespace ggml_sched
