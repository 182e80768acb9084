// Slices - cuts a launch for an observer, which is an eval callback. Each slice ends with a node that the observer
// wants to see, or with the last node of the launch.
//
// A Slices is used during one launch, by the thread of the executor. It owns the current slice.

#pragma once

#include "host/graph_handle.h"
#include "host/query.h"

namespace ggml_sched {

// Observer - the eval callback of the caller; NULL if there is none
struct Observer {
    ggml_backend_sched_eval_callback callback = nullptr;
    void * user_data = nullptr;
};

class Slices {
  public:
    // The graph of the launch and the observer must stay.
    Slices(const host::GraphHandle & whole, const Observer & observer);

    // Asks the observer how far the next slice goes. Returns false if no nodes are left.
    bool next();
    const host::GraphHandle & slice() const { return slice_; }
    // Shows the last node of the slice if the observer wants to see it. Returns false if the observer ends the run.
    bool show() const;
    // Returns the last node of the slice.
    const ggml_tensor * last() const { return nodes_[end_ - 1]; }

  private:
    const host::GraphHandle & whole_;
    const Observer & observer_;
    const host::Nodes nodes_;
    host::GraphHandle slice_;
    int end_ = 0;         // end of the current slice
    bool wanted_ = false; // true if the observer wants to see its last node
};

} // namespace ggml_sched
