// Starting and stopping traces, and what can go wrong with it.

#include <cstdlib>
#include <filesystem>

#include <gtest/gtest.h>

#include "chain.h"
#include "host_system.h"
#include "trace_file.h"

namespace ggml_sched::test {
namespace {

class TraceApi : public testing::Test {
  protected:
    static RigOptions options() {
        RigOptions options;
        options.devices = {GGML_SIM_PROFILE_CUDA, GGML_SIM_PROFILE_CUDA};
        return options;
    }

    void SetUp() override { chain_.build(); }

    void run_once() {
        ASSERT_EQ(chain_.submit(), GGML_STATUS_SUCCESS);
        ggml_backend_sched_synchronize(sched());
    }

    size_t launches_in(const TempFile & file) {
        const TraceFile trace(file.path());
        trace.expect_sound();
        return trace.of_category("launch").size();
    }

    bool fails(bool ok, const std::string & part) {
        return !ok && std::string(ggml_sched_get_error(sched())).find(part) != std::string::npos;
    }

    ggml_backend_sched_t sched() const { return rig_.sched(); }

    SchedPtr another_sched() const {
        ggml_backend_t backends[] = {rig_.device(0), rig_.device(1), rig_.cpu()};
        return SchedPtr(ggml_backend_sched_new(backends, nullptr, 3, GGML_DEFAULT_GRAPH_SIZE, false, false));
    }

