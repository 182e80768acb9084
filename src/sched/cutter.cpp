#include "cutter.h"

#include <utility>

namespace ggml_sched {

Status Cutter::cut(const UserAssignments & user, const StreamLimits & limits) {
    PlacedByUser by_user = placed_by_user(view_, user);
    if (is_cut_alike(by_user, limits)) {
        version_ = view_.version();
        return {};
    }
    is_cut_ = false;
    splits_ = {};
    const bool keep_writes = rules_.is_on(plan::Rule::WritesInPlace);
    if (Status status = assign(view_, backends_, by_user, {options_.op_offload, keep_writes}, assignment_);
        !status.ok()) {
        return status;
    }
    splits_ = split(view_, backends_, assignment_, options_.rotates, limits);
    version_ = view_.version();
    by_user_ = std::move(by_user);
    limits_ = limits;
    streamed_ = limits.empty() ? StreamedLayout{} : streamed_layout(splits_, view_, backends_);
    number_++;
    is_cut_ = true;
    return {};
}

// Is this graph assigned and split as the last one? Parameters and layout matter only to the backends, and to
// streaming.
bool Cutter::is_cut_alike(const PlacedByUser & by_user, const StreamLimits & limits) const {
    const GraphVersion & now = view_.version();
    const bool has_other_layout = now.layout != version_.layout;
    const bool has_other_parameters = now.parameters != version_.parameters;
    if (!is_cut_ || now.structure != version_.structure || by_user != by_user_ || limits != limits_ ||
        (has_other_layout && !limits.empty() && !(streamed_layout(splits_, view_, backends_) == streamed_))) {
        return false;
    }
    return (!has_other_layout && !has_other_parameters) || assignment_.questions.have_same_answers(backends_, view_);
}

void Cutter::restore_operands() {
    for (const Rewire & rewire : splits_.rewires) {
        view_.tensor(rewire.node)->src[rewire.slot] = view_.tensor(splits_.copies[rewire.copy].tensor);
    }
}

BackendId Cutter::backend_of(const ggml_tensor * tensor) const {
    const TensorId id = view_.ids().find(tensor);
    return id != kNoTensor && id < assignment_.backend.size() ? assignment_.backend[id] : kNoBackend;
}

} // namespace ggml_sched
