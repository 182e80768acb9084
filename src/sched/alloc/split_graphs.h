// SplitGraphs - a graph while a call of the scheduler works with it. Its nodes read the copies. Each split is a graph
// of its own that can be launched. Backends may have changed the order of nodes within a split.
//
// Between calls the graph has the operands that the caller built: replace_operands() and restore() exchange them.
// SplitGraphs owns the graphs of the splits. The caller owns the nodes. One thread at a time.

#pragma once

#include <vector>

#include "host/graph_handle.h"
#include "split/slots.h"

namespace ggml_sched {

// SplitGraphs - the graphs of the splits, and the operands that were exchanged.
class SplitGraphs {
  public:
    // Replaces the operands, makes a graph for each split, and lets backends optimize it.
    void prepare(GraphView & graph, ggml_cgraph * cgraph, const Splits & splits, const Slots & slots,
                 const std::vector<host::Backend> & backends);

    // Makes the nodes read the copies. The graph that was prepared last must still exist.
    void replace_operands();
    // Gives the nodes the operands that the caller built. If they are replaced, the graph must still exist.
    void restore();

    // Returns the graphs by split. There may be unused ones at the end.
    const std::vector<host::GraphHandle> & graphs() const { return graphs_; }
    // Returns the alloc dependencies that backends ask for.
    const std::vector<host::Keep> & keeps() const { return keeps_; }
    // True if no backend has changed the order of nodes or asked for an alloc dependency.
    bool keep_order() const { return keep_order_; }

  private:
    // Exchange - an operand of a node, with the tensor that the caller built and the copy.
    struct Exchange {
        ggml_tensor ** operand;
        ggml_tensor * original;
        ggml_tensor * copy;
    };
    std::vector<Exchange> exchanges_;
    bool is_replaced_ = false; // the nodes read the copies
    std::vector<host::GraphHandle> graphs_;
    std::vector<host::Keep> keeps_;
    bool keep_order_ = true;
};

// OperandsGuard - restores the operands at the end of a scope.
class OperandsGuard {
  public:
    explicit OperandsGuard(SplitGraphs & graphs)
        : graphs_(graphs) {}
    ~OperandsGuard() { graphs_.restore(); }
    OperandsGuard(const OperandsGuard &) = delete;
    OperandsGuard & operator=(const OperandsGuard &) = delete;

  private:
    SplitGraphs & graphs_;
};

} // namespace ggml_sched
