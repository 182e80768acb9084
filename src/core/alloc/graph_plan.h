// graph_plan.h - where each tensor of a graph goes: made by GraphPlanner, kept to place graphs of the same structure.
//
// A tensor's lifetime is that of its root, the tensor that owns the memory which it views: from the first node that
// touches it to the last one that reads it. Tensors that are not a node's operand are results and live on, as do those
// flagged OUTPUT. What is flagged INPUT, and leafs, lives from the beginning.
//
// Threading: a planner and a plan belong to one thread at a time. Functions may throw std::bad_alloc.

#pragma once

#include "alloc/offset_allocator.h"
#include "alloc/tensor_numbering.h"
#include "ggml-backend-impl.h"
#include "ggml-impl.h"

#include <cstddef>
#include <cstdint>
#include <vector>

namespace ggml_sched {

// The buffer types of an allocator; equal ones share one range of memory, that of the first of them.
struct BufferTypes {
    std::vector<ggml_backend_buffer_type_t> bufts;
    std::vector<int> first; // the index of the first buffer type that equals this one

    bool is_first(size_t i) const { return first[i] == static_cast<int>(i); }
};

enum class Placement : uint8_t {
    External, // had a place before, or will get it from somebody else
    View,     // follows its root
    Own,
};

Placement placement_of(const ggml_tensor * tensor);

struct TensorPlan {
    size_t offset; // Own only, as size and buffer
    size_t size;   // reserved bytes
    int buffer;    // index into bufts
    int root;
    int flags;
    ggml_op op;
    Placement placement;
    int8_t in_place_of; // the operand whose memory the tensor takes over, or -1
    bool is_permanent;  // a leaf that is kept to the end: who reads it makes no difference
};

struct GraphPlan {
    bool valid = false;
    int n_nodes = 0;
    int n_leafs = 0;
    std::vector<int> references;     // leafs; then for each node its operands, and ~number of the node itself
    std::vector<TensorPlan> tensors; // by number
    std::vector<size_t> sizes;       // bytes of each buffer; 0 for repeated ones
};

// Numbers the graph's tensors. False if the plan is not valid or does not fit the graph, whose tensors must then not
// be placed by it. A fitting graph has the same structure and tensors that are not larger.
bool plan_fits(const GraphPlan & plan, const BufferTypes & types, const ggml_cgraph & graph,
               TensorNumbering & numbering);

// May node take over the memory of its operand src[i], given that nobody else needs it any more?
bool can_work_in_place(const ggml_tensor * node, int i);

class GraphPlanner {
  public:
    // NULL ids: 0 for all. False, with a line in the log, if ids are out of range, or the memory is more than any
    // buffer can have; the plan is then not valid.
    bool make_plan(const BufferTypes & types, const ggml_cgraph & graph, const int * node_buffer_ids,
                   const int * leaf_buffer_ids, TensorNumbering & numbering, GraphPlan & plan);

  private:
    struct Life {
        int last_use = -1; // node index
        bool has_reader = false;
        bool is_kept = false; // to the end
        bool is_placed = false;
        bool is_live = false;
    };

    struct Request {
        const BufferTypes * types;
        const ggml_cgraph * graph;
        const TensorNumbering * numbering;
        GraphPlan * plan;
    };

    void find_references(const Request & request, TensorNumbering & numbering);
    void describe_tensors(const Request & request);
    bool place_early(const Request & request, const int * node_buffer_ids, const int * leaf_buffer_ids);
    bool place_nodes(const Request & request, const int * node_buffer_ids);
    bool place(const Request & request, int number, int buffer_id);
    bool place_node(const Request & request, int node_index, const int * operands, int number, int buffer_id);
    bool take_over_operand(const Request & request, int node_index, const int * operands, int number, int buffer_id);
    void release_operands(const Request & request, int node_index, const int * operands);
    bool padded_size(const Request & request, int number, int buffer_id, size_t * size) const;

    std::vector<OffsetAllocator> allocators_; // by buffer; those of repeated buffer types stay unused
    std::vector<Life> lives_;                 // by number
};

} // namespace ggml_sched
