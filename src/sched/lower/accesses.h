// Which bytes a launch or a copy touches.

#pragma once

#include <vector>

#include "graph/graph_view.h"
#include "lower/buffer_table.h"

namespace ggml_sched {

// All bytes of a tensor, gaps included; of quantized ones in a device's memory the padding too, which kernels read and
// launches may clear. begin == end for an empty one.
plan::Access access_to(const ggml_tensor * tensor, bool write, BufferTable & buffers);

// Collects what launches touch. Keeps its memory from launch to launch.
class LaunchAccesses {
  public:
    LaunchAccesses(const GraphView & graph, BufferTable & buffers);

    // Appends what the nodes [begin, end) read and write: sorted, merged where ranges of one kind touch or overlap.
    // Left out is what the launch reads of what it has written itself: whoever is ordered with the write is ordered
    // with that too. Buffers of weights are read whole: nobody writes them while they are in use, so their parts need
    // no distinction.
    void append(int begin, int end, std::vector<plan::Access> & accesses);
    // Appends what someone reads who looks at these nodes, views too, and at what they are computed from.
    void append_observed(int begin, int end, std::vector<plan::Access> & accesses);

  private:
    void begin_launch();
    void read_operands(const GraphNode & node, const ggml_tensor * tensor, std::vector<plan::Access> & accesses);
    void add(TensorId id, const ggml_tensor * tensor, bool write, std::vector<plan::Access> & accesses);
    bool is_new(const plan::Access & access);

    const GraphView & graph_;
    BufferTable & buffers_;
    std::vector<uint32_t> touched_in_; // by tensor: the last launch that touched it
    uint32_t launch_ = 0;
    std::vector<plan::Access> recent_; // direct-mapped: graphs use few addresses, again and again
};

} // namespace ggml_sched
