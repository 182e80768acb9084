// KeptLeafs - what the caller has written into a graph's tensors that nothing computes, while the graph is allocated
// anew.

#pragma once

#include <vector>

#include "graph/graph_view.h"

namespace ggml_sched {

class KeptLeafs {
  public:
    // The graph is allocated, and nothing is in flight.
    explicit KeptLeafs(const GraphView & graph);

    // Reads the leafs that have lost their memory since. Nobody may have written that memory.
    void read();
    // Writes what was read into the leafs' new memory.
    void write() const;

  private:
    struct Leaf {
        ggml_tensor * tensor;
        ggml_tensor before; // as it was described when it had its old memory
        std::vector<char> bytes;
    };
    std::vector<Leaf> leafs_;
};

} // namespace ggml_sched
