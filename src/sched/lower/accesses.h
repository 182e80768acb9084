// Which bytes a launch or a copy touches.

#pragma once

#include <array>
#include <vector>

#include "graph/graph_view.h"
#include "lower/buffer_table.h"

namespace ggml_sched {

// All bytes of a tensor, gaps included; of quantized ones in a device's memory the padding too, which kernels read and
// launches may clear. begin == end for an empty one.
plan::Access access_to(const ggml_tensor * tensor, bool write, BufferTable & buffers);

// Appends that the caller writes all its inputs.
void append_writes_of_inputs(const GraphView & graph, BufferTable & buffers, std::vector<plan::Access> & accesses);

// Collects what launches touch. Keeps its memory from launch to launch.
class LaunchAccesses {
  public:
    LaunchAccesses(const GraphView & graph, BufferTable & buffers);

    // Appends what the nodes [begin, end) read and write: sorted, merged where ranges of one kind touch or overlap.
    // Left out is what the launch reads of what it has written itself: whoever is ordered with the write is ordered
    // with that too. Buffers of weights are read whole: nobody writes them while they are in use, so their parts need
    // no distinction.
    void append(int begin, int end, std::vector<plan::Access> & accesses);
    // Appends what the nodes [begin, end) read of what other nodes, or the caller, have written; weights are left out.
    void append_inputs(int begin, int end, std::vector<plan::Access> & accesses);
    // Appends what someone reads who looks at these nodes, views too, and at what they are computed from.
    void append_observed(int begin, int end, std::vector<plan::Access> & accesses);

  private:
    // All bytes from begin to end are touched. Most of what a launch touches lies within what it touched before.
    struct Span {
        uint64_t begin = 0;
        uint64_t end = 0;
    };
    struct Buffer {
        KnownBuffer known;
        uint32_t launch;           // of which the spans are: the last that touched it
        std::array<Span, 2> spans; // read and written; begin == end: nothing
    };

    void begin_launch() { launch_++; }
    void end_launch(size_t first, std::vector<plan::Access> & accesses);
    void read_operands(const GraphNode & node, const ggml_tensor * tensor);
    void touch(TensorId id, const ggml_tensor * tensor, bool write);
    void extend(Buffer & buffer, bool write, uint64_t begin, uint64_t end);
    bool is_among_last(plan::Space space, bool write, uint64_t begin, uint64_t end) const;
    // The last launch that touched a tensor, and whether it wrote it
    static uint32_t read_in(uint32_t launch) { return 2 * launch; }
    static uint32_t written_in(uint32_t launch) { return 2 * launch + 1; }

    const GraphView & graph_;
    BufferTable & buffers_;
    std::vector<uint32_t> touched_in_; // by tensor
    uint32_t launch_ = 0;
    host::ByBuffer<Buffer> known_;
    std::vector<plan::Access> accesses_; // of this launch, apart from the spans
};

} // namespace ggml_sched
