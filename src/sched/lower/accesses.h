// Accesses - which bytes a launch, a copy or the caller touches. The planner of waits compares them.
//
// The functions read tensors that are allocated, and write lists that the caller owns. One thread at a time.

#pragma once

#include <array>
#include <vector>

#include "assign/assign.h"
#include "graph/graph_view.h"
#include "host/topology.h"
#include "lower/buffer_table.h"
#include "split/split.h"

namespace ggml_sched {

// Returns all bytes of a tensor, gaps included; begin == end for an empty one. For a quantized tensor in a device's
// memory the padding is included, since kernels read it and launches may clear it.
plan::Access access_to(const ggml_tensor * tensor, bool write, BufferTable & buffers);

// Appends a write of each input of the graph by the caller.
void append_writes_of_inputs(const GraphView & graph, BufferTable & buffers, std::vector<plan::Access> & accesses);

// Appends a write of all registered memory that is copied, apart from weights. Devices read it late. For the caller it
// stays pageable, so it has been read when the call returns.
void append_writes_of_registered(const GraphView & graph, const Splits & splits, BufferTable & buffers,
                                 std::vector<plan::Access> & accesses);

// Returns the results that the caller may read on their device's queue before the next run, by lane.
std::vector<plan::CallerRead> reads_of_caller(const GraphView & graph, const Assignment & assignment,
                                              const Topology & topology, BufferTable & buffers);

// LaunchAccesses - collects what launches of one graph touch. The references must outlive it.
class LaunchAccesses {
  public:
    LaunchAccesses(const GraphView & graph, BufferTable & buffers);

    // Appends what the nodes [begin, end) read and write: sorted, and merged where ranges of one kind touch or overlap.
    // Leaves out reads of what the launch itself has written, because a task that is ordered with the write is ordered
    // with them, too. A read of weights counts for their whole buffer, since nothing writes weights that are in use.
    void append(int begin, int end, std::vector<plan::Access> & accesses);
    // Appends what the nodes [begin, end) read that other nodes or the caller have written. Leaves weights out.
    void append_inputs(int begin, int end, std::vector<plan::Access> & accesses);
    // Appends what an eval callback may read: these nodes, views too, and their operands.
    void append_observed(int begin, int end, std::vector<plan::Access> & accesses);

  private:
    // Span - touched bytes without a gap. Most accesses of a launch lie in the span of earlier ones.
    struct Span {
        uint64_t begin = 0;
        uint64_t end = 0;
    };
    // Buffer - what a launch touches in one buffer.
    struct Buffer {
        KnownBuffer known;
        uint32_t launch;           // the last launch that touched the buffer: the spans are its
        std::array<Span, 2> spans; // the first for reads, the second for writes; begin == end: nothing
    };

    void begin_launch() { launch_++; }
    // Appends what the launch touched, sorted and merged, behind the first accesses.
    void end_launch(size_t first, std::vector<plan::Access> & accesses);
    // Notes reads of the operands, as far as the launch has not written them.
    void read_operands(const GraphNode & node, const ggml_tensor * tensor);
    // Notes an access to the tensor.
    void touch(TensorId id, const ggml_tensor * tensor, bool write);
    // Enlarges the span of a buffer, or notes an access of its own.
    void extend(Buffer & buffer, bool write, uint64_t begin, uint64_t end);
    // True if one of the last accesses covers these bytes.
    bool is_among_last(plan::Space space, bool write, uint64_t begin, uint64_t end) const;
    // Both encode the last launch that touched a tensor, and whether it wrote the tensor.
    static uint32_t read_in(uint32_t launch) { return 2 * launch; }
    static uint32_t written_in(uint32_t launch) { return 2 * launch + 1; }

    const GraphView & graph_;
    BufferTable & buffers_;
    std::vector<uint32_t> touched_in_; // by tensor
    uint32_t launch_ = 0;              // the number of the current launch
    host::ByBuffer<Buffer> known_;
    std::vector<plan::Access> accesses_; // accesses of the launch outside the spans
};

} // namespace ggml_sched
