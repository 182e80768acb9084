#include "lowered_graph.h"

#include <utility>

namespace ggml_sched {

void LoweredGraph::take(const Key & key, Lowered lowered) {
    names.reset();
    inputs_are_free.reset();
    plans_.clear();
    key_ = key;
    lowered_ = std::move(lowered);
    valid_ = true;
}

void LoweredGraph::bind(const GraphView & graph, const Slots & slots) {
    for (CopyBinding & copy : lowered_.copies) {
        copy.src = graph.tensor(copy.tensor);
        copy.dst = copy.copy == kNoBinding ? copy.src : slots.of(copy.copy);
        copy.written = copy.writer == kNoTensor ? nullptr : graph.tensor(copy.writer);
    }
}

} // namespace ggml_sched
