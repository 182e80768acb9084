#include "lowered_graph.h"

namespace ggml_sched {

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
