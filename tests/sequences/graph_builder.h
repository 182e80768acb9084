// GraphBuilder - makes a graph from its description, both as ggml's and as the model's.

#pragma once

#include <map>
#include <vector>

#include "ggml-backend.h"
#include "tensors.h"

namespace sequences {

constexpr size_t kMaxTensors = 96; // of a graph

class GraphBuilder {
  public:
    // `graphs` are those that the new graph may share tensors with.
    GraphBuilder(Tensors & tensors, const std::vector<Graph> & graphs, int slot, ggml_context * context);

    // The new graph. Inputs that the caller allocates have no memory yet: their places are in `places`.
    Graph build(const GraphSpec & spec, std::map<int, int> & places);

  private:
    int add(Tensor tensor, ggml_tensor * real, const char * name);
    void add_leaf(bool is_input, const char * name);
    void add_shares(const std::vector<ShareSpec> & shares);
    void share(const ShareSpec & share);
    void add_node(const NodeSpec & spec);
    int compute(Op op, std::vector<int> src, int extra);
    int write(Op op, std::vector<int> src, int extra, int root, size_t offset);
    int view(int of, size_t offset);
    int view_of_cache(int extra);
    int ids();

    int operand(int number) const;
    bool can_change_in_place(int id) const;
    bool visit(int id); // appends what `id` is computed from, and `id`; false if that is impossible
    void visit_or_drop(int id);
    void find_leafs();

    ggml_tensor * real(int id) const { return tensors_[id].real; }

    Tensors & tensors_;
    const std::vector<Graph> & graphs_;
    const int slot_;
    ggml_context * const context_;
    Graph graph_;
    std::vector<bool> is_visited_;
    std::vector<bool> is_result_; // of another graph, not to be computed
    std::map<int, int> version_;  // of roots: how often they have been written
    std::map<int, int> seen_;     // the version of a tensor's root when the tensor was visited
    std::map<int, int> latest_;   // of roots: the last tensor that wrote there
    int first_id_ = 0;
    int ids_ = -1; // the input that chooses rows, once a node needs it
};

} // namespace sequences
