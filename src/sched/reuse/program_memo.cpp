#include "reuse/program_memo.h"

#include <utility>

namespace ggml_sched {

bool LoweredGraph::Key::equals(const Key & other, const IgnoredFields & ignored) const {
    const auto is_same = [&](bool same, KeyField field) { return same || ignored.has(field); };
    return is_same(layout == other.layout, KeyField::Layout) && is_same(given == other.given, KeyField::GivenPlaces) &&
           is_same(placed == other.placed, KeyField::FoundPlaces) &&
           is_same(streams == other.streams, KeyField::Rings) && is_same(links == other.links, KeyField::Links) &&
           is_same(mode == other.mode, KeyField::Mode) && is_same(observed == other.observed, KeyField::Observed) &&
           is_same(whole_experts == other.whole_experts, KeyField::WholeExperts);
}

void LoweredGraph::take(const Key & key, Lowered lowered) {
    names.reset();
    plans_.clear();
    key_ = key;
    lowered_ = std::move(lowered);
    valid_ = true;
}

std::shared_ptr<const plan::History> & LoweredGraph::inputs_are_free(const Key & key) {
    if (!(key_of_inputs_ == key)) {
        key_of_inputs_ = key;
        free_after_.reset();
    }
    return free_after_;
}

void LoweredGraph::bind(const GraphView & graph, const Slots & slots) {
    for (CopyBinding & copy : lowered_.copies) {
        copy.src = graph.tensor(copy.tensor);
        copy.dst = copy.copy == kNoBinding ? copy.src : slots.of(copy.copy);
        copy.written = copy.writer == kNoTensor ? nullptr : graph.tensor(copy.writer);
        copy.reader = copy.reader_id == kNoTensor ? nullptr : graph.tensor(copy.reader_id);
    }
}

} // namespace ggml_sched
