// Whatever fails once - an allocation, a call into a device - is told or changes nothing, and the scheduler goes on.
//
// Each scene is run with a new scheduler, in which the n-th call of one kind fails, for n = 1, 2, ... until no call is
// left. Then the scheduler runs the same graph and another one, without a fault.

#include <gtest/gtest.h>

#include <algorithm>
#include <cinttypes>
#include <cstdio>
#include <cstdlib>
#include <optional>

#include "support/host_faults.h"
#include "support/trial.h"

#ifdef GGML_SCHED_TEST_ASAN
#include <sanitizer/lsan_interface.h>
#endif

namespace ggml_sched::test {
namespace {

constexpr uint64_t kSeed = 1; // says which allocations fail where there are many
#ifdef GGML_SCHED_TEST_THIN
constexpr uint64_t kMostOfAKind = 12;
#else
constexpr uint64_t kMostOfAKind = UINT32_MAX; // all
#endif

struct Fault {
    enum class Where { Host, Device };
    Where where = Where::Host;
    int device = 0;                            // of Device
    ggml_sim_call call = GGML_SIM_CALL_LAUNCH; // of Device
    HostCall host_call = HostCall::Allocate;   // of Host
    uint64_t n = 0;

    std::string text() const {
        const std::string what = where == Where::Device
                                     ? std::string(ggml_sim_call_name(call)) + " of device " + std::to_string(device)
                                 : host_call == HostCall::Allocate ? std::string("allocation")
                                                                   : std::string("start of a thread");
        return what + " number " + std::to_string(n);
    }
};

uint64_t n_injected() {
    ggml_sim_counters counters;
    ggml_backend_sim_get_counters(&counters);
    return counters.injected_failures;
}

// A fault, armed while this exists
class Injection {
  public:
    explicit Injection(const Fault & fault)
        : fault_(fault)
        , before_(n_injected()) {
        if (fault.where == Fault::Where::Host) {
            host_.emplace(fault.host_call, fault.n);
        } else {
            EXPECT_TRUE(ggml_backend_sim_fail(fault.device, fault.call, static_cast<int>(fault.n)));
        }
    }
    ~Injection() {
        if (!host_) {
            ggml_backend_sim_fail(fault_.device, fault_.call, 0);
        }
    }
    Injection(const Injection &) = delete;
    Injection & operator=(const Injection &) = delete;

    bool has_fired() const { return host_ ? host_->has_fired() : n_injected() > before_; }
    uint64_t n_host_calls() const { return host_->n_calls(); }

  private:
    const Fault fault_;
    const uint64_t before_;
    std::optional<HostFault> host_;
};

// Keeps what the library logs, without the faults hitting that.
class QuietLog {
  public:
    QuietLog() {
        ggml_log_get(&previous_, &previous_data_);
        ggml_log_set(append, this);
    }
    ~QuietLog() { ggml_log_set(previous_, previous_data_); }
    QuietLog(const QuietLog &) = delete;
    QuietLog & operator=(const QuietLog &) = delete;
    const std::string & text() const { return text_; }
    void clear() { text_.clear(); }

  private:
    static void append(ggml_log_level, const char * text, void * self) {
        const HostFaultPause pause;
        static_cast<QuietLog *>(self)->text_ += text;
    }

    std::string text_;
    ggml_log_callback previous_;
    void * previous_data_;
};

class AfterAFault : public testing::TestWithParam<Scene> {
  protected:
    AfterAFault()
        : scene_(GetParam())
        , wanted_{results_of(scene_, 0), results_of(scene_, 1)} {}

    // Lets the n-th call fail, for all n or some of them.
    void try_all(Fault fault);
    // False if there are fewer such calls.
    bool try_once(const Fault & fault);
    Outcome first_run(Trial & trial, const Fault & fault);
    void check_later_runs(Trial & trial, uint64_t n);
    uint64_t count_allocations();

