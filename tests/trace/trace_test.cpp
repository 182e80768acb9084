// What a trace says, compared with the plan, the statistics and the virtual clock.

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <sstream>

#include <gtest/gtest.h>

#include "chain.h"
#include "host_system.h"
#include "null_backend.h"
#ifdef GGML_SCHED_TEST_HAS_PROPERTIES
#include "support/case_gen.h"
#endif
#include "support/case_runner.h"
#include "trace_file.h"

namespace ggml_sched::test {
namespace {

struct Setting {
    const char * name;
    std::vector<ggml_sim_profile> devices;
    ggml_sched_sync_mode mode;
    bool parallel;
};

const Setting kSettings[] = {
    {"Auto", {GGML_SIM_PROFILE_CUDA, GGML_SIM_PROFILE_CUDA, GGML_SIM_PROFILE_CUDA}, GGML_SCHED_SYNC_AUTO, false},
    {"Parallel", {GGML_SIM_PROFILE_CUDA, GGML_SIM_PROFILE_CUDA}, GGML_SCHED_SYNC_AUTO, true},
    {"Barrier", {GGML_SIM_PROFILE_CUDA, GGML_SIM_PROFILE_CUDA}, GGML_SCHED_SYNC_BARRIER, false},
    {"Serial", {GGML_SIM_PROFILE_CUDA, GGML_SIM_PROFILE_UMA}, GGML_SCHED_SYNC_SERIAL, false},
    {"NoEvents", {GGML_SIM_PROFILE_NO_EVENTS, GGML_SIM_PROFILE_CUDA}, GGML_SCHED_SYNC_AUTO, false},
    {"Vulkan", {GGML_SIM_PROFILE_VULKAN, GGML_SIM_PROFILE_VULKAN}, GGML_SCHED_SYNC_AUTO, false},
    {"NoAsync", {GGML_SIM_PROFILE_NO_ASYNC, GGML_SIM_PROFILE_CUDA}, GGML_SCHED_SYNC_AUTO, false},
};

std::string name_of(const testing::TestParamInfo<Setting> & info) {
    return info.param.name;
}

class TracedRuns : public testing::TestWithParam<Setting> {
  protected:
    static RigOptions options() {
        RigOptions options;
        options.devices = GetParam().devices;
        options.mode = GetParam().mode;
        options.parallel = GetParam().parallel;
        return options;
    }

    // Runs in flight together, all in one trace
    void run(int n_runs) {
        chain_.build();
        ggml_sched_reset_stats(rig_.sched());
        ASSERT_TRUE(ggml_sched_trace_start(rig_.sched(), file_.c_str()));
        start_us_ = ggml_backend_sim_time_us();
        for (int i = 0; i < n_runs; i++) {
            ASSERT_EQ(submit(), GGML_STATUS_SUCCESS);
        }
        plan_ = rig_.plan();
        ggml_backend_sched_synchronize(rig_.sched());
        end_us_ = ggml_backend_sim_time_us();
        ASSERT_TRUE(ggml_sched_trace_stop(rig_.sched()));
    }

    Rig rig_{options()};
    Chain chain_{rig_};
    TempFile file_{"trace.json"};
    std::string plan_; // of the last run
    double start_us_ = 0;
    double end_us_ = 0;

