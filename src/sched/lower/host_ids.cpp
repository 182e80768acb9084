#include "lower/host_ids.h"

namespace ggml_sched {

using plan::TaskKind;

void HostIds::read(int32_t split, const WrittenIds & ids) {
    if (binding_of(ids) != kNoBinding) {
        return;
    }
    CopyBinding copy = binding_for(ids.tensor);
    if (!out_.is_host(copy.src)) {
        out_.reserve_ring(copy);
        out_.push_copy(backends_[copy.src_backend].get_async ? TaskKind::GetAsync : TaskKind::CopyNow, split, copy);
    } else if (ids.written_by == kNoNode && !snapshots_.find(copy)) {
        out_.reserve_ring(copy);
        out_.push_copy(TaskKind::Snapshot, split, copy);
        snapshots_.note(copy);
    }
    bindings_[{ids.tensor, ids.written_by}] = out_.binding_of(copy);
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
