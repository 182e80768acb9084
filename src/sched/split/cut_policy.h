// CutPolicy - the two questions that splitting asks about the operands of a node that need a copy: in what form is it
// copied, and must a split begin for it. These are ggml's answers; stream/cut_policy.h has those of streaming.

#pragma once

#include <vector>

#include "split/split.h"

namespace ggml_sched {

// Returns true if a copy of the tensor would be needed on the backend, and nothing of the graph has written it yet.
bool needs_copy(const GraphView & graph, const std::vector<host::Backend> & backends, const Assignment & assignment,
                TensorId id, BackendId backend);

// Returns true if the backend, a device, would read an input of the caller in place, after the caller has it back.
bool is_read_late(const GraphView & graph, const std::vector<host::Backend> & backends, const Assignment & assignment,
                  TensorId id, BackendId backend);

class CutPolicy {
  public:
    // All but `offers` must stay; see split(). If `offers`, a copy callback may write weights that are read other than
    // as matrices or experts: a split begins where one of these is read.
    CutPolicy(const GraphView & graph, const std::vector<host::Backend> & backends, const Assignment & assignment,
              bool offers);
    virtual ~CutPolicy() = default;
    CutPolicy(const CutPolicy &) = delete;
    CutPolicy & operator=(const CutPolicy &) = delete;

    // In what form is an operand of the node copied to the backend?
    virtual InputCopy form_of(const GraphNode & node, const Operand & operand, BackendId backend);

    // A copy that the node needs on the backend of the current split
    struct Wanted {
        InputCopy copy;
        bool is_here;       // the split has this copy, or an earlier one that is still good
        bool has_other_one; // the split has a streamed copy of the same tensor
    };
    // Must a split begin at the node, which could stay in the current one?
    virtual bool must_begin(const Split & current, const std::vector<Wanted> & wanted);

    // Tells of a copy that a split gets: the node is the first that reads it there. A new split has another `begin`.
    virtual void note(const Split & split, const GraphNode & node, const InputCopy & copy);

  protected:
    const GraphView & graph() const { return graph_; }
    const std::vector<host::Backend> & backends() const { return backends_; }
    const Assignment & assignment() const { return assignment_; }
    bool is_weight(TensorId id) const;
    bool is_host_weight(TensorId id) const;
    // True for a weight in host memory, or a view of one, that the copy callback may write.
    bool may_be_written(TensorId id) const { return !is_table_.empty() && is_table_[graph_.root(id)]; }

  private:
    void find_tables();

    const GraphView & graph_;
    const std::vector<host::Backend> & backends_;
    const Assignment & assignment_;
    std::vector<bool> is_table_; // by tensor that is no view; empty if no callback writes any
};

} // namespace ggml_sched