  private:
    ggml_status submit() { return chain_.submit(); }
};

// "SIM1 waits for SIM0: WAR" of each wait, sorted
std::vector<std::string> waits_of_plan(const std::string & plan) {
    std::vector<std::string> waits;
    std::istringstream lines(plan);
    for (std::string line; std::getline(lines, line);) {
        std::istringstream words(line);
        std::string waiter;
        std::string wait;
        std::string preposition;
        std::string target;
        words >> waiter >> wait >> preposition >> target;
        const size_t reason = line.find("  (", line.find(" wait for "));
        if (wait != "wait" || reason == std::string::npos) {
            continue;
        }
        if (target == "all") {
            words >> preposition >> target;
        }
        const size_t cause = reason + 3;
        waits.push_back(waiter + " waits for " + target + ": " +
                        line.substr(cause, line.find_first_of(" :),", cause) - cause));
    }
    std::sort(waits.begin(), waits.end());
    return waits;
}

std::vector<std::string> waits_of_run(const TraceFile & trace, int run) {
    std::vector<std::string> waits;
    for (const Slice & slice : trace.of_category("wait")) {
        if (slice.args["run"] == run) {
            std::string target = slice.args["target"];
            target = target.substr(0, 7) == "all of " ? target.substr(7) : target.substr(0, target.find(' '));
            waits.push_back(trace.lanes()[static_cast<size_t>(slice.lane)] + " waits for " + target + ": " +
                            slice.args["reason"].get<std::string>());
        }
    }
    std::sort(waits.begin(), waits.end());
    return waits;
}

TEST_P(TracedRuns, HaveTheWaitsOfTheirPlansWithOneArrowEach) {
    run(7);
    const TraceFile trace(file_.path());
    trace.expect_sound();
    EXPECT_EQ(waits_of_run(trace, 7), waits_of_plan(plan_)) << plan_;
    const ggml_sched_stats stats = rig_.stats();
    EXPECT_EQ(trace.count_flows("wait"),
              static_cast<int>(stats.host_waits + stats.device_waits + stats.throttle_waits));
    EXPECT_EQ(trace.of_category("record").size(), stats.records);
    EXPECT_EQ(trace.of_category("launch").size(), stats.launches);
    EXPECT_EQ(trace.of_category("copy").size(), stats.async_copies + stats.blocking_copies);
    EXPECT_EQ(trace.of_category("snapshot").size(), stats.snapshots);
}

TEST_P(TracedRuns, TellWhereTheHostBlocksAndNowhereElse) {
    run(7);
    const TraceFile trace(file_.path());
    const ggml_sched_stats stats = rig_.stats();
    uint64_t n_blocking = 0;
    for (const Slice & slice : trace.slices()) {
        const bool blocks = slice.args.contains("blocked_us");
        EXPECT_EQ(blocks, slice.lane == 0 && (slice.category == "wait" || slice.category == "synchronize"))
            << slice.name;
        n_blocking += blocks && slice.category == "wait" ? 1 : 0;
        if (blocks) {
            EXPECT_EQ(std::llround(slice.args["blocked_us"].get<double>() * 1000), slice.length_ns());
        }
    }
    EXPECT_EQ(n_blocking, stats.host_waits + stats.throttle_waits);
}

// On the virtual clock the host's time goes on in calls only, so the host's slices add up to all of it.
TEST_P(TracedRuns, AccountForAllOfTheHostsTime) {
    run(5);
    const TraceFile trace(file_.path());
    EXPECT_EQ(trace.header()["clock"], "devices");
    int64_t sum_ns = 0;
    for (const Slice & slice : trace.slices()) {
        sum_ns += slice.lane == 0 ? slice.length_ns() : 0;
    }
    EXPECT_NEAR(static_cast<double>(sum_ns) / 1000, end_us_ - start_us_,
                0.001 * static_cast<double>(trace.slices().size()));
}

INSTANTIATE_TEST_SUITE_P(Settings, TracedRuns, testing::ValuesIn(kSettings), name_of);

// A rig of one kind of devices
RigOptions rig_of(int n_devices, ggml_sim_profile profile = GGML_SIM_PROFILE_CUDA) {
    RigOptions options;
    options.devices.assign(static_cast<size_t>(n_devices), profile);
    return options;
}

TEST(Trace, OfADeviceShowsItsOwnTimes) {
    Rig rig(rig_of(1));
    Chain chain(rig, 1);
    const TempFile file("trace.json");
    chain.build();
    ASSERT_TRUE(ggml_sched_trace_start(rig.sched(), file.c_str()));
    const double start_us = ggml_backend_sim_time_us();
    ASSERT_EQ(chain.submit(), GGML_STATUS_SUCCESS);
    ggml_backend_sched_synchronize(rig.sched());
    const double end_us = ggml_backend_sim_time_us();
    ASSERT_TRUE(ggml_sched_trace_stop(rig.sched()));
    const TraceFile trace(file.path());
    ASSERT_EQ(trace.of_category("launch").size(), 1U);
    const Slice launch = trace.of_category("launch")[0];
    EXPECT_EQ(launch.args["backend"], "SIM0");
    EXPECT_GT(launch.length_ns(),
              1000 * static_cast<int64_t>(ggml_sim_config_default(GGML_SIM_PROFILE_CUDA).launch_us));
    EXPECT_NEAR(static_cast<double>(launch.finish_ns) / 1000, end_us - start_us, 0.01);
    ASSERT_EQ(trace.of_category("copy").size(), 1U);
    const Slice copy = trace.of_category("copy")[0];
    EXPECT_EQ(copy.finish_ns, launch.start_ns);
    EXPECT_EQ(copy.args["bytes"], ggml_nbytes(chain.input()));
    EXPECT_EQ(copy.args["tensor"], "input#0");
}

TEST(Trace, KeepsTheNamesOfAGraphThatIsGone) {
    Rig rig(rig_of(2));
    Chain chain(rig);
    const TempFile file("trace.json");
    ASSERT_TRUE(ggml_sched_trace_start(rig.sched(), file.c_str()));
    chain.build("first");
    ASSERT_EQ(chain.submit(), GGML_STATUS_SUCCESS);
    ggml_backend_sched_synchronize(rig.sched());
    chain.build("second");
    ASSERT_EQ(chain.submit(), GGML_STATUS_SUCCESS);
    ggml_backend_sched_reset(rig.sched());
    ggml_backend_sched_synchronize(rig.sched());
    chain.forget_graph();
    ASSERT_TRUE(ggml_sched_trace_stop(rig.sched()));
    const TraceFile trace(file.path());
    trace.expect_sound();
    EXPECT_NE(trace.text().find("copy first#0 from host"), std::string::npos);
    EXPECT_NE(trace.text().find("copy second#0 from host"), std::string::npos);
}

TEST(Trace, OfNamesThatAreNoTextIsStillText) {
    Rig rig(rig_of(1));
    Chain chain(rig);
    const TempFile file("trace.json");
    for (const char * name : {"\"quoted\\\n\t\x01", "</script><!--", "\xff\xfe", "\xe2\x82", "\xed\xa0\x80", "\xc0\xaf",
                              "\xf4\x90\x80\x80", "gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x98\x80"}) {
        chain.build(name);
        ASSERT_TRUE(ggml_sched_trace_start(rig.sched(), file.c_str()));
        ASSERT_EQ(chain.submit(), GGML_STATUS_SUCCESS);
        ggml_backend_sched_synchronize(rig.sched());
        ASSERT_TRUE(ggml_sched_trace_stop(rig.sched()));
        const TraceFile trace(file.path());
        EXPECT_EQ(trace.of_category("copy").size(), 1U);
        EXPECT_EQ(trace.text().find('<'), std::string::npos);
    }
    const TraceFile trace(file.path());
    EXPECT_EQ(trace.of_category("copy")[0].args["tensor"], "gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x98\x80#0");
}

TEST(Trace, OfWaitsForWhatWasBeforeItHasArrowsToo) {
    Rig rig(rig_of(2));
    Chain chain(rig);
    const TempFile file("trace.json");
    chain.build();
    for (int i = 0; i < 3; i++) {
        ASSERT_EQ(chain.submit(), GGML_STATUS_SUCCESS);
    }
    ggml_sched_reset_stats(rig.sched());
    ASSERT_TRUE(ggml_sched_trace_start(rig.sched(), file.c_str()));
    ASSERT_EQ(chain.submit(), GGML_STATUS_SUCCESS);
    const ggml_sched_stats stats = rig.stats();
    ASSERT_TRUE(ggml_sched_trace_stop(rig.sched()));
    const TraceFile trace(file.path());
    trace.expect_sound();
    EXPECT_GT(stats.throttle_waits, 0U);
    EXPECT_EQ(trace.count_flows("wait"),
              static_cast<int>(stats.host_waits + stats.device_waits + stats.throttle_waits));
    EXPECT_FALSE(trace.of_category("before").empty());
}

TEST(Trace, GoesOnWhenTheDevicesClockIsSetBack) {
    Rig rig(rig_of(2));
    Chain chain(rig);
    const TempFile file("trace.json");
    ASSERT_TRUE(ggml_sched_trace_start(rig.sched(), file.c_str()));
    chain.build();
    for (int i = 0; i < 3; i++) {
        ASSERT_EQ(chain.submit(), GGML_STATUS_SUCCESS);
        ggml_backend_sched_synchronize(rig.sched());
        ggml_backend_sim_reset_clock();
    }
    ASSERT_TRUE(ggml_sched_trace_stop(rig.sched()));
    const TraceFile trace(file.path());
    trace.expect_sound();
    EXPECT_EQ(trace.of_category("launch").size(), rig.stats().launches);
}

bool see_every_node(ggml_tensor *, bool, void *) {
    return true;
}

TEST(Trace, OfARunThatIsLookedAtShowsEachPiece) {
    Rig rig(rig_of(1));
    Chain chain(rig, 4);
    const TempFile file("trace.json");
    chain.build();
    ggml_backend_sched_set_eval_callback(rig.sched(), see_every_node, nullptr);
    ASSERT_TRUE(ggml_sched_trace_start(rig.sched(), file.c_str()));
    ASSERT_EQ(chain.submit(), GGML_STATUS_SUCCESS);
    ASSERT_TRUE(ggml_sched_trace_stop(rig.sched()));
    const TraceFile trace(file.path());
    trace.expect_sound();
    EXPECT_EQ(trace.of_category("launch").size(), 4U);
    EXPECT_EQ(trace.of_category("observe").size(), 4U);
    EXPECT_TRUE(trace.of_category("synchronize").empty()) << "the plan shows each wait";
    ASSERT_EQ(trace.of_category("wait").size(), 4U);
    EXPECT_EQ(trace.of_category("wait")[0].args["reason"], "RAW");
    EXPECT_EQ(trace.of_category("wait")[0].args["task"], "the eval callback looks at split 0");
}

TEST(Trace, OfAFailedRunEndsWithWhatWasStarted) {
    Rig rig(rig_of(2));
    Chain chain(rig);
    const TempFile file("trace.json");
    chain.build();
    ASSERT_TRUE(ggml_sched_trace_start(rig.sched(), file.c_str()));
    {
        const LogCapture log;
        ASSERT_TRUE(ggml_backend_sim_fail_launch(1, 1));
        EXPECT_EQ(chain.submit(), GGML_STATUS_FAILED);
    }
    EXPECT_EQ(chain.submit(), GGML_STATUS_SUCCESS);
    ASSERT_TRUE(ggml_sched_trace_stop(rig.sched()));
    const TraceFile trace(file.path());
    trace.expect_sound();
    EXPECT_FALSE(trace.of_category("synchronize").empty());
}

// x + w0 * x + w1 * x + ..., on the device, with weights in memory of the host
struct StreamedSum {
    static constexpr int64_t kWidth = 2048;
    static constexpr size_t kWeightBytes = 2 * kWidth * kWidth / 4;

