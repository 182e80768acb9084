// GraphView - a graph's tensors by number: the nodes in order, the operands of each node, and the root of each view.
// It changes no tensor and knows nothing about backends.
//
// A TensorId numbers a tensor. A GraphNode is a tensor that the graph lists as a node; an Operand is one of its
// sources. The root of a view is its view_src; any other tensor is its own root. The view does not own the tensors,
// which must exist until clear(). One thread at a time may use it.

#pragma once

#include <utility>
#include <vector>

#include "graph/tensor_content.h"
#include "graph/tensor_ids.h"
#include "host/by_buffer.h"
#include "host/graph_handle.h"

namespace ggml_sched {

// Operand - a tensor that a node reads.
struct Operand {
    TensorId tensor;
    uint8_t slot; // index into ggml_tensor::src
};

// TensorFact - what the stages ask about each tensor, as bits of one byte.
enum TensorFact : uint8_t {
    kIsInput = GGML_TENSOR_FLAG_INPUT,
    kIsOutput = GGML_TENSOR_FLAG_OUTPUT,
    kIsNode = 4,       // the graph lists it as a node
    kIsComputed = 8,   // has an operation other than NONE
    kNeedsMemory = 16, // is no view, and has neither a buffer nor an address
    kIsPlaced = 32,    // its bytes, or those of its root, are in a buffer
    kIsWeights = 64,   // has a buffer itself, and that holds weights
};
static_assert(GGML_TENSOR_FLAG_INPUT == 1 && GGML_TENSOR_FLAG_OUTPUT == 2, "the others are behind these");

// Operands - the operands of one node, or of all nodes, as a range.
struct Operands {
    const Operand * first;
    const Operand * last;

    const Operand * begin() const { return first; }
    const Operand * end() const { return last; }
    size_t size() const { return static_cast<size_t>(last - first); }
    const Operand & operator[](size_t i) const { return first[i]; }
};

// GraphNode - a node, with the range of its operands.
struct GraphNode {
    TensorId tensor;
    bool is_view;           // computes nothing (see host::is_view_op)
    uint16_t op;            // ggml_op
    uint32_t first_operand; // index into GraphView::operands()
    uint32_t n_operands;
};

// Returns how many slots of ggml_tensor::src can have an operand: two for most tensors, else all.
inline int n_slots_of(const ggml_tensor & tensor) {
    constexpr int kFew = 2;
    uintptr_t others = 0;
    for (int slot = kFew; slot < GGML_MAX_SRC; slot++) {
        others |= reinterpret_cast<uintptr_t>(tensor.src[slot]);
    }
    return others ? GGML_MAX_SRC : kFew;
}

// Returns the operand in this slot; NULL if there is none. A result in its own slot is none: ggml_cast() puts it there
// to say where the bytes go, and nothing reads it.
inline ggml_tensor * operand_at(const ggml_tensor & tensor, int slot) {
    ggml_tensor * const operand = tensor.src[slot];
    return operand == &tensor ? nullptr : operand;
}

// GraphView - the tensors of one graph, by number.
class GraphView {
  public:
    // Numbers the leafs, the nodes and all their operands. Keeps its memory from graph to graph.
    void build(const ggml_cgraph * graph);

    // Forgets the tensors, so that they may cease to exist. Keeps the facts about them for a comparison.
    void clear() noexcept { ids_.clear(); }

    // Takes over the order in which the graph lists its nodes now. Returns false if it has not changed.
    bool reorder(const ggml_cgraph * graph);

    const TensorIds & ids() const { return ids_; }
    size_t n_tensors() const { return ids_.size(); }
    ggml_tensor * tensor(TensorId id) const { return ids_[id]; }
    const TensorContent & content(TensorId id) const { return contents_[id]; } // as it was when the view was built
    size_t bytes(TensorId id) const { return bytes_[id]; }                     // ggml_nbytes
    uint8_t facts(TensorId id) const { return facts_[id]; }                    // bits of TensorFact
    TensorId root(TensorId id) const { return roots_[id]; }                    // its view_src, or itself
    // Both return the array by tensor, for loops. Through facts(id) a compiler loads the pointer anew after each write.
    const uint8_t * facts() const { return facts_.data(); }
    const TensorId * roots() const { return roots_.data(); }
    bool views_another(TensorId id) const { return roots_[id] != id; }