    Rig rig_{options()};
    Chain chain_{rig_, 2};
    TempFile file_{"a.json"};
    TempFile other_file_{"b.json"};
};

TEST_F(TraceApi, HoldsWhatRanBetweenStartAndStop) {
    run_once();
    ASSERT_TRUE(ggml_sched_trace_start(sched(), file_.c_str()));
    run_once();
    ASSERT_TRUE(ggml_sched_trace_stop(sched()));
    run_once();
    EXPECT_EQ(launches_in(file_), 2U);
}

TEST_F(TraceApi, StartsAgainAfterAStop) {
    for (const TempFile * file : {&file_, &other_file_, &file_}) {
        ASSERT_TRUE(ggml_sched_trace_start(sched(), file->c_str()));
        run_once();
        run_once();
        ASSERT_TRUE(ggml_sched_trace_stop(sched()));
    }
    EXPECT_EQ(launches_in(file_), 4U);
    EXPECT_EQ(launches_in(other_file_), 4U);
}

TEST_F(TraceApi, EndsTheTraceThatIsBeingMadeWhenAnotherStarts) {
    ASSERT_TRUE(ggml_sched_trace_start(sched(), file_.c_str()));
    run_once();
    ASSERT_TRUE(ggml_sched_trace_start(sched(), other_file_.c_str()));
    EXPECT_EQ(launches_in(file_), 2U);
    run_once();
    run_once();
    ASSERT_TRUE(ggml_sched_trace_stop(sched()));
    EXPECT_EQ(launches_in(file_), 2U);
    EXPECT_EQ(launches_in(other_file_), 4U);
}

TEST_F(TraceApi, IsSoundWithNothingInIt) {
    ASSERT_TRUE(ggml_sched_trace_start(sched(), file_.c_str()));
    ASSERT_TRUE(ggml_sched_trace_stop(sched()));
    const TraceFile trace(file_.path());
    EXPECT_TRUE(trace.slices().empty());
    EXPECT_EQ(trace.lanes(), (std::vector<std::string>{"host", "SIM0", "SIM1"}));
}

TEST_F(TraceApi, RefusesAPathThatCannotBeWritten) {
    const LogCapture log;
    EXPECT_TRUE(
        fails(ggml_sched_trace_start(sched(), "/no-such-directory/trace.json"), "/no-such-directory/trace.json"));
    EXPECT_TRUE(fails(ggml_sched_trace_start(sched(), ""), "path"));
    EXPECT_TRUE(fails(ggml_sched_trace_start(sched(), nullptr), "path"));
    EXPECT_TRUE(log.contains("/no-such-directory/trace.json"));
    EXPECT_TRUE(fails(ggml_sched_trace_stop(sched()), "no trace"));
    run_once();
}

TEST_F(TraceApi, RefusesToStopWhatHasNotStarted) {
    const LogCapture log;
    EXPECT_TRUE(fails(ggml_sched_trace_stop(sched()), "no trace"));
    ASSERT_TRUE(ggml_sched_trace_start(sched(), file_.c_str()));
    EXPECT_TRUE(ggml_sched_trace_stop(sched()));
    EXPECT_TRUE(fails(ggml_sched_trace_stop(sched()), "no trace"));
}

TEST_F(TraceApi, RefusesANullScheduler) {
    const LogCapture log;
    EXPECT_FALSE(ggml_sched_trace_start(nullptr, file_.c_str()));
    EXPECT_FALSE(ggml_sched_trace_stop(nullptr));
    EXPECT_TRUE(log.contains("NULL"));
}

TEST_F(TraceApi, SaysWhenTheDiskIsFull) {
    if (!std::filesystem::exists("/dev/full")) {
        GTEST_SKIP() << "there is no /dev/full here";
    }
    ASSERT_TRUE(ggml_sched_trace_start(sched(), "/dev/full"));
    run_once();
    const LogCapture log;
    EXPECT_TRUE(fails(ggml_sched_trace_stop(sched()), "/dev/full"));
    EXPECT_TRUE(fails(ggml_sched_trace_stop(sched()), "no trace"));
}

TEST_F(TraceApi, WritesTheFileOfASchedulerThatIsFreed) {
    ASSERT_TRUE(ggml_sched_trace_start(sched(), file_.c_str()));
    ASSERT_EQ(chain_.submit(), GGML_STATUS_SUCCESS);
    rig_.free_sched();
    EXPECT_EQ(launches_in(file_), 2U);
}

TEST_F(TraceApi, LetsTwoSchedulersTraceAtOnce) {
    const SchedPtr second = another_sched();
    Chain chain(rig_, 2, second.get());
    chain.build();
    ASSERT_TRUE(ggml_sched_trace_start(sched(), file_.c_str()));
    ASSERT_TRUE(ggml_sched_trace_start(second.get(), other_file_.c_str()));
    run_once();
    for (int i = 0; i < 3; i++) {
        ASSERT_EQ(chain.submit(), GGML_STATUS_SUCCESS);
        run_once();
    }
    ASSERT_TRUE(ggml_sched_trace_stop(sched()));
    ASSERT_TRUE(ggml_sched_trace_stop(second.get()));
    EXPECT_EQ(launches_in(file_), 8U);
    EXPECT_EQ(launches_in(other_file_), 6U);
}

TEST_F(TraceApi, CannotBeWrittenByTheEnvironmentIsNoReasonToFail) {
    const LogCapture log;
    ASSERT_TRUE(platform::set_env("GGML_SCHED_TRACE", "/no-such-directory/trace.json"));
    const SchedPtr second = another_sched();
    ASSERT_TRUE(platform::unset_env("GGML_SCHED_TRACE"));
    ASSERT_NE(second, nullptr);
    EXPECT_TRUE(log.contains("GGML_SCHED_TRACE"));
    Chain chain(rig_, 2, second.get());
    chain.build();
    EXPECT_EQ(chain.submit(), GGML_STATUS_SUCCESS);
}

TEST(TraceOfAFreedScheduler, IsWrittenAfterItsBackendsWereFreed) {
    const TempFile file("trace.json");
    RigOptions options;
    options.devices = {GGML_SIM_PROFILE_CUDA, GGML_SIM_PROFILE_CUDA};
    Rig rig(options);
    {
        Chain chain(rig, 2);
        chain.build();
        ASSERT_TRUE(ggml_sched_trace_start(rig.sched(), file.c_str()));
        ASSERT_EQ(chain.submit(), GGML_STATUS_SUCCESS);
        ggml_backend_sched_synchronize(rig.sched());
    }
    rig.free_backends();
    rig.free_sched();
    const TraceFile trace(file.path());
    trace.expect_sound();
    EXPECT_EQ(trace.of_category("launch").size(), 2U);
}

} // namespace
} // namespace ggml_sched::test
