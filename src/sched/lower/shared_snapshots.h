// SharedSnapshots - snapshots that copies to several devices can use, such as those of masks and positions.
//
// A small snapshot is not shared if the device sets ranges: it lies in the ring as on the device, so that it can be
// merged (see lower/merged_copies.h). One lowering owns it. One thread at a time.

#pragma once

#include <vector>

#include "lower/lower.h"

namespace ggml_sched {

// SharedSnapshots - the snapshots of one run that can be shared.
class SharedSnapshots {
  public:
    // The references must outlive it.
    SharedSnapshots(const GraphView & graph, const std::vector<host::Backend> & backends)
        : graph_(graph)
        , backends_(backends) {}

    // Returns true if there is a snapshot of the copy's source, and lets the copy read it.
    bool find(CopyBinding & copy) const;
    // Notes that the copy has a snapshot. Forgets it if a node may write the source.
    void note(const CopyBinding & copy);

  private:
    // Snapshot - a tensor, and where its snapshot lies in the run's part of the ring.
    struct Snapshot {
        TensorId tensor;
        size_t bytes;
        size_t ring_offset;
    };

    // True if the copy is large enough, or its device does not set ranges.
    bool may_be_shared(const CopyBinding & copy) const;
    // True if a node writes the bytes of the tensor. Looks at all nodes.
    bool is_written(TensorId root) const;

    const GraphView & graph_;
    const std::vector<host::Backend> & backends_;
    std::vector<Snapshot> snapshots_;
};

} // namespace ggml_sched