    const Scene & scene_;
    const Results wanted_[2];
    QuietLog log_;
};

Outcome AfterAFault::first_run(Trial & trial, const Fault & fault) {
    const auto compute = fault.n % 3 == 0 ? Trial::Compute::ThenSynchronize : Trial::Compute::Blocking;
    Outcome outcome = trial.run(0, Trial::Again::Keep, compute);
    if (outcome.ok && !trial.ends_trace()) {
        const HostFaultPause pause;
        return {false, true, ggml_sched_get_error(trial.sched())};
    }
    return outcome;
}

bool AfterAFault::try_once(const Fault & fault) {
    log_.clear();
    if (std::getenv("GGML_SCHED_FAULTS_VERBOSE")) { // for who looks for a crash
        (void) std::fprintf(stderr, "%s: %s\n", scene_.name.c_str(), fault.text().c_str());
    }
    Trial trial(scene_);
    trial.describe();
    Outcome first;
    bool has_fired = false;
    {
        const Injection injection(fault);
        first = first_run(trial, fault);
        has_fired = injection.has_fired();
    }
    if (first.ok) {
        EXPECT_TRUE(trial.read(0) == wanted_[0]) << "the run has succeeded, and its results are wrong";
    } else {
        EXPECT_TRUE(has_fired) << "without a fault: " << first.text;
        EXPECT_NE(first.text, "") << "the call that failed has left no text";
    }
    check_later_runs(trial, fault.n);
    return has_fired;
}

// The graph that failed, as it is or described anew; another one; and both again.
void AfterAFault::check_later_runs(Trial & trial, uint64_t n) {
    struct Step {
        size_t graph;
        Trial::Again again;
    };
    const bool resets = n % 2 == 0;
    if (resets) {
        trial.forget(0);
    }
    const Step steps[] = {{0, resets ? Trial::Again::Reset : Trial::Again::Keep},
                          {1, Trial::Again::Reset},
                          {1, Trial::Again::Keep},
                          {0, Trial::Again::Keep}};
    for (const Step & step : steps) {
        const Outcome outcome = trial.run(step.graph, step.again, Trial::Compute::Blocking);
        ASSERT_TRUE(outcome.ok) << "a later run of graph " << step.graph << " fails: " << outcome.text;
        ASSERT_TRUE(trial.read(step.graph) == wanted_[step.graph])
            << "a later run of graph " << step.graph << " is wrong";
    }
}

uint64_t AfterAFault::count_allocations() {
    Trial trial(scene_);
    trial.describe();
    const Injection injection({});
    EXPECT_TRUE(first_run(trial, {}).ok);
    return injection.n_host_calls();
}

void AfterAFault::try_all(Fault fault) {
    uint64_t stride = 1;
    fault.n = 1;
    if (fault.where == Fault::Where::Host && fault.host_call == HostCall::Allocate) {
        const uint64_t n = count_allocations();
        stride = std::max<uint64_t>(1, (n + kMostOfAKind - 1) / kMostOfAKind) | 1; // odd: n says what comes after
        fault.n += kSeed % stride;
        std::printf("%" PRIu64 " allocations; tried are number %" PRIu64 " and each %" PRIu64
                    "th after it (seed %" PRIu64 ")\n",
                    n, fault.n, stride, kSeed);
    }
    while (true) {
        SCOPED_TRACE(fault.text() + " fails");
        const bool has_fired = try_once(fault);
        if (!has_fired) {
            return;
        }
        if (HasFailure()) {
            ADD_FAILURE() << "what was logged:\n" << log_.text();
            return;
        }
        fault.n += stride;
    }
}

TEST_P(AfterAFault, OfAnAllocationTheNextRunsAreRight) {
    try_all({});
}

TEST_P(AfterAFault, OfAThreadTheNextRunsAreRight) {
    Fault fault;
    fault.host_call = HostCall::StartThread;
    try_all(fault);
}

TEST_P(AfterAFault, OfADeviceTheNextRunsAreRight) {
    for (size_t device = 0; device < scene_.job.devices.size(); device++) {
        for (int call = 0; call < GGML_SIM_CALL_COUNT; call++) {
            Fault fault;
            fault.where = Fault::Where::Device;
            fault.device = static_cast<int>(device);
            fault.call = static_cast<ggml_sim_call>(call);
            try_all(fault);
            if (HasFailure()) {
                return;
            }
        }
    }
}

#ifdef GGML_SCHED_TEST_ASAN
// After each scene, so that it is known which one leaks
class LeakCheck final : public testing::EmptyTestEventListener {
    void OnTestEnd(const testing::TestInfo & info) override {
        EXPECT_EQ(__lsan_do_recoverable_leak_check(), 0) << info.name() << " has left memory behind";
    }
};
const bool leaks_are_checked = [] {
    testing::UnitTest::GetInstance()->listeners().Append(new LeakCheck);
    return true;
}();
#endif

INSTANTIATE_TEST_SUITE_P(Scenes, AfterAFault, testing::ValuesIn(all_scenes()),
                         [](const auto & info) { return info.param.name; });

} // namespace
} // namespace ggml_sched::test
