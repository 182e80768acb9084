// InputCopies - which tensors and bytes the copies of a graph's splits move.
//
// One lowering owns it. One thread at a time.

#pragma once

#include "alloc/memory_plan.h"
#include "lower/bindings.h"
#include "lower/experts.h"
#include "lower/host_ids.h"

namespace ggml_sched {

class InputCopies {
  public:
    // The references must outlive it.
    InputCopies(const CutGraph & graph, const ExpertCopies & experts, const HostIds & host_ids)
        : graph_(graph)
        , experts_(experts)
        , host_ids_(host_ids) {}

    // Returns what a copy moves: all of its source. `copy` is an index into Splits::copies. The graph is allocated.
    CopyBinding whole(uint32_t copy) const;
    // Restricts a copy to the experts that the ids name, if they have been brought to the host.
    void name_experts(const WrittenIds & ids, CopyBinding & copy) const;

  private:
    const CutGraph graph_;
    const ExpertCopies & experts_;
    const HostIds & host_ids_;
};

} // namespace ggml_sched
