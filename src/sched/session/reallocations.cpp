#include "session/reallocations.h"

#include <algorithm>
#include <string>

namespace ggml_sched {

// Returns true if a tensor needs another buffer type than before. It compares types, as ggml does: a tensor that moves
// to a backend of the same type needs no other buffer.
bool Reallocations::have_backends_changed(const std::vector<BackendId> & now) const {
    return now.size() == last_.size() &&
           !std::equal(now.begin(), now.end(), last_.begin(), [&](BackendId a, BackendId b) {
               return a == b || (a != kNoBackend && b != kNoBackend && backends_[a].buft == backends_[b].buft);
           });
}

Status Reallocations::tell(ggml_cgraph * graph, const CutGraph & cut) const {
    const bool size_changed = size_of(cut) != last_size_;
    const bool backends_changed = have_backends_changed(cut.assignment.backend);
    if (callback_.function) {
        callback_.function(callback_.sched, graph, backends_changed, size_changed, callback_.user_data);
    }
    const bool is_expected = backends_changed || size_changed;
    if (settings_.realloc_check == ReallocCheck::None ||
        (settings_.realloc_check == ReallocCheck::Unexpected && is_expected)) {
        return {};
    }
    return Status::failed("a compute buffer is too small for a graph of " + std::to_string(cut.view.nodes().size()) +
                          " nodes" + (is_expected ? "" : ", as many as before, on the same backends") +
                          "; reserve a graph that is at least as large, or switch this check off "
                          "(GGML_SCHED_DEBUG_REALLOC, ggml_sched_set_debug_realloc)");
}

void Reallocations::note(const CutGraph & cut) {
    last_ = cut.assignment.backend;
    last_size_ = size_of(cut);
}

} // namespace ggml_sched
