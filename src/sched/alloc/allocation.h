// Allocation - gives every tensor of a split graph its address, by ggml's graph allocator.
//
// The allocator sees the graph in node order, with each split's input copies in front of it. What it reuses between
// splits is only safe in that order; the planner finds where lanes have to be kept in it.

#pragma once

#include <vector>

#include "ggml-alloc.h"
#include "host/graph_handle.h"
#include "split/slots.h"

namespace ggml_sched {

class Allocation {
  public:
    // False when memory runs out.
    bool init(const std::vector<host::Backend> & backends);
    ~Allocation();

    // Takes over a split graph: rewires it, and lets backends order their nodes. `views` receives one graph per split.
    void prepare(GraphView & graph, ggml_cgraph * cgraph, const Splits & splits, const Slots & slots,
                 const std::vector<host::Backend> & backends, std::vector<host::GraphHandle> & views);

    // Lists what is to be allocated of the prepared graph, for the calls below.
    void list(const GraphView & graph, const Splits & splits, const Slots & slots, const Assignment & assignment);

    // What each backend's buffer would need for the listed graph, in bytes. Frees nothing.
    void measure(size_t * sizes);
    // The buffers that reserve() would free, to get larger ones
    std::vector<ggml_backend_buffer_t> buffers_in_the_way();
    bool reserve();

    // Places the listed graph in the buffers as they are; false if it does not fit the reserved plan.
    bool place();
    // Does the listed graph use the buffers as the last one did?
    bool same_buffers_as_before() const { return same_buffers_; }

    size_t buffer_size(int backend) const;

    // For who places a graph where another was: the addresses hold until the next reserve().
    uint64_t n_reserves() const { return n_reserves_; }
    bool reserves_when_told() const { return bufts_.size() > 1; } // with one buffer, ggml's also does when it places
    bool keeps_order() const { return keeps_order_; }             // no backend has ordered nodes of the prepared graph
    void reset_buffers() const;

  private:
    struct List {
        std::vector<ggml_tensor *> tensors;
        std::vector<int> backends;

        void clear() {
            tensors.clear();
            backends.clear();
        }
        void add(ggml_tensor * tensor, BackendId backend) {
            tensors.push_back(tensor);
            backends.push_back(backend);
        }
    };
    void list_nodes(const GraphView & graph, const Splits & splits, const Slots & slots, const Assignment & assignment);
    void list_leafs(const GraphView & graph, const Splits & splits, const Slots & slots, const Assignment & assignment);
    void keep_until(const ggml_tensor * node, BackendId backend);
    void keep_ids_of(const GraphNode & node, const GraphView & graph, const Assignment & assignment);
    bool uses_same_buffers(const std::vector<int> & before, const std::vector<int> & now) const;

    bool is_in_parts(size_t backend) const;
    void note_buffers(const List & list);

    ggml_gallocr_t galloc_ = nullptr;
    ggml_gallocr_t sizes_ = nullptr; // never holds memory: ggml's allocator frees what it holds when it measures more
    std::vector<ggml_backend_buffer_type_t> bufts_;
    std::vector<size_t> first_;                  // by backend: the first one with the same buffer type
    std::vector<ggml_backend_buffer_t> buffers_; // by such a first one; NULL if nothing has been placed there yet
    host::GraphHandle graph_;
    std::vector<host::Keep> keeps_; // what backends ask for
    TensorPool keepers_;
    List nodes_;
    List leafs_;
    std::vector<int> previous_nodes_;
    std::vector<int> previous_leafs_;
    bool same_buffers_ = false;
    bool keeps_order_ = true;
    uint64_t n_reserves_ = 0;
};

} // namespace ggml_sched
