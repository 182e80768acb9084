// The waits and copies of well-known small graphs, asserted as strings.

#include <gtest/gtest.h>

#include "support/rig.h"

namespace ggml_sched::test {
namespace {

constexpr int64_t kSize = 64;

// ((a + b) * c) on the first device, from three inputs of the caller
struct ThreeInputs {
    ContextPtr context = make_context();
    ggml_tensor * inputs[3];
    ggml_tensor * result;
    ggml_cgraph * graph;

    explicit ThreeInputs(Rig & rig) {
        ggml_context * ctx = context.get();
        for (int i = 0; i < 3; i++) {
            inputs[i] = ggml_new_tensor_1d(ctx, GGML_TYPE_F32, kSize);
            ggml_format_name(inputs[i], "input%d", i);
            ggml_set_input(inputs[i]);
        }
        ggml_tensor * sum = ggml_add(ctx, inputs[0], inputs[1]);
        result = ggml_mul(ctx, sum, inputs[2]);
        ggml_set_output(result);
        graph = ggml_new_graph(ctx);
        ggml_build_forward_expand(graph, result);
        ggml_backend_sched_set_tensor_backend(rig.sched(), sum, rig.device(0));
        ggml_backend_sched_set_tensor_backend(rig.sched(), result, rig.device(0));
        EXPECT_TRUE(ggml_backend_sched_alloc_graph(rig.sched(), graph));
    }

    void set(float a, float b, float c) {
        write_floats(inputs[0], std::vector<float>(kSize, a));
        write_floats(inputs[1], std::vector<float>(kSize, b));
        write_floats(inputs[2], std::vector<float>(kSize, c));
    }
};

struct ModePattern {
    ggml_sched_sync_mode mode;
    const char * name;
    const char * pattern;
};

constexpr ModePattern kModePatterns[] = {
    {GGML_SCHED_SYNC_AUTO, "Auto", "aaag"},
    {GGML_SCHED_SYNC_BARRIER, "Barrier", "saaasg"},
    {GGML_SCHED_SYNC_SERIAL, "Serial", "sassassasg"},
};

std::string mode_name(const testing::TestParamInfo<ModePattern> & info) {
    return info.param.name;
}

class ThreeInputPattern : public testing::TestWithParam<ModePattern> {};

TEST_P(ThreeInputPattern, IsTheOneOfTheMode) {
    RigOptions options;
    options.devices = {GGML_SIM_PROFILE_CUDA};
    options.mode = GetParam().mode;
    Rig rig(options);
    ThreeInputs graph(rig);
    graph.set(1, 2, 3);
    ASSERT_EQ(ggml_backend_sched_graph_compute(rig.sched(), graph.graph), GGML_STATUS_SUCCESS);
    EXPECT_EQ(ggml_backend_sched_get_n_splits(rig.sched()), 1);
    EXPECT_EQ(rig.pattern(0), GetParam().pattern) << rig.plan();
    EXPECT_EQ(read_floats(graph.result), std::vector<float>(kSize, 9));
}

INSTANTIATE_TEST_SUITE_P(Modes, ThreeInputPattern, testing::ValuesIn(kModePatterns), mode_name);

TEST(Pattern, OfARepeatedRunIsThatOfTheFirstAfterSynchronize) {
    RigOptions options;
    options.devices = {GGML_SIM_PROFILE_CUDA};
    Rig rig(options);
    ThreeInputs graph(rig);
    for (int i = 0; i < 5; i++) {
        graph.set(1, static_cast<float>(i), 3);
        ASSERT_EQ(ggml_backend_sched_graph_compute(rig.sched(), graph.graph), GGML_STATUS_SUCCESS);
        EXPECT_EQ(rig.pattern(0), "aaag");
        EXPECT_EQ(read_floats(graph.result), std::vector<float>(kSize, (1 + static_cast<float>(i)) * 3));
    }
    EXPECT_EQ(rig.stats().host_waits, 0u);
    EXPECT_EQ(rig.stats().plans, 2u) << "one for the first run, one for all others";
    EXPECT_EQ(rig.stats().snapshots, 15u);
}

// H7, #27506: the caller writes its inputs as soon as the call has returned.
TEST(CallerOwnedInputs, MayBeOverwrittenWhenTheCallReturns) {
    for (const auto profile : {GGML_SIM_PROFILE_CUDA, GGML_SIM_PROFILE_VULKAN, GGML_SIM_PROFILE_NO_EVENTS,
                               GGML_SIM_PROFILE_NO_ASYNC, GGML_SIM_PROFILE_UMA}) {
        for (const auto mode : {GGML_SCHED_SYNC_AUTO, GGML_SCHED_SYNC_BARRIER, GGML_SCHED_SYNC_SERIAL}) {
            SCOPED_TRACE(std::string(ggml_sim_profile_name(profile)) + " mode " + std::to_string(mode));
            RigOptions options;
            options.devices = {profile};
            options.mode = mode;
            Rig rig(options);
            ThreeInputs graph(rig);
            for (int run = 0; run < 7; run++) {
                const float x = static_cast<float>(run);
                graph.set(x, 2, 3);
                ASSERT_EQ(ggml_backend_sched_graph_compute_async(rig.sched(), graph.graph), GGML_STATUS_SUCCESS);
                graph.set(-100, -200, -300);
                if (run % 3 == 2) {
                    ggml_backend_sched_synchronize(rig.sched());
                    EXPECT_EQ(read_floats(graph.result), std::vector<float>(kSize, (x + 2) * 3));
                }
            }
            ggml_backend_sched_synchronize(rig.sched());
        }
    }
}

} // namespace
} // namespace ggml_sched::test