    StreamedSum(const Rig & rig, int n_weights) {
        ggml_context * ctx = context.get();
        ggml_tensor * x = ggml_new_tensor_1d(ctx, GGML_TYPE_F32, kWidth);
        ggml_set_input(x);
        ggml_tensor * sum = x;
        std::vector<ggml_tensor *> nodes;
        for (int i = 0; i < n_weights; i++) {
            ggml_tensor * weight = ggml_new_tensor_2d(weights.get(), GGML_TYPE_F16, kWidth, kWidth / 4);
            nodes.push_back(ggml_mul_mat(ctx, weight, x));
            nodes.push_back(ggml_add(ctx, x, ggml_repeat(ctx, nodes.back(), x)));
            nodes.push_back(ggml_add(ctx, sum, nodes.back()));
            sum = nodes.back();
        }
        buffer.reset(ggml_backend_alloc_ctx_tensors_from_buft(weights.get(), ggml_backend_cpu_buffer_type()));
        ggml_backend_buffer_set_usage(buffer.get(), GGML_BACKEND_BUFFER_USAGE_WEIGHTS);
        ggml_backend_buffer_clear(buffer.get(), 0);
        graph = ggml_new_graph(ctx);
        ggml_build_forward_expand(graph, sum);
        for (ggml_tensor * node : nodes) {
            ggml_backend_sched_set_tensor_backend(rig.sched(), node, rig.device(0));
        }
    }

