// SplitGraphs - a graph taken over: its nodes read the copies, and each split is a graph of its own, to be launched,
// whose nodes a backend may have put into another order.

#pragma once

#include <vector>

#include "host/graph_handle.h"
#include "split/slots.h"

namespace ggml_sched {

class SplitGraphs {
  public:
    void prepare(GraphView & graph, ggml_cgraph * cgraph, const Splits & splits, const Slots & slots,
                 const std::vector<host::Backend> & backends);

    const std::vector<host::GraphHandle> & graphs() const { return graphs_; } // by split; there may be more
    const std::vector<host::Keep> & keeps() const { return keeps_; }          // what backends ask for
    // No backend has ordered nodes or asked for anything.
    bool keep_order() const { return keep_order_; }

  private:
    std::vector<host::GraphHandle> graphs_;
    std::vector<host::Keep> keeps_;
    bool keep_order_ = true;
};

} // namespace ggml_sched
