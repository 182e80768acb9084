// SplitGraphs - a graph while a call of the scheduler works with it. Its nodes read the copies. Each split is a graph
// of its own that can be launched. Backends may have changed the order of nodes within a split.
//
// Between calls the nodes do not read the copies: replace_operands() and restore() exchange the operands.
// SplitGraphs owns the graphs of the splits. The caller owns the nodes. One thread at a time.

#pragma once

#include <vector>

#include "alloc/node_order.h"
#include "graph/operand_exchange.h"
#include "host/graph_handle.h"
#include "split/slots.h"

namespace ggml_sched {

// SplitGraphs - the graphs of the splits, and the operands that are exchanged for copies.
class SplitGraphs {
  public:
    // Replaces the operands, makes a graph for each split, and lets backends optimize it.
    void prepare(GraphView & graph, ggml_cgraph * cgraph, const Splits & splits, const Slots & slots,
                 const std::vector<host::Backend> & backends);

    // Makes the nodes read the copies. The graph that was prepared last must still exist.
    void replace_operands() { copies_.exchange(); }
    // Gives the nodes the operands that they had. If they are replaced, the graph must still exist.
    void restore() { copies_.restore(); }

    // Returns the graphs by split. There may be unused ones at the end.
    const std::vector<host::GraphHandle> & graphs() const { return graphs_; }
    // Returns what backends have asked for.
    const NodeOrder & order() const { return order_; }

  private:
    void find_order(const GraphView & graph, const Splits & splits, const Slots & slots, bool has_ordered);

    OperandExchange copies_;
    std::vector<host::GraphHandle> graphs_;
    std::vector<host::Keep> keeps_;
    NodeOrder order_;
};

} // namespace ggml_sched
