// TensorsAt - the names of a graph's tensors that a task touches in some bytes, for messages. Slow; nobody asks unless
// something is wrong.

#pragma once

#include <string>
#include <vector>

#include "lower/bindings.h"
#include "lower/spaces.h"

namespace ggml_sched {

class TensorsAt {
  public:
    TensorsAt(const GraphView & graph, const Splits & splits, const std::vector<CopyBinding> & copies, Spaces & spaces)
        : graph_(graph)
        , splits_(splits)
        , copies_(copies)
        , spaces_(spaces) {}

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
