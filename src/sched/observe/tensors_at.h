// TensorsAt - finds the names of the tensors that a task touches in some bytes, for messages. It is slow, and only used
// when something is wrong.
//
// It owns nothing, and refers to the graph. The thread of the scheduler uses it during one call.

#pragma once

#include <string>
#include <vector>

#include "lower/bindings.h"
#include "lower/spaces.h"

namespace ggml_sched {

class TensorsAt {
  public:
    // All arguments must stay.
    TensorsAt(const GraphView & graph, const Splits & splits, const std::vector<CopyBinding> & copies, Spaces & spaces)
        : graph_(graph)
        , splits_(splits)
        , copies_(copies)
        , spaces_(spaces) {}

    // Returns the names, "" if no tensor is found. A few names are enough.
    std::string operator()(const plan::Task & task, const plan::Access & bytes) const;

  private:
    std::vector<const ggml_tensor *> touched_by(const plan::Task & task) const;
    bool overlaps(const ggml_tensor * tensor, const plan::Access & bytes) const;

    const GraphView & graph_;
    const Splits & splits_;
    const std::vector<CopyBinding> & copies_;
    Spaces & spaces_;
};

} // namespace ggml_sched
