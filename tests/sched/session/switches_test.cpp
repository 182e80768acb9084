// Switches are set by the environment and by functions. Structs of older and newer callers are understood. The error
// text is that of the last call that can fail.

#include <gtest/gtest.h>

#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <functional>

#include "host_system.h"
#include "session/settings.h"
#include "stream/rings.h"
#include "support/rig.h"

namespace ggml_sched::test {
namespace {

constexpr size_t kMiB = size_t{1} << 20;

constexpr const char * kVariables[] = {"GGML_SCHED",        "GGML_SCHED_SYNC",        "GGML_SCHED_VERIFY",
                                       "GGML_SCHED_REUSE",  "GGML_SCHED_TRACE",       "GGML_SCHED_STREAM",
                                       "GGML_SCHED_DEBUG",  "GGML_SCHED_STREAM_KEEP", "GGML_SCHED_DEBUG_REALLOC",
                                       "GGML_SCHED_EXPERTS"};

// Sets a variable of the environment as long as it lives.
class Variable {
  public:
    Variable(const char * name, const char * value)
        : name_(name) {
        EXPECT_TRUE(platform::set_env(name, value));
    }
    ~Variable() { platform::unset_env(name_); }
    Variable(const Variable &) = delete;
    Variable & operator=(const Variable &) = delete;

  private:
    const char * name_;
};

// Returns what `work` writes to stderr.
std::string stderr_of(const std::function<void()> & work) {
    testing::internal::CaptureStderr();
    work();
    return testing::internal::GetCapturedStderr();
}

Settings settings_with(const char * name, const char * value) {
    const Variable variable(name, value);
    return read_settings();
}

void make_scheduler() {
    const BackendPtr cpu(ggml_backend_cpu_init());
    ggml_backend_t backends[] = {cpu.get()};
    const SchedPtr sched(ggml_backend_sched_new(backends, nullptr, 1, 64, false, false));
    EXPECT_NE(sched, nullptr);
}

// A chain of two nodes, the first on the device
struct Chain {
    ContextPtr context = make_context();
    ggml_tensor * input = nullptr;
    ggml_cgraph * graph = nullptr;

