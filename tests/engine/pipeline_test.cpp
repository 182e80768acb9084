// A pipeline of devices with the trained model, timed by the simulator's virtual clock.

#include "runner.h"

#include <gtest/gtest.h>

#include "ggml-sim.h"

namespace tests {
namespace {

#ifdef GGML_SCHED_TEST_THIN
constexpr size_t kTextBytes = 300;
#else
constexpr size_t kTextBytes = 1500;
#endif

struct Timed {
    Outcome outcome;
    double us = 0;
};

Timed timed(const std::string & devices, bool parallel) {
    ggml_backend_sim_set_seed(0);
    const Loaded loaded = load(own_model_path(), devices);
    EXPECT_EQ(loaded.error, "");
    ggml_backend_sim_reset_clock();
    engine::SessionConfig config;
    config.n_ubatch = 16;
    config.parallel = parallel;
    config.sync = GGML_SCHED_SYNC_AUTO;
    config.n_ctx = 512;
    Timed result;
    result.outcome = run(loaded, config, {held_out_text().substr(0, kTextBytes), "", 0});
    result.us = ggml_backend_sim_time_us();
    return result;
}

TEST(PipelineOfFourDevices, ReachesThreePointTwoTimesOneDevice) {
    const Timed one = timed("sim,cpu", false);
    const Timed four = timed("sim*4,cpu", true);
    EXPECT_TRUE(one.outcome.same_results(four.outcome)) << one.outcome.error << four.outcome.error;
    if (kTextBytes > 1000) { // a short text leaves too few micro-batches to fill the pipeline
        EXPECT_GE(one.us / four.us, 3.2) << one.us << " us on one device, " << four.us << " us on four";
    }
}

TEST(PipelineOfFourDevices, BlocksTheHostOnlyToThrottle) {
    const Timed four = timed("sim*4,cpu", true);
    EXPECT_EQ(four.outcome.error, "");
    EXPECT_EQ(four.outcome.stats.host_waits, 0U);
    EXPECT_EQ(four.outcome.stats.blocking_copies, 0U);
    EXPECT_GT(four.outcome.stats.throttle_waits, 0U);
}

} // namespace
} // namespace tests
