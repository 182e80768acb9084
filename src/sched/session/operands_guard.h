// OperandsGuard - gives the nodes of a graph the operands that the caller built, at the end of a scope.

#pragma once

#include "alloc/split_graphs.h"
#include "experts/resident_experts.h"

namespace ggml_sched {

class OperandsGuard {
  public:
    OperandsGuard(SplitGraphs & copies, ResidentExperts & experts)
        : copies_(copies)
        , experts_(experts) {}
    ~OperandsGuard() {
        copies_.restore(); // first, since a copy may be one of a resident tensor
        experts_.restore();
    }
    OperandsGuard(const OperandsGuard &) = delete;
    OperandsGuard & operator=(const OperandsGuard &) = delete;

  private:
    SplitGraphs & copies_;
    ResidentExperts & experts_;
};

} // namespace ggml_sched
