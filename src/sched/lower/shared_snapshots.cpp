#include "lower/shared_snapshots.h"

#include <algorithm>

#include "host/tuning.h"
#include "lower/merged_copies.h"

namespace ggml_sched {

bool SharedSnapshots::find(CopyBinding & copy) const {
    const auto found = std::find_if(snapshots_.begin(), snapshots_.end(), [&](const Snapshot & snapshot) {
        return snapshot.tensor == copy.tensor && snapshot.bytes == copy.bytes;
    });
    if (found == snapshots_.end() || !may_be_shared(copy)) {
        return false;
    }
    copy.via_ring = true;
    copy.ring_offset = found->ring_offset;
    return true;
}

// Only inputs that keep their values while the graph runs.
void SharedSnapshots::note(const CopyBinding & copy) {
    const TensorId root = graph_.root(copy.tensor);
    if (may_be_shared(copy) && (graph_.facts(root) & kIsInput) && !is_written(root)) {
        snapshots_.push_back({copy.tensor, copy.bytes, copy.ring_offset});
    }
}

bool SharedSnapshots::may_be_shared(const CopyBinding & copy) const {
    return copy.bytes > Tuning::kMergedUpTo || !backends_[copy.dst_backend].sets_ranges;
}

// By any node. Asked of few tensors.
bool SharedSnapshots::is_written(TensorId root) const {
    return std::any_of(graph_.nodes().begin(), graph_.nodes().end(), [&](const GraphNode & node) {
        return !node.is_view && node.op != GGML_OP_NONE && graph_.root(node.tensor) == root;
    });
}

} // namespace ggml_sched