    ContextPtr weights = make_context();
    ContextPtr context = make_context();
    BufferPtr buffer;
    ggml_cgraph * graph;
};

// Weights in pageable memory go to the device in chunks of pinned memory, of which there are a few.
TEST(Trace, OfWeightsOutOfPageableMemoryShowsEachWaitForAChunk) {
    RigOptions options = rig_of(1);
    options.stream = 8 * StreamedSum::kWeightBytes;
    options.link_bytes_per_us = 20000;
    Rig rig(options);
    const StreamedSum sum(rig, 8);
    const TempFile file("trace.json");
    ASSERT_TRUE(ggml_backend_sched_alloc_graph(rig.sched(), sum.graph));
    ASSERT_TRUE(ggml_sched_trace_start(rig.sched(), file.c_str()));
    for (int i = 0; i < 4; i++) {
        ASSERT_EQ(ggml_backend_sched_graph_compute_async(rig.sched(), sum.graph), GGML_STATUS_SUCCESS);
    }
    ASSERT_TRUE(ggml_sched_trace_stop(rig.sched()));
    const TraceFile trace(file.path());
    trace.expect_sound();
    const ggml_sched_stats stats = rig.stats();
    EXPECT_EQ(stats.staged_bytes, 4 * ggml_backend_buffer_get_size(sum.buffer.get()));
    EXPECT_GT(stats.unplanned_waits, 0U);
    EXPECT_EQ(trace.of_category("synchronize").size(), stats.unplanned_waits);
    EXPECT_EQ(trace.count_flows("synchronize"), static_cast<int>(stats.unplanned_waits));
    EXPECT_EQ(trace.count_flows("wait"),
              static_cast<int>(stats.host_waits - stats.unplanned_waits + stats.device_waits + stats.throttle_waits));
    // The copies of a run take as long as their bytes, in whatever pieces they go.
    int64_t copying_ns = 0;
    for (const Slice & slice : trace.of_category("copy")) {
        copying_ns += slice.length_ns();
    }
    const double link_us = static_cast<double>(stats.bytes_copied) / options.link_bytes_per_us;
    EXPECT_NEAR(static_cast<double>(copying_ns) / 1000, link_us, 0.1 * link_us);
    for (const Slice & slice : trace.of_category("synchronize")) {
        EXPECT_EQ(slice.args["other"], "copies out of pageable memory: the chunk is still being read");
    }
}

#ifdef GGML_SCHED_TEST_HAS_PROPERTIES
// The adversary: many graphs, devices and modes, results checked as always, and the trace of each is sound.
TEST(Trace, OfRandomCasesIsSoundAndChangesNoResult) {
    const TempFile base("case.json");
    ASSERT_TRUE(platform::set_env("GGML_SCHED_TRACE", base.c_str()));
    const int n_cases = 24;
    for (int seed = 1; seed <= n_cases; seed++) {
        const Case job = cases()(rc::Random(static_cast<uint64_t>(seed))).value();
        EXPECT_EQ(run_case(job), "") << rc::toString(job);
    }
    ASSERT_TRUE(platform::unset_env("GGML_SCHED_TRACE"));
    int n_traces = 0;
    for (int i = 1; i <= 4 * n_cases; i++) { // other tests of this process may have used some numbers
        const std::string path = i == 1 ? base.path() : base.path() + "." + std::to_string(i);
        if (std::filesystem::exists(path)) {
            SCOPED_TRACE(path);
            const TraceFile trace(path);
            trace.expect_sound();
            n_traces += trace.of_category("launch").empty() ? 0 : 1;
            (void) std::remove(path.c_str());
        }
    }
    EXPECT_GE(n_traces, n_cases);
}
#endif

// Devices that do not tell their times: the host's, from when things were enqueued.
TEST(Trace, OfDevicesWithoutAClockSaysWhatItKnows) {
    const BackendPtr device(null_backend_init(0));
    const BackendPtr cpu(ggml_backend_cpu_init());
    ggml_backend_t backends[] = {device.get(), cpu.get()};
    const SchedPtr sched(ggml_backend_sched_new(backends, nullptr, 2, 64, false, false));
    ASSERT_NE(sched, nullptr);
    const ContextPtr context = make_context(64);
    ggml_tensor * input = ggml_new_tensor_1d(context.get(), GGML_TYPE_F32, 16);
    ggml_set_input(input);
    ggml_tensor * result = ggml_add(context.get(), input, input);
    ggml_cgraph * graph = ggml_new_graph_custom(context.get(), 64, false);
    ggml_build_forward_expand(graph, result);
    ggml_backend_sched_set_tensor_backend(sched.get(), result, device.get());
    ASSERT_TRUE(ggml_backend_sched_alloc_graph(sched.get(), graph));
    const TempFile file("trace.json");
    ASSERT_TRUE(ggml_sched_trace_start(sched.get(), file.c_str()));
    for (int i = 0; i < 6; i++) {
        ASSERT_EQ(ggml_backend_sched_graph_compute_async(sched.get(), graph), GGML_STATUS_SUCCESS);
    }
    ggml_backend_sched_synchronize(sched.get());
    ASSERT_TRUE(ggml_sched_trace_stop(sched.get()));
    const TraceFile trace(file.path());
    trace.expect_sound();
    EXPECT_EQ(trace.header()["clock"], "host");
    int n_on_device = 0;
    for (const Slice & slice : trace.slices()) {
        EXPECT_EQ(slice.args.value("exact", true), slice.lane == 0) << slice.name;
        if (slice.lane != 0) {
            n_on_device++;
            ASSERT_TRUE(slice.args.contains("done_by_us")) << slice.name;
            EXPECT_GE(std::llround(slice.args["done_by_us"].get<double>() * 1000), slice.finish_ns);
        }
    }
    EXPECT_GT(n_on_device, 6);
}

} // namespace
} // namespace ggml_sched::test
