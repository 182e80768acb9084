// Graphs that the scheduler makes itself: views of consecutive nodes, to launch.
// ggml's struct is hidden behind a pointer, so that no other directory needs its definition.

#pragma once

#include <memory>
#include <vector>

#include "ggml-backend.h"

namespace ggml_sched::host {

// `tensor` must keep its memory until `until`, a node of the same split, is computed.
struct Keep {
    ggml_tensor * tensor;
    ggml_tensor * until;
};

class GraphHandle {
  public:
    GraphHandle();
    GraphHandle(GraphHandle && other) noexcept;
    GraphHandle & operator=(GraphHandle && other) noexcept;
    ~GraphHandle();

    // Becomes the nodes [begin, end) of graph, sharing its array of nodes.
    void view(ggml_cgraph * graph, int begin, int end);
    // The backend may change the order of the nodes, also in the graph that this is a view of, and ask for tensors to
    // be kept: that is appended.
    void optimize_for(ggml_backend_t backend, std::vector<Keep> & keeps);
    // Becomes the nodes [begin, end) of another handle's graph.
    void slice(const GraphHandle & whole, int begin, int end);
    // A number by which a backend recognizes the graph when it is launched again.
    void set_identity();

    ggml_cgraph * get() const { return graph_.get(); }

  private:
    struct Deleter {
        void operator()(ggml_cgraph * graph) const;
    };
    std::unique_ptr<ggml_cgraph, Deleter> graph_;
};

} // namespace ggml_sched::host
