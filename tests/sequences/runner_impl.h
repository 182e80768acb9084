// Runner - makes the calls of one sequence, and compares what they return and compute with the model. Its runs are in
// runner_computes.cpp.

#pragma once

#include <string>
#include <vector>

#include "callbacks.h"
#include "runner.h"

namespace sequences {

class Runner {
  public:
    Runner(const Sequence & sequence, bool verify, const Checks & checks, Counts & counts)
        : sequence_(sequence)
        , checks_(checks)
        , counts_(counts)
        , world_(sequence.setup, verify)
        , callbacks_(world_) {}

    // "" or what is wrong
    std::string run(std::vector<int> & returned);

  private:
    int sched_of(const Call & call) const {
        return static_cast<int>(static_cast<size_t>(call.sched) % world_.model.scheds.size());
    }
    static int slot_of(const Call & call) { return call.slot % kSlots; }
    SchedState & state(int s) { return world_.model.scheds[static_cast<size_t>(s)]; }
    Graph & graph(int slot) { return world_.model.graphs[static_cast<size_t>(slot)]; }

    int make(const Call & call); // returns what the call returned
    int set(const Call & call);
    int build(const Call & call);
    int write_inputs(const Call & call);
    int write_cache(const Call & call);
    int alloc(int s, int slot);
    int measure(const Call & call);
    int compute(const Call & call);
    ggml_status call_compute(const Call & call, Verdict execution);
    void judge_run(int s, int slot, Verdict verdict, ggml_status status, const Model & before);
    void judge_status(int s, const Call & call, Verdict verdict, Verdict execution, ggml_status status);
    void forget_unflagged(int slot);
    void run_ended(int s, const Call & call, ggml_status status);
    int unalloc(int s);
    int set_tensor_backend(const Call & call);
    int trace(const Call & call);
    int renew(const Call & call);
    int call_with_bad_arguments(const Call & call);
    int give_null_graph(int s, int which);

    void synchronize(int s);
    void synchronize_others(int s); // two schedulers know nothing of each other
    void compare_results(int s);
    void judge(Verdict verdict, bool ok, int s, const char * what);
    void check_error(bool ok, int s, const char * what);
    void fail(const std::string & wrong) { wrong_ = wrong_.empty() ? wrong : wrong_; }

    const Sequence & sequence_;
    const Checks & checks_;
    Counts & counts_;
    World world_;
    Callbacks callbacks_;
    std::string wrong_;
};

constexpr int kLeftOut = -1000;        // a call that a program may not make
constexpr int kToldNowOrLater = -1001; // a device fails while the host goes on: the next call may be told of it

} // namespace sequences
