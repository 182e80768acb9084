// SharedSnapshots - inputs that have been copied aside for one device and are needed by another, too: masks, positions.
//
// Small ones are not shared where devices set ranges: they lie in the ring as on one of them, to be merged.

#pragma once

#include <vector>

#include "lower/lower.h"

namespace ggml_sched {

class SharedSnapshots {
  public:
    SharedSnapshots(const GraphView & graph, const std::vector<host::Backend> & backends) // which must stay
        : graph_(graph)
        , backends_(backends) {}

    // Is there one of what is to be copied? Then the copy is made from it.
    bool find(CopyBinding & copy) const;
    // It has been copied aside.
    void note(const CopyBinding & copy);

  private:
    struct Snapshot {
        TensorId tensor;
        size_t bytes;
        size_t ring_offset;
    };

    bool may_be_shared(const CopyBinding & copy) const;
    bool is_written(TensorId root) const;

    const GraphView & graph_;
    const std::vector<host::Backend> & backends_;
    std::vector<Snapshot> snapshots_;
};

} // namespace ggml_sched
