// Model - what each scheduler's state is, and what each call must therefore do. docs/memory-model.md part 3 is the
// contract.

#pragma once

#include <array>
#include <map>
#include <vector>

#include "ggml-backend.h"
#include "tensors.h"

namespace sequences {

enum class Verdict {
    Right,   // the call succeeds
    Refused, // the call says no
    Either,  // the contract leaves it open
    Skip,    // a program may not make this call here
};

const char * name_of(Verdict verdict);

// A scheduler as the model knows it
struct SchedState {
    enum class Phase { Empty, Split, Allocated };

    int number = 0; // of the scheduler among all that were made
    Phase phase = Phase::Empty;
    int slot = -1; // of the allocated graph, or the last one in flight
    int generation = 0;
    bool is_gone = false;  // the caller has freed the allocated graph, or a part of it
    bool is_vague = false; // the contract does not say whether the graph is still allocated
    bool in_flight = false;
    bool may_owe_error = false; // of an earlier run
    bool is_tracing = false;
    uint64_t epoch = 0;                          // changes when buffers may have been replaced
    std::map<const ggml_tensor *, int> assigned; // by the caller, since the last reset: a backend's index
    bool is_assigned_vague = false;              // the contract does not say whether these still hold
    CallbackSpec eval;
    CallbackSpec copy;
    CallbackSpec realloc;
};

class Model {
  public:
    explicit Model(const Setup & setup)
        : is_tight_(setup.is_tight) {}

    Tensors tensors;
    std::array<Graph, kSlots> graphs;
    std::vector<SchedState> scheds;
    std::vector<ggml_backend_t> backends;

    Verdict alloc(int sched, int slot) const;
    Verdict compute(int sched, int slot) const;
    Verdict measure(int sched, int slot) const; // reserve, reserve_size, split
    Verdict unalloc(int sched) const;
    // Right: the graph runs. Refused: it fails when it is executed, for bad row numbers. Either: these are not known.
    Verdict execution(int slot) const;

    bool is_allocated(int sched, int slot) const; // this graph of this slot, and it is certain

    // Notes what the calls have changed, by what they returned.
    void did_alloc(int sched, int slot, bool ok);
    void did_perhaps_alloc(int sched, int slot); // the call has failed, and the contract leaves open where
    void did_measure(int sched, int slot, bool is_split);
    void did_fail_run(int sched, int slot); // after places were given
    void did_reset(int sched);
    void did_unalloc(int sched);
    void did_renew(int sched);
    void did_null_graph(int sched); // a call was given NULL
    void free_graph(int slot);

    bool is_live(int root) const;         // a scheduler keeps the tensor's memory, or the caller does
    bool uses(int slot, int other) const; // graph `slot` has tensors of slot `other`

  private:
    bool lies_here(const Tensor & root, int sched) const {
        return root.home == Home::Scheduler && root.owner == scheds[static_cast<size_t>(sched)].number;
    }
    int sched_of(const Tensor & root) const; // -1 if it is gone
    bool dangles(const Tensor & root, int sched) const;
    Verdict inputs_verdict(int sched, const Graph & graph) const;
    Verdict results_verdict(int sched, const Graph & graph) const;
    Verdict places_verdict(int sched, const Graph & graph) const;
    Verdict backends_verdict(int sched, const Graph & graph) const;
    void lose_all(int sched);
    void end_assignments(int sched);
    void make_vague(int sched, const Graph & graph);
    void place(int sched, int root);

    bool is_tight_;
    int n_scheds_made_ = 0;
};

} // namespace sequences