    explicit Chain(const Rig & rig, int64_t size = 32) {
        input = ggml_new_tensor_1d(context.get(), GGML_TYPE_F32, size);
        ggml_set_input(input);
        ggml_tensor * middle = ggml_scale(context.get(), input, 2.0F);
        graph = ggml_new_graph(context.get());
        ggml_build_forward_expand(graph, ggml_scale(context.get(), middle, 2.0F));
        ggml_backend_sched_set_tensor_backend(rig.sched(), middle, rig.device(0));
    }
};

TEST(Switches, CompareWordsWithoutRegardToCase) {
    EXPECT_EQ(stderr_of([] {
                  EXPECT_EQ(settings_with("GGML_SCHED_SYNC", "Barrier").sync_mode, GGML_SCHED_SYNC_BARRIER);
                  EXPECT_EQ(settings_with("GGML_SCHED_SYNC", "SERIAL").sync_mode, GGML_SCHED_SYNC_SERIAL);
                  EXPECT_EQ(settings_with("GGML_SCHED_STREAM", "OFF").streaming.budget, 0U);
                  EXPECT_TRUE(settings_with("GGML_SCHED_VERIFY", "True").verify);
              }),
              "");
}

TEST(Switches, KnowFourWordsEachForOnAndOff) {
    EXPECT_EQ(stderr_of([] {
                  for (const char * on : {"1", "on", "yes", "true"}) {
                      EXPECT_TRUE(settings_with("GGML_SCHED_VERIFY", on).verify);
                      EXPECT_TRUE(settings_with("GGML_SCHED_STREAM_KEEP", on).keep_weights);
                      EXPECT_TRUE(settings_with("GGML_SCHED_REUSE", on).reuse);
                      EXPECT_EQ(settings_with("GGML_SCHED_DEBUG", on).debug, 1);
                  }
                  for (const char * off : {"0", "off", "no", "false"}) {
                      EXPECT_FALSE(settings_with("GGML_SCHED_VERIFY", off).verify);
                      EXPECT_FALSE(settings_with("GGML_SCHED_STREAM_KEEP", off).keep_weights);
                      EXPECT_FALSE(settings_with("GGML_SCHED_REUSE", off).reuse);
                      EXPECT_EQ(settings_with("GGML_SCHED_DEBUG", off).debug, 0);
                  }
                  EXPECT_EQ(settings_with("GGML_SCHED_DEBUG", "2").debug, 2);
                  EXPECT_EQ(settings_with("GGML_SCHED_DEBUG_REALLOC", "2").realloc_check, ReallocCheck::All);
                  EXPECT_TRUE(settings_with("GGML_SCHED_REUSE", "").reuse) << "an empty value is none";
              }),
              "");
}

TEST(Switches, OfStreamingTakeWordsAndMiB) {
    EXPECT_EQ(stderr_of([] {
                  for (const auto & [value, budget] : {std::pair<const char *, size_t>{"auto", GGML_SCHED_STREAM_AUTO},
                                                       {"", GGML_SCHED_STREAM_AUTO},
                                                       {"unlimited", GGML_SCHED_STREAM_UNLIMITED},
                                                       {"off", GGML_SCHED_STREAM_OFF},
                                                       {"no", GGML_SCHED_STREAM_OFF},
                                                       {"0", GGML_SCHED_STREAM_OFF},
                                                       {"8192", 8192 * kMiB}}) {
                      EXPECT_EQ(settings_with("GGML_SCHED_STREAM", value).streaming.budget, budget) << value;
                  }
              }),
              "");
}

TEST(Switches, OfExpertsTakeWordsAndMiB) {
    EXPECT_EQ(stderr_of([] {
                  for (const auto & [value, budget] : {std::pair<const char *, size_t>{"", GGML_SCHED_EXPERTS_OFF},
                                                       {"off", GGML_SCHED_EXPERTS_OFF},
                                                       {"False", GGML_SCHED_EXPERTS_OFF},
                                                       {"0", GGML_SCHED_EXPERTS_OFF},
                                                       {"AUTO", GGML_SCHED_EXPERTS_AUTO},
                                                       {"8192", 8192 * kMiB}}) {
                      EXPECT_EQ(settings_with("GGML_SCHED_EXPERTS", value).experts.budget, budget) << value;
                  }
              }),
              "");
}

TEST(Switches, OfMissingExpertsTakeWords) {
    EXPECT_EQ(stderr_of([] {
                  for (const auto & [value, misses] : {std::pair<const char *, Misses>{"", Misses::Shared},
                                                       {"none", Misses::None},
                                                       {"SHARED", Misses::Shared},
                                                       {"upload", Misses::Upload}}) {
                      EXPECT_EQ(settings_with("GGML_SCHED_EXPERT_MISSES", value).experts.misses, misses) << value;
                  }
              }),
              "");
}

TEST(Switches, TellEachUnknownValueOnceOnStderr) {
    const LogCapture log; // as an engine that shows no log
    const std::pair<const char *, const char *> unknown[] = {{"GGML_SCHED", "stock"},
                                                             {"GGML_SCHED", "typo"},
                                                             {"GGML_SCHED_SYNC", "sometimes"},
                                                             {"GGML_SCHED_VERIFY", "2"},
                                                             {"GGML_SCHED_REUSE", "never"},
                                                             {"GGML_SCHED_STREAM_KEEP", "typo"},
                                                             {"GGML_SCHED_DEBUG", "3"},
                                                             {"GGML_SCHED_DEBUG", "-1"},
                                                             {"GGML_SCHED_DEBUG_REALLOC", "all"},
                                                             {"GGML_SCHED_EXPERTS", "all"},
                                                             {"GGML_SCHED_EXPERTS", "unlimited"},
                                                             {"GGML_SCHED_EXPERT_MISSES", "1"},
                                                             {"GGML_SCHED_STREAM", "-8"},
                                                             {"GGML_SCHED_STREAM", "8 GiB"},
                                                             {"GGML_SCHED_STREAM", "99999999999999999"},
                                                             {"GGML_SCHED_STREAM", "1e3"},
                                                             {"GGML_SCHED_STREAM", "on"},
                                                             {"GGML_SCHED_STREAM", "+5"},
                                                             {"GGML_SCHED_STREAM", "99999999999999999999999999"}};
    for (const auto & [name, value] : unknown) {
        const Variable variable(name, value);
        const std::string expected = std::string("ggml-sched: error: ") + name + " is '" + value + "'; it must be ";
        const std::string first = stderr_of(make_scheduler);
        EXPECT_EQ(first.find(expected), 0U) << first;
        EXPECT_EQ(stderr_of(make_scheduler).find("error"), std::string::npos) << "the second scheduler tells it again";
        const Settings settings = read_settings();
        EXPECT_EQ(settings.streaming.budget, GGML_SCHED_STREAM_AUTO);
        EXPECT_EQ(settings.sync_mode, GGML_SCHED_SYNC_AUTO);
        EXPECT_EQ(settings.debug, 0);
        EXPECT_TRUE(settings.reuse && !settings.verify && !settings.keep_weights);
    }
    EXPECT_EQ(log.text(), "");
}

TEST(Switches, ShowAStrangeValueInOneShortLine) {
    const Variable variable("GGML_SCHED_SYNC", (std::string("a\n\x1b[31m") + std::string(30000, 'x')).c_str());
    const std::string text = stderr_of(make_scheduler);
    const std::string line = text.substr(0, text.find('\n') + 1);
    EXPECT_LT(line.size(), 200U);
    EXPECT_EQ(line.find("ggml-sched: error: GGML_SCHED_SYNC is 'a??[31mx"), 0U) << line;
}

// Each of these runs in a process of its own: the line is printed once per process.
class Announcement : public testing::Test {
  protected:
    Announcement() {
        testing::FLAGS_gtest_death_test_style = "threadsafe";
        for (const char * variable : kVariables) {
            platform::unset_env(variable);
        }
    }

