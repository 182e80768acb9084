#include "observe/trace.h"

namespace ggml_sched::observe {

// Counts more events. Returns false, and cuts the trace, if the limit is reached.
bool Trace::has_room(size_t n_events) {
    cut = cut || n_events_ + n_events > kMaxEvents;
    if (!cut) {
        n_events_ += n_events;
    }
    return !cut;
}

SliceId Trace::add(const TraceSlice & slice) {
    if (!has_room(1)) {
        return kNoSlice;
    }
    slices.push_back(slice);
    return static_cast<SliceId>(slices.size() - 1);
}

bool Trace::add(const TraceArrow & arrow) {
    if (arrow.from == kNoSlice || arrow.to == kNoSlice || !has_room(2)) {
        return false;
    }
    arrows.push_back(arrow);
    return true;
}

NameId Trace::name(const std::string & text) {
    if (text.empty() || cut) {
        return kNoName;
    }
    const auto known = ids_.find(text);
    if (known != ids_.end()) {
        return known->second;
    }
    names.push_back(text);
    const auto id = static_cast<NameId>(names.size() - 1);
    ids_.emplace(text, id);
    return id;
}

} // namespace ggml_sched::observe
