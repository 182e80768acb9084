// SplitGraphs - a graph while a call of the scheduler works with it: its nodes read the copies, and each split is a
// graph of its own, to be launched, whose nodes a backend may have put into another order.
//
// Between calls the graph is the caller's as it was built: replace_operands() and restore() exchange the operands.

#pragma once

#include <vector>

#include "host/graph_handle.h"
#include "split/slots.h"

namespace ggml_sched {

class SplitGraphs {
  public:
    // Rewires the nodes, and makes a graph for each split.
    void prepare(GraphView & graph, ggml_cgraph * cgraph, const Splits & splits, const Slots & slots,
                 const std::vector<host::Backend> & backends);

    // Makes the nodes read the copies. The graph that was prepared last must exist.
    void replace_operands();
    // Gives the nodes the operands that the caller built. The graph must exist if its nodes are rewired.
    void restore();

    const std::vector<host::GraphHandle> & graphs() const { return graphs_; } // by split; there may be more
    const std::vector<host::Keep> & keeps() const { return keeps_; }          // what backends ask for
    // No backend has ordered nodes or asked for anything.
    bool keep_order() const { return keep_order_; }

  private:
    struct Exchange {
        ggml_tensor ** operand;
        ggml_tensor * original;
        ggml_tensor * copy;
    };
    std::vector<Exchange> exchanges_;
    bool is_rewired_ = false;
    std::vector<host::GraphHandle> graphs_;
    std::vector<host::Keep> keeps_;
    bool keep_order_ = true;
};

// Restores the operands at the end of a call, however it ends.
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
