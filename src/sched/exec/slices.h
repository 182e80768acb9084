// Slices - cuts a launch for an observer, who sees some nodes when they are computed: each slice ends with such a node,
// or with the launch.

#pragma once

#include "host/graph_handle.h"
#include "host/query.h"

namespace ggml_sched {

struct Observer {
    ggml_backend_sched_eval_callback callback = nullptr;
    void * user_data = nullptr;
};

class Slices {
  public:
    // Both must stay.
    Slices(const host::GraphHandle & whole, const Observer & observer);

    // Asks the observer how far the next slice goes. False if there is none any more.
    bool next();
    const host::GraphHandle & slice() const { return slice_; }
    // Shows the slice's last node, if the observer has asked for it. False if the observer has seen enough.
    bool show() const;
    const ggml_tensor * last() const { return nodes_[end_ - 1]; }

  private:
    const host::GraphHandle & whole_;
    const Observer & observer_;
    const host::Nodes nodes_;
    host::GraphHandle slice_;
    int end_ = 0;
    bool wanted_ = false;
};

} // namespace ggml_sched
