// Bug - what a bug needs to show itself: devices, and a program that comes out right only if the hazard is covered.
//
// Each file here rebuilds the set-up of one bug that shipped, and asks three questions: is the result right for every
// adversary; is it wrong for one of them once the rule is off; and does the verifier refuse the plan then.

#pragma once

#include <functional>
#include <initializer_list>
#include <memory>
#include <string>
#include <vector>

#include "handle.h"
#include "support/rig.h"

namespace ggml_sched::test {

constexpr int64_t kSmall = 64;                      // elements; an input of this size is copied aside
constexpr int64_t kLarge = (int64_t{1} << 18) + 64; // more than 1 MiB of floats: too large for that

struct Outcome {
    std::string wrong; // the first result that is not as expected, or ""
    std::string error; // of the run that was refused or failed, or ""
    uint64_t launched_by_failed_run = 0;
};

// One graph on a rig, run as often as wanted. All elements of a tensor have the same value.
class Job {
  public:
    explicit Job(Rig & rig)
        : rig_(rig)
        , context_(make_context(256))
        , graph_(ggml_new_graph(context_.get())) {}
    ~Job() { ggml_backend_sched_synchronize(rig_.sched()); }
    Job(const Job &) = delete;
    Job & operator=(const Job &) = delete;

    ggml_context * ctx() const { return context_.get(); }
    ggml_tensor * input(const char * name, int64_t n = kSmall);
    // A tensor that outlives runs, in memory of this backend
    ggml_tensor * lasting(const char * name, ggml_backend_t backend, float value, int64_t n = kSmall);
    // The next node, on this backend. Nodes keep the order of these calls.
    ggml_tensor * node(const char * name, ggml_backend_t backend, ggml_tensor * tensor);
    ggml_tensor * output(const char * name, ggml_backend_t backend, ggml_tensor * tensor);

    void reserve(); // a reset, too: forgets where nodes were to run
    void allocate();
    void write(ggml_tensor * input, float value); // allocates if need be
    bool run();                                   // asynchronous; false when refused or failed
    // Writes each value to the input, runs, and has `expect` called for it. Ends where a run is refused or fails.
    enum class Between { Nothing, Synchronize };
    Outcome run_with(ggml_tensor * input, std::initializer_list<float> values, Between between,
                     const std::function<void(float value)> & expect);
    // Fetches a result as engines do: on the queue that holds it. It is looked at in finish().
    void expect(ggml_tensor * result, float value);
    void fail(const std::string & what) { outcome_.wrong += outcome_.wrong.empty() ? what : ""; }
    Outcome finish(); // waits

  private:
    struct Pending {
        std::string name;
        std::unique_ptr<std::vector<float>> got;
        float expected;
    };

    Rig & rig_;
    ContextPtr context_;
    std::vector<ContextPtr> lasting_contexts_;
    std::vector<BufferPtr> lasting_buffers_;
    ggml_cgraph * graph_;
    bool is_allocated_ = false;
    std::vector<Pending> pending_;
    Outcome outcome_;
};

struct Bug {
    std::string name;
    RigOptions options; // the seed is set by those who try it
    std::function<Outcome(Rig &)> play;
};

Bug on_devices(const std::string & name, std::initializer_list<ggml_sim_profile> devices,
               const std::function<Outcome(Rig &)> & play);
// One for each profile, on a single device of it
std::vector<Bug> on_one_device(const std::string & name, std::initializer_list<ggml_sim_profile> profiles,
                               const std::function<Outcome(Rig &)> & play);

using RuleSet = std::initializer_list<plan::Rule>;

// Right for the laziest adversary (seed 0) and many others
void expect_right(const std::vector<Bug> & bugs, RuleSet off = {});
// With the rules off and nobody verifying, at least one adversary makes it wrong.
void expect_wrong(const std::vector<Bug> & bugs, RuleSet off);
// With the rules off the verifier refuses a run, naming the kind of hazard, before anything of it is launched.
void expect_refused(const std::vector<Bug> & bugs, RuleSet off, const std::string & hazard);

void switch_off(const Rig & rig, RuleSet off);

} // namespace ggml_sched::test
