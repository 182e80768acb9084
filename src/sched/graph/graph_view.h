// GraphView - a graph's tensors by number: the nodes in order, what each is computed from, and what each view views.
// It is read-only and knows nothing about backends.

#pragma once

#include <utility>
#include <vector>

#include "graph/tensor_content.h"
#include "graph/tensor_ids.h"
#include "host/by_buffer.h"

namespace ggml_sched {

struct Operand {
    TensorId tensor;
    uint8_t slot; // index into ggml_tensor::src
};

// What the stages ask of each tensor, in one byte
enum TensorFact : uint8_t {
    kIsInput = GGML_TENSOR_FLAG_INPUT,
    kIsOutput = GGML_TENSOR_FLAG_OUTPUT,
    kIsNode = 4,
    kIsComputed = 8,   // has an operation
    kNeedsMemory = 16, // no view, and has neither a buffer nor an address
    kIsPlaced = 32,    // its bytes, or those that it views, are in a buffer
    kIsWeights = 64,   // is in a buffer of weights itself
};
static_assert(GGML_TENSOR_FLAG_INPUT == 1 && GGML_TENSOR_FLAG_OUTPUT == 2, "the others are behind these");

// Operands - the operands of one node, or of all nodes
struct Operands {
    const Operand * first;
    const Operand * last;

    const Operand * begin() const { return first; }
    const Operand * end() const { return last; }
    size_t size() const { return static_cast<size_t>(last - first); }
    const Operand & operator[](size_t i) const { return first[i]; }
};

struct GraphNode {
    TensorId tensor;
    bool is_view; // moves no bytes
    uint16_t op;  // ggml_op
    uint32_t first_operand;
    uint32_t n_operands;
};

// Most tensors have two operands at most; of those the other slots need not be looked at one by one.
inline int n_slots_of(const ggml_tensor & tensor) {
    constexpr int kFew = 2;
    uintptr_t others = 0;
    for (int slot = kFew; slot < GGML_MAX_SRC; slot++) {
        others |= reinterpret_cast<uintptr_t>(tensor.src[slot]);
    }
    return others ? GGML_MAX_SRC : kFew;
}

class GraphView {
  public:
    // Numbers the leafs, the nodes and all their operands. Keeps its memory from graph to graph.
    void build(const ggml_cgraph * graph);

    // Forgets the tensors, which may cease to exist. What was known of them stays.
    void clear() noexcept { ids_.clear(); }

    // The nodes may have been put into another order meanwhile. False if not.
    bool reorder(const ggml_cgraph * graph);

    const TensorIds & ids() const { return ids_; }
    size_t n_tensors() const { return ids_.size(); }
    ggml_tensor * tensor(TensorId id) const { return ids_[id]; }
    const TensorContent & content(TensorId id) const { return contents_[id]; } // when the view was built
    size_t bytes(TensorId id) const { return bytes_[id]; }                     // ggml_nbytes
    uint8_t facts(TensorId id) const { return facts_[id]; }                    // of TensorFact
    TensorId root(TensorId id) const { return roots_[id]; }                    // what it views, or itself
    // The same by tensor, for loops: a compiler would load these anew after each byte that is written anywhere.
    const uint8_t * facts() const { return facts_.data(); }
    const TensorId * roots() const { return roots_.data(); }
    bool views_another(TensorId id) const { return roots_[id] != id; }

    // Lists what no node computes: the graph's own leafs, then operands that are neither there nor nodes.
    const std::vector<TensorId> & leafs() const { return leafs_; }
    // Lists what the caller writes: tensors and views that are flagged INPUT, and that nothing computes. The root of
    // such a view counts as an input, too (kIsInput).
    const std::vector<TensorId> & inputs() const { return inputs_; }
    const std::vector<TensorId> & views() const { return views_; } // of another tensor
    // True if a tensor of the graph lies in a compute buffer of some scheduler: an earlier allocation has placed it.
    bool has_owned_buffers() const;
    // Returns the scheduler whose compute buffer holds the bytes of the tensor; NULL if it is none.
    const void * owner(TensorId id) const;
    const std::vector<GraphNode> & nodes() const { return nodes_; }
    Operands operands() const { return {operands_.data(), operands_.data() + n_operands_}; } // of all nodes
    Operands operands_of(const GraphNode & node) const {
        const Operand * first = operands_.data() + node.first_operand;
        return {first, first + node.n_operands};
    }

  protected: // GraphComparison takes the numbers of one graph for the next.
    bool has_same_buffers() const;
    void restore_order();
    TensorId add(ggml_tensor * tensor) {
        const size_t next = ids_.size();
        const TensorId id = ids_.number(tensor);
        if (id == next) {
            if (id == room_) {
                make_room(2 * room_ + 1); // there are tensors that are neither leafs nor nodes
            }
            describe(id, tensor);
            if (tensor->view_src) {
                add_view(id, tensor->view_src);
            }
        }
        return id;
    }
    void describe(TensorId id, const ggml_tensor * tensor);
    void describe_more(TensorId id, const ggml_tensor * tensor);
    void add_view(TensorId id, ggml_tensor * of);
    void add_nodes(const host::Nodes & nodes);
    void add_unlisted_leafs();
    bool is_computed_here(TensorId id) const;
    void make_room(size_t n_tensors);

    TensorIds ids_;
    // By tensor; there is room for more
    size_t room_ = 0;
    std::vector<TensorContent> contents_;
    std::vector<size_t> bytes_;
    std::vector<uint8_t> facts_;
    std::vector<TensorId> roots_;
    std::vector<TensorId> leafs_;
    size_t n_listed_leafs_ = 0; // the first of them: in the graph's own list
    std::vector<TensorId> inputs_;
    std::vector<TensorId> views_;
    std::vector<GraphNode> nodes_;
    std::vector<GraphNode> unordered_nodes_; // before they were put into another order; empty if they were not
    std::vector<Operand> operands_;          // the first n_operands_: of all nodes, each node's together
    uint32_t n_operands_ = 0;
    // An address is not enough to know a buffer again: another may have been made where it was.
    host::ByBuffer<host::BufferFacts> buffers_;
};

} // namespace ggml_sched