    // Lists what no node computes: the graph's own leafs, then operands that are neither there nor nodes.
    const std::vector<TensorId> & leafs() const { return leafs_; }
    // Lists what the caller writes: tensors and views that are flagged INPUT and that no node computes. The root of
    // such a view has kIsInput, too.
    const std::vector<TensorId> & inputs() const { return inputs_; }
    const std::vector<TensorId> & views() const { return views_; } // tensors that have a view_src
    // True if all buffers of the graph still are what they were when the view was built.
    bool has_same_buffers() const;
    // True if a tensor of the graph lies in a compute buffer of some scheduler: an earlier allocation has placed it.
    bool has_owned_buffers() const;
    // Returns the scheduler whose compute buffer holds the bytes of the tensor; NULL if it is none.
    const void * owner(TensorId id) const;
    // Lists the nodes in the order of their computation.
    const std::vector<GraphNode> & nodes() const { return nodes_; }
    Operands operands() const { return {operands_.data(), operands_.data() + n_operands_}; } // all nodes' operands
    // Returns the operands of one node.
    Operands operands_of(const GraphNode & node) const {
        const Operand * first = operands_.data() + node.first_operand;
        return {first, first + node.n_operands};
    }

  protected: // GraphComparison keeps the numbers of one graph for the next.
    // Puts the nodes back into the order that they had before reorder().
    void restore_order();
    // Returns the number of the tensor. Describes it, and its root, if it is new.
    TensorId add(ggml_tensor * tensor) {
        const size_t next = ids_.size();
        const TensorId id = ids_.number(tensor);
        if (id == next) {
            if (id == room_) {
                make_room(2 * room_ + 1); // the graph reads tensors that it does not list
            }
            describe(id, tensor);
            if (tensor->view_src) {
                add_view(id, tensor->view_src);
            }
        }
        return id;
    }
    // Notes the content and the facts of a new tensor.
    void describe(TensorId id, const ggml_tensor * tensor);
    // Notes what only tensors with gaps, with a buffer or with the flag INPUT have.
    void describe_more(TensorId id, const ggml_tensor * tensor);
    // Notes that `of` is the root of the view.
    void add_view(TensorId id, ggml_tensor * of);
    // Numbers the nodes and their operands.
    void add_nodes(const host::Nodes & nodes);
    // Adds the tensors that nodes read and that the graph does not list.
    void add_unlisted_leafs();
    // True if a node computes the bytes of this input.
    bool is_computed_here(TensorId id) const;
    // Makes room for so many tensors.
    void make_room(size_t n_tensors);

    TensorIds ids_;
    size_t room_ = 0;                     // the size of the next four
    std::vector<TensorContent> contents_; // by tensor
    std::vector<size_t> bytes_;           // by tensor
    std::vector<uint8_t> facts_;          // by tensor
    std::vector<TensorId> roots_;         // by tensor
    std::vector<TensorId> leafs_;
    size_t n_listed_leafs_ = 0; // how many of leafs_ are in the graph's own list; these come first
    std::vector<TensorId> inputs_;
    std::vector<TensorId> views_;
    std::vector<GraphNode> nodes_;
    std::vector<GraphNode> unordered_nodes_; // their order before reorder(); empty if it has not changed
    std::vector<Operand> operands_;          // the first n_operands_ are in use; those of one node are neighbours
    uint32_t n_operands_ = 0;
    // The facts tell whether a handle still means the same buffer: a new one may lie where a freed one was.
    host::ByBuffer<host::BufferFacts> buffers_;
};

} // namespace ggml_sched
