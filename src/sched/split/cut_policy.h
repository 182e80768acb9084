// CutPolicy - answers the two questions that splitting asks about operands that need a copy: in what form each is
// copied, and whether a split must begin for them. These are ggml's answers; stream/cut_policy.h has those of
// streaming.
//
// A policy serves one call of split(). The caller owns it and what it refers to. One thread at a time may use it.

#pragma once

#include <vector>

#include "split/split.h"

namespace ggml_sched {

// True if the backend needs a copy of the tensor, as long as no node of the graph has written the tensor.
bool needs_copy(const GraphView & graph, const std::vector<host::Backend> & backends, const Assignment & assignment,
                TensorId id, BackendId backend);

// True if an asynchronous backend would read a caller's input in host memory, perhaps after the caller has it back.
bool is_read_late(const GraphView & graph, const std::vector<host::Backend> & backends, const Assignment & assignment,
                  TensorId id, BackendId backend);

// CutPolicy - ggml's answers, and the interface for others.
class CutPolicy {
  public:
    // The references must outlive the policy. If `offers`, a copy callback may write weights that are read in other
    // ways than as matrices or experts. A split then begins where one of these is read.
    CutPolicy(const GraphView & graph, const std::vector<host::Backend> & backends, const Assignment & assignment,
              bool offers);
    virtual ~CutPolicy() = default;
    CutPolicy(const CutPolicy &) = delete;
    CutPolicy & operator=(const CutPolicy &) = delete;

    // Returns the form in which an operand of the node is copied to the backend.
    virtual InputCopy form_of(const GraphNode & node, const Operand & operand, BackendId backend);

    // Wanted - a copy that the node needs on the backend of the current split.
    struct Wanted {
        InputCopy copy;
        bool is_here;       // the split has this copy, or an earlier one that is still good
        bool has_other_one; // the split has a streamed copy of the same tensor
    };
    // True if a split must begin at a node that could stay in the current one.
    virtual bool must_begin(const Split & current, const std::vector<Wanted> & wanted);

    // Tells the policy that the split gets this copy, and that the node is the first that reads it there.
    virtual void note(const Split & split, const GraphNode & node, const InputCopy & copy);

  protected:
    const GraphView & graph() const { return graph_; }
    const std::vector<host::Backend> & backends() const { return backends_; }
    const Assignment & assignment() const { return assignment_; }
    // True for a weight, and for a tensor that the copy callback may write.
    bool is_weight(TensorId id) const;
    // True for a weight in host memory.
    bool is_host_weight(TensorId id) const;
    // True for a weight in host memory, or a view of one, that the copy callback may write.
    bool may_be_written(TensorId id) const { return !is_table_.empty() && is_table_[graph_.root(id)]; }

  private:
    // Finds the weights that a copy callback may write: a copy of them is read in another way than as a matrix.
    void find_tables();

    const GraphView & graph_;
    const std::vector<host::Backend> & backends_;
    const Assignment & assignment_;
    std::vector<bool> is_table_; // by root: the callback may write it; empty if there is no callback
};

} // namespace ggml_sched
