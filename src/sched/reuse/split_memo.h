// SplitMemo - the stages up to the split, and what they found: the graph's tensors with their numbers, a backend for
// each node, and the splits. The next graph is often the same one, built anew: then the results are kept.

#pragma once

#include <memory>
#include <vector>

#include "assign/assign.h"
#include "graph/comparison.h"
#include "host/status.h"
#include "plan/rules.h"
#include "reuse/graph_proof.h"
#include "reuse/key_field.h"
#include "reuse/memo.h"
#include "stream/cut_policy.h"

namespace ggml_sched {

class SplitMemo {
  public:
    struct Options {
        bool op_offload;
        bool parallel; // runs may overlap
    };

    // The first three must stay.
    SplitMemo(const std::vector<host::Backend> & backends, const plan::Rules & rules, const IgnoredFields & ignored,
              const Options & options)
        : backends_(backends)
        , rules_(rules)
        , ignored_(ignored)
        , options_(options) {}

    // The graph that is cut next, again and again if it has to be.
    void take(ggml_cgraph * graph) { graph_.take(graph); }
    // `limits`: none if nothing is streamed. `offers`: a copy callback may write weights; see CutPolicy.
    Status cut(const UserAssignments & user, const StreamLimits & limits, bool offers);
    // Returns the first difference between what the last cut() has kept and what is found afresh, or "". `graph` is
    // the one that was taken last, and nothing has changed it since. Slow.
    std::string find_stale(const ggml_cgraph * graph, const UserAssignments & user, const StreamLimits & limits,
                           bool offers);

    // The caller may free the graph. What was found stays.
    void release_graph() noexcept { graph_.clear(); }
    // Makes the next graph be assigned and cut anew. It may follow a cut() that was left by an exception.
    void forget() noexcept;

    const GraphComparison & comparison() const { return graph_; }
    const GraphView & view() const { return graph_; }
    GraphView & view() { return graph_; } // for who puts its nodes in another order
    const Assignment & assignment() const { return assignment_; }
    // Equal splits of one assignment, if they are among the last four, are the same object.
    const std::shared_ptr<const Splits> & splits() const { return cut_->splits; }
    const StreamedInputs & streamed() const { return cut_->streamed; }
    const StreamedSizes & streamed_sizes() const { return cut_->sizes; }
    BackendId backend_of(const ggml_tensor * tensor) const;

  private:
    // One way to split the graphs of an assignment
    struct Cut {
        std::shared_ptr<const Splits> splits = std::make_shared<const Splits>();
        StreamedInputs streamed;
        StreamedSizes sizes;
    };

    bool is_assigned_alike(const PlacedByUser & by_user, const StreamLimits & limits, bool offers) const;
    const std::shared_ptr<Cut> * find_cut();
    bool is_cut_alike(Cut & cut) const;
    Cut make_cut(const Assignment & assignment, const StreamLimits & limits, bool offers) const;
    void keep(Cut made);
    void forget_cuts() noexcept;
    AssignOptions assign_options() const { return {options_.op_offload, rules_.is_on(plan::Rule::WritesInPlace)}; }

    const std::vector<host::Backend> & backends_;
    const plan::Rules & rules_;
    const IgnoredFields & ignored_;
    const Options options_;
    GraphProof graph_proof_;
    GraphComparison graph_;
    bool is_assigned_ = false; // and cut, what these lead to:
    GraphVersion version_;
    PlacedByUser by_user_;
    StreamLimits limits_;
    bool offers_ = false;
    uint64_t answered_ = 0; // number of the last graph for which the backends' answers are known to hold
    Assignment assignment_;
    Memo<uint64_t, std::shared_ptr<Cut>> cuts_{4};       // of the assignment, by layout
    std::shared_ptr<Cut> cut_ = std::make_shared<Cut>(); // of the graph that was cut last
};

} // namespace ggml_sched
