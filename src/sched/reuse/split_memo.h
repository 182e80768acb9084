// SplitMemo - the stages up to the split, and their results: the numbers of the tensors, a backend for each node, and
// the splits. The next graph is often the same one, built anew. The results are then kept.
//
// A SplitMemo owns these results, and the splits together with its callers. One thread at a time uses it.

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
        bool parallel; // true if runs may overlap
    };

    // `backends`, `rules` and `ignored` must stay.
    SplitMemo(const std::vector<host::Backend> & backends, const plan::Rules & rules, const IgnoredFields & ignored,
              const Options & options)
        : backends_(backends)
        , rules_(rules)
        , ignored_(ignored)
        , options_(options) {}

    // Looks at the graph that is cut next. It can be cut several times.
    void take(ggml_cgraph * graph) { graph_.take(graph); }
    // Assigns and splits the graph, or finds out that kept results hold. `limits` is empty if nothing is streamed.
    // `offers` is true if a copy callback may write weights; see CutPolicy.
    Status cut(const UserAssignments & user, const StreamLimits & limits, bool offers);
    // Returns the first difference between the results of the last cut() and what is found afresh; "" if there is none.
    // `graph` was taken last, and nothing has changed it since. It is slow.
    std::string find_stale(const ggml_cgraph * graph, const UserAssignments & user, const StreamLimits & limits,
                           bool offers);

    // Lets the caller free the graph. The results stay.
    void release_graph() noexcept { graph_.clear(); }
    // Lets the next graph be assigned and cut anew. The caller calls it, too, when an exception has left cut().
    void forget() noexcept;

    const GraphComparison & comparison() const { return graph_; }
    const GraphView & view() const { return graph_; }
    GraphView & view() { return graph_; } // SplitGraphs uses it, since backends may order the nodes
    const Assignment & assignment() const { return assignment_; }
    // Returns the splits. Equal splits of one assignment are the same object if they are among the last four.
    const std::shared_ptr<const Splits> & splits() const { return cut_->splits; }
    const StreamedInputs & streamed() const { return cut_->streamed; }
    const StreamedSizes & streamed_sizes() const { return cut_->sizes; }
    // Returns the backend of a tensor of the graph; kNoBackend if it is none.
    BackendId backend_of(const ggml_tensor * tensor) const;

  private:
    // Cut - one way to split the graphs of an assignment
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
    bool is_assigned_ = false; // true if assignment_ and cuts_ hold for the next five fields
    GraphVersion version_;
    PlacedByUser by_user_;
    StreamLimits limits_;
    bool offers_ = false;
    uint64_t answered_ = 0; // number of the last graph for which the answers of the backends are known to hold
    Assignment assignment_;
    Memo<uint64_t, std::shared_ptr<Cut>> cuts_{4};       // ways to split the assignment, by GraphVersion::layout
    std::shared_ptr<Cut> cut_ = std::make_shared<Cut>(); // result of the last cut()
};

} // namespace ggml_sched
