#include "lower/host_ids.h"

namespace ggml_sched {

using plan::TaskKind;

void HostIds::read(int32_t split, const WrittenIds & ids) {
    if (binding_of(ids) != kNoBinding) {
        return;
    }
    CopyBinding copy = binding_for(ids.tensor);
    const bool is_fetched = !out_.is_host(copy.src);
    const bool is_copied_aside = !is_fetched && ids.written_by == kNoNode && !snapshots_.find(copy);
    if (is_fetched || is_copied_aside) {
        out_.reserve_ring(copy);
    }
    const uint32_t binding = out_.bind(copy);
    bindings_[{ids.tensor, ids.written_by}] = binding;
    if (is_fetched) {
        out_.push_copy(backends_[copy.src_backend].get_async ? TaskKind::GetAsync : TaskKind::CopyNow, split, binding);
    } else if (is_copied_aside) {
        out_.push_copy(TaskKind::Snapshot, split, binding);
        snapshots_.note(copy);
    }
}

uint32_t HostIds::binding_of(const WrittenIds & ids) const {
    const auto found = bindings_.find({ids.tensor, ids.written_by});
    return found == bindings_.end() ? kNoBinding : found->second;
}

CopyBinding HostIds::binding_for(TensorId ids) const {
    ggml_tensor * tensor = graph_.tensor(ids);
    const BackendId backend = assignment_.backend[ids];
    return {kNoBinding, ids, tensor, tensor, backend, backend, ggml_nbytes(tensor), false, 0};
}

} // namespace ggml_sched
