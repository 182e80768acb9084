// Cutter - the stages up to the split, and what they found: the graph's tensors with their numbers, a backend for each
// node, and the splits. The next graph is often the same one, built anew: then the results are kept.

#pragma once

#include <cstdint>
#include <vector>

#include "assign/assign.h"
#include "host/status.h"
#include "plan/rules.h"
#include "reuse/graph_proof.h"
#include "reuse/key_field.h"
#include "split/split.h"

namespace ggml_sched {

class Cutter {
  public:
    struct Options {
        bool op_offload;
        bool rotates; // runs may overlap
    };

    // The first three must stay.
    Cutter(const std::vector<host::Backend> & backends, const plan::Rules & rules, const IgnoredFields & ignored,
           const Options & options)
        : backends_(backends)
        , rules_(rules)
        , ignored_(ignored)
        , options_(options) {}

    // The graph that is cut next, again and again if it has to be.
    void take(ggml_cgraph * graph) { view_.build(graph); }
    // `offers`: a copy callback may write weights; see split().
    Status cut(const UserAssignments & user, const StreamLimits & limits, bool offers);
    // Returns the first difference between what the last cut() has kept and what is found afresh, or "". `graph` is
    // the one that was taken last, and nothing has changed it since. Slow.
    std::string find_stale(const ggml_cgraph * graph, const UserAssignments & user, const StreamLimits & limits,
                           bool offers);

    // The caller may free the graph. What was found stays.
    void let_go() { view_.clear(); }
    // Makes the next graph be assigned and cut anew. It may follow a cut() that was left by an exception.
    void forget() noexcept;

    const GraphView & view() const { return view_; }
    GraphView & view() { return view_; } // for who puts its nodes in another order
    const Assignment & assignment() const { return assignment_; }
    const Splits & splits() const { return splits_; }
    // That of the splits and of what led to them. Those of an earlier graph get theirs again, unless it is long ago.
    uint64_t number() const { return number_; }
    uint64_t streamed_number() const { return streamed_number_; } // changes with the sizes of what is streamed, too
    BackendId backend_of(const ggml_tensor * tensor) const;

  private:
    struct Numbered {
        Splits splits;
        uint64_t number;
    };

    bool is_assigned_alike(const PlacedByUser & by_user, const StreamLimits & limits, bool offers);
    bool is_streamed_alike(StreamedLayout & now) const;
    bool is_cut_alike(const StreamedLayout & now) const;
    void number(const Splits & splits);
    AssignOptions assign_options() const { return {options_.op_offload, rules_.is_on(plan::Rule::WritesInPlace)}; }

    const std::vector<host::Backend> & backends_;
    const plan::Rules & rules_;
    const IgnoredFields & ignored_;
    const Options options_;
    GraphProof graph_proof_;
    GraphView view_;
    Assignment assignment_;
    Splits splits_;
    bool is_cut_ = false;  // a graph
    GraphVersion version_; // of this version
    PlacedByUser by_user_; // of which the user asked for this
    StreamLimits limits_;  // when this could be streamed
    bool offers_ = false;  // the splits were made for a copy callback
    StreamedLayout streamed_;
    uint64_t number_ = 0;
    uint64_t last_number_ = 0;      // that was given
    std::vector<Numbered> earlier_; // of the same assignment
    uint64_t streamed_number_ = 0;
};

} // namespace ggml_sched
