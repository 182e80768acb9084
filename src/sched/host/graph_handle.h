// Graphs - the caller's, of which the functions tell the nodes, and those that the scheduler makes itself. A
// GraphHandle is one of these: consecutive nodes of the caller's graph, to be launched.
//
// ggml's struct is hidden behind a pointer, so that no other folder needs the definition. A handle owns its struct. The
// nodes stay the caller's. One thread at a time.

#pragma once

#include <memory>
#include <vector>

#include "ggml-backend.h"

namespace ggml_sched::host {

// Nodes - a list of tensors that a graph owns.
struct Nodes {
    ggml_tensor ** data = nullptr;
    int size = 0;
    ggml_tensor * operator[](int i) const { return data[i]; }
};
// Returns the nodes of the graph.
Nodes nodes_of(const ggml_cgraph * graph);
// Returns the leafs of the graph.
Nodes leafs_of(const ggml_cgraph * graph);
// Returns a number that changes when nodes are added; 0 for a graph that never got one.
uint64_t identity_of(const ggml_cgraph * graph);
// Gives the graph a new number.
void set_identity(ggml_cgraph * graph);
// Returns false if nodes were lost because the graph was too small.
bool is_complete(const ggml_cgraph * graph);

// Keep - an alloc dependency: `tensor` keeps its memory until `until`, a node of the same split, is computed.
struct Keep {
    ggml_tensor * tensor;
    ggml_tensor * until;
};

// GraphHandle - one graph.
class GraphHandle {
  public:
    // Makes a graph without nodes.
    GraphHandle();
    GraphHandle(GraphHandle && other) noexcept;
    GraphHandle & operator=(GraphHandle && other) noexcept;
    ~GraphHandle();

    // Becomes the nodes [begin, end) of `graph`. Shares its array of nodes.
    void view(ggml_cgraph * graph, int begin, int end);
    // Lets the backend change the order of the nodes, also in the graph that view() was given. Appends the alloc
    // dependencies that the backend asks for.
    void optimize_for(ggml_backend_t backend, std::vector<Keep> & keeps);
    // Becomes the nodes [begin, end) of another handle's graph.
    void slice(const GraphHandle & whole, int begin, int end);
    // Becomes `graph` with other nodes. Shares its leafs, and the array that is given.
    void replace_nodes(const ggml_cgraph * graph, ggml_tensor ** nodes, int n_nodes);
    // Gives the graph a new number, by which a backend recognizes the graph when it is launched again.
    void set_identity();

    ggml_cgraph * get() const { return graph_.get(); }

  private:
    // Deleter - frees the struct, whose definition this header does not see.
    struct Deleter {
        void operator()(ggml_cgraph * graph) const;
    };
    std::unique_ptr<ggml_cgraph, Deleter> graph_;
};

} // namespace ggml_sched::host