    [[noreturn]] static void make_two(const char * variable, const char * value) {
        const LogCapture log;
        if (variable) {
            platform::set_env(variable, value);
        }
        const std::string first = stderr_of(make_scheduler);
        const std::string second = stderr_of(make_scheduler);
        std::fprintf(stderr, "<%s%s>", first.c_str(), second.c_str());
        std::exit(0);
    }
};

TEST_F(Announcement, NamesTheSchedulerOnceWhereASwitchIsSet) {
    const std::string line = std::string("<ggml-sched: made a scheduler: ggml-sched ") + ggml_sched_version() + "\n>";
    EXPECT_EXIT(make_two("GGML_SCHED_VERIFY", "0"), testing::ExitedWithCode(0), line);
    EXPECT_EXIT(make_two("GGML_SCHED", "ours"), testing::ExitedWithCode(0), line);
}

TEST_F(Announcement, IsNotMadeWhereNoSwitchIsSet) {
    EXPECT_EXIT(make_two(nullptr, nullptr), testing::ExitedWithCode(0), "^<>$");
}

// The capacity of the ring on a simulated device
size_t capacity_for(const StreamSettings & settings) {
    const BackendPtr device(ggml_backend_dev_init(ggml_backend_sim_device(0), nullptr));
    const BackendPtr cpu(ggml_backend_cpu_init());
    std::vector<host::Backend> backends;
    for (const BackendPtr * backend : {&device, &cpu}) {
        backends.push_back(host::describe(backend->get(), ggml_backend_get_default_buffer_type(backend->get())));
    }
    const Topology topology = topology_of(backends);
    StreamRings rings(backends, topology, settings);
    rings.limits();
    return rings.memory()[0].most;
}

TEST(StreamBudget, IsTheSizeOfTheRingUnlessTheLookaheadIsLess) {
    EXPECT_EQ(capacity_for(settings_with("GGML_SCHED_STREAM", "8192").streaming), 8192 * kMiB);
    EXPECT_EQ(capacity_for({8192 * kMiB, 2048 * kMiB}), 2048 * kMiB);
    EXPECT_EQ(capacity_for({GGML_SCHED_STREAM_UNLIMITED, 0}), GGML_SCHED_STREAM_UNLIMITED);
    EXPECT_EQ(capacity_for({GGML_SCHED_STREAM_OFF, 0}), 0U);
    EXPECT_LE(capacity_for({GGML_SCHED_STREAM_AUTO, 0}), 1024 * kMiB);
}

TEST(StreamParams, OfOlderAndNewerCallersAreUnderstood) {
    const LogCapture log;
    const Rig rig({{GGML_SIM_PROFILE_CUDA}});
    struct Newer {
        ggml_sched_stream_params known = ggml_sched_stream_default_params();
        size_t added = 0;
    };
    Newer newer;
    newer.known.size = sizeof(newer);
    ggml_sched_set_streaming(rig.sched(), &newer.known);
    EXPECT_STREQ(ggml_sched_get_error(rig.sched()), "");
    newer.added = 1;
    ggml_sched_set_streaming(rig.sched(), &newer.known);
    EXPECT_TRUE(log.contains("parameters that ggml-sched " + std::string(ggml_sched_version()) + " does not have"));
    EXPECT_STRNE(ggml_sched_get_error(rig.sched()), "");
    newer.added = 0;
    newer.known.size = SIZE_MAX;
    ggml_sched_set_streaming(rig.sched(), &newer.known);
    EXPECT_STRNE(ggml_sched_get_error(rig.sched()), "") << "a struct that nobody has filled";
    newer.known.size = sizeof(size_t);
    ggml_sched_set_streaming(rig.sched(), &newer.known);
    EXPECT_TRUE(log.contains("begin with ggml_sched_stream_default_params()"));
    ggml_sched_set_streaming(rig.sched(), nullptr);
    EXPECT_STRNE(ggml_sched_get_error(rig.sched()), "");
}

TEST(Stats, AreWrittenToOlderAndNewerStructs) {
    const Rig rig({{GGML_SIM_PROFILE_CUDA}});
    const Chain chain(rig);
    ASSERT_EQ(ggml_backend_sched_graph_compute(rig.sched(), chain.graph), GGML_STATUS_SUCCESS);
    const ggml_sched_stats all = rig.stats();
    ASSERT_EQ(all.runs, 1U);
    ASSERT_EQ(all.plans, 1U);

    struct Newer {
        ggml_sched_stats known;
        uint64_t added[3];
    };
    Newer newer;
    std::memset(&newer, 0xAB, sizeof(newer));
    ggml_sched_get_stats(rig.sched(), &newer.known, sizeof(newer));
    EXPECT_EQ(std::memcmp(&newer.known, &all, sizeof(all)), 0);
    EXPECT_EQ(newer.added[0] | newer.added[1] | newer.added[2], 0U);

    uint64_t older[3] = {7, 7, 7};
    ggml_sched_get_stats(rig.sched(), reinterpret_cast<ggml_sched_stats *>(older), 2 * sizeof(uint64_t));
    EXPECT_EQ(older[0], all.runs);
    EXPECT_EQ(older[1], all.plans);
    EXPECT_EQ(older[2], 7U) << "written beyond the caller's struct";

    ggml_sched_get_stats(rig.sched(), nullptr, 0);
    const LogCapture log;
    ggml_sched_get_stats(nullptr, &newer.known, sizeof(newer));
    EXPECT_EQ(newer.known.runs, 0U) << "a NULL scheduler has no runs";
}

TEST(SwitchFunctions, SetDebugLogsSplitsAndNodes) {
    const Rig rig({{GGML_SIM_PROFILE_CUDA}});
    for (const int level : {0, 1, 2}) {
        const LogCapture log;
        ggml_sched_set_debug(rig.sched(), level);
        const Chain chain(rig);
        ASSERT_TRUE(ggml_backend_sched_alloc_graph(rig.sched(), chain.graph));
        EXPECT_EQ(log.contains("## SPLIT #0"), level > 0) << log.text();
        EXPECT_EQ(log.contains("[SIM0 usr]"), level > 1) << log.text();
        ggml_backend_sched_reset(rig.sched());
    }
}

TEST(SwitchFunctions, SetDebugReallocLetsAGrowingBufferFail) {
    const LogCapture log;
    const Rig rig({{GGML_SIM_PROFILE_CUDA}});
    for (const auto & [level, size] : {std::pair<int, int64_t>{2, 32}, {0, 32}, {1, 1 << 16}, {0, 1 << 16}}) {
        ggml_sched_set_debug_realloc(rig.sched(), level);
        const Chain chain(rig, size);
        EXPECT_EQ(ggml_backend_sched_alloc_graph(rig.sched(), chain.graph), level == 0) << level;
        ggml_backend_sched_reset(rig.sched());
    }
}

TEST(SwitchFunctions, RefuseLevelsThatDoNotExist) {
    const LogCapture log;
    const Rig rig({{GGML_SIM_PROFILE_CUDA}});
    for (const int level : {-1, 3}) {
        for (const auto set : {ggml_sched_set_debug, ggml_sched_set_debug_realloc}) {
            set(rig.sched(), 0);
            EXPECT_STREQ(ggml_sched_get_error(rig.sched()), "");
            set(rig.sched(), level);
            EXPECT_NE(std::string(ggml_sched_get_error(rig.sched())).find("there is no level"), std::string::npos);
        }
    }
}

TEST(SwitchFunctions, SetReuseDecidesWhetherRunsArePlannedAnew) {
    const Rig rig({{GGML_SIM_PROFILE_CUDA}});
    const Chain chain(rig);
    ASSERT_TRUE(ggml_backend_sched_alloc_graph(rig.sched(), chain.graph));
    const auto plans_of_three_runs = [&] {
        ggml_sched_reset_stats(rig.sched());
        for (int i = 0; i < 3; i++) {
            EXPECT_EQ(ggml_backend_sched_graph_compute(rig.sched(), chain.graph), GGML_STATUS_SUCCESS);
        }
        return rig.stats().plans;
    };
    EXPECT_LT(plans_of_three_runs(), 3U);
    ggml_sched_set_reuse(rig.sched(), false);
    EXPECT_EQ(plans_of_three_runs(), 3U);
    ggml_sched_set_reuse(rig.sched(), true);
    EXPECT_EQ(plans_of_three_runs(), 0U);
}

// Calls that can fail, and succeed on a scheduler without an allocated graph
const std::vector<std::function<void(ggml_backend_sched_t)>> kClearing = {
    [](auto sched) { ggml_backend_sched_reset(sched); },
    [](auto sched) { ggml_backend_sched_synchronize(sched); },
    [](auto sched) { ggml_sched_set_sync_mode(sched, GGML_SCHED_SYNC_AUTO); },
    [](auto sched) { ggml_sched_set_reuse(sched, true); },
    [](auto sched) { ggml_sched_set_debug(sched, 0); },
    [](auto sched) { ggml_sched_set_debug_realloc(sched, 0); },
    [](auto sched) { set_streaming(sched, GGML_SCHED_STREAM_AUTO); },
    [](auto sched) { ggml_sched_keep_weights(sched, false); },
    [](auto sched) { ggml_sched_unalloc_graph(sched); },
};

TEST(ErrorText, IsClearedByEachCallThatCanFail) {
    const LogCapture log;
    const Rig rig({{GGML_SIM_PROFILE_CUDA}});
    for (size_t i = 0; i < kClearing.size(); i++) {
        EXPECT_FALSE(ggml_backend_sched_reserve(rig.sched(), nullptr));
        EXPECT_STREQ(ggml_sched_get_error(rig.sched()), "the graph is NULL");
        kClearing[i](rig.sched());
        EXPECT_STREQ(ggml_sched_get_error(rig.sched()), "") << "call " << i;
    }
}

TEST(ErrorText, StaysThroughGettersAndSettersThatCannotFail) {
    const LogCapture log;
    const Rig rig({{GGML_SIM_PROFILE_CUDA}});
    EXPECT_FALSE(ggml_backend_sched_reserve(rig.sched(), nullptr));
    EXPECT_EQ(ggml_backend_sched_get_n_splits(rig.sched()), 0);
    EXPECT_EQ(ggml_backend_sched_get_tensor_backend(rig.sched(), nullptr), nullptr);
    EXPECT_EQ(rig.plan() + rig.pattern(0), "");
    EXPECT_EQ(rig.stats().runs, 0U);
    EXPECT_EQ(ggml_sched_get_expert_stats(rig.sched(), nullptr, 0, 0), 0);
    ggml_sched_reset_stats(rig.sched());
    ggml_sched_set_verify(rig.sched(), true);
    ggml_backend_sched_set_eval_callback(rig.sched(), nullptr, nullptr);
    EXPECT_STREQ(ggml_sched_get_error(rig.sched()), "the graph is NULL");
}

} // namespace
} // namespace ggml_sched::test
