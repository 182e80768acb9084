// Parted experts in sequences of calls: graphs that cannot be parted come before or between those that can.

#include <gtest/gtest.h>

#include "support/expert_layers.h"

namespace ggml_sched::test {
namespace {

constexpr auto kShared = GGML_SCHED_EXPERT_MISSES_SHARED;
constexpr auto kUpload = GGML_SCHED_EXPERT_MISSES_UPLOAD;

// A device with room for three of the eight experts of two layers
RigOptions three_entries(ggml_sched_expert_misses misses) {
    RigOptions options;
    options.devices = {GGML_SIM_PROFILE_CUDA};
    options.experts = 6 * ExpertLayers::kExpertBytes + 4096;
    options.misses = misses;
    return options;
}

// Lets both layers read the experts of the first one.
void share_experts(ExpertLayers & layers) {
    layers.layers[1].gate = layers.layers[0].gate;
    layers.layers[1].up = layers.layers[0].up;
    layers.layers[1].down = layers.layers[0].down;
}

// Returns the results of the seeds with experts in host memory. One rig at a time may use the simulated devices.
std::vector<std::vector<float>> expected_of(int n_seeds, bool shares_experts = false) {
    RigOptions options = three_entries(kShared);
    options.experts = 0;
    Rig rig(options);
    ExpertLayers layers(rig, {});
    if (shares_experts) {
        share_experts(layers);
    }
    std::vector<std::vector<float>> results;
    results.reserve(static_cast<size_t>(n_seeds));
    for (int seed = 0; seed < n_seeds; seed++) {
        results.push_back(layers.run(rig, seed));
    }
    return results;
}

TEST(PartedSequences, BeginWithAGraphThatHasNoPattern) {
    const std::vector<std::vector<float>> expected = expected_of(4);
    Rig rig(three_entries(kShared));
    ExpertLayers layers(rig, {});
    layers.on_layer = [](ggml_context *, ExpertLayers::Layer & layer) { ggml_set_output(layer.experts->src[1]); };
    EXPECT_EQ(layers.run(rig, 0), expected[0]);
    EXPECT_EQ(layers.run(rig, 1), expected[1]);
    EXPECT_EQ(rig.stats().resident_bytes, 0U);
    layers.on_layer = nullptr;
    EXPECT_EQ(layers.run(rig, 2), expected[2]);
    EXPECT_EQ(layers.run(rig, 3), expected[3]);
    EXPECT_EQ(rig.stats().expert_pairs, 8U);
}

TEST(PartedSequences, HaveAGraphWithoutAPatternInTheMiddle) {
    const std::vector<std::vector<float>> expected = expected_of(6);
    for (const ggml_sched_expert_misses misses : {kShared, kUpload}) {
        Rig rig(three_entries(misses));
        ExpertLayers layers(rig, {});
        for (int seed = 0; seed < 6; seed++) {
            layers.on_layer = nullptr;
            if (seed % 2 == 1) {
                layers.on_layer = [](ggml_context *, ExpertLayers::Layer & layer) {
                    ggml_set_output(layer.experts->src[1]);
                };
            }
            EXPECT_EQ(layers.run(rig, seed), expected[static_cast<size_t>(seed)]) << seed;
        }
        EXPECT_EQ(rig.stats().expert_pairs, 12U);
    }
}

bool see_nothing(ggml_backend_t, const ggml_tensor *, ggml_tensor *, ggml_cgraph *, void *) {
    return false;
}

TEST(PartedSequences, WaitUntilACopyCallbackIsRemoved) {
    const std::vector<std::vector<float>> expected = expected_of(3);
    Rig rig(three_entries(kShared));
    ExpertLayers layers(rig, {});
    ggml_backend_sched_set_copy_callback(rig.sched(), see_nothing, nullptr);
    EXPECT_EQ(layers.run(rig, 0), expected[0]);
    EXPECT_EQ(rig.stats().resident_bytes, 0U);
    ggml_backend_sched_set_copy_callback(rig.sched(), nullptr, nullptr);
    EXPECT_EQ(layers.run(rig, 1), expected[1]);
    EXPECT_EQ(rig.stats().expert_pairs, 4U);
    ggml_backend_sched_set_copy_callback(rig.sched(), see_nothing, nullptr);
    EXPECT_EQ(layers.run(rig, 2), expected[2]);
    EXPECT_EQ(rig.stats().expert_pairs, 4U);
}

TEST(PartedSequences, SayWhyABankIsNotUsed) {
    Rig rig(three_entries(kShared));
    ExpertLayers layers(rig, {});
    layers.run(rig, 0);
    const LogCapture log;
    ggml_sched_set_debug(rig.sched(), 1);
    layers.run(rig, 1, 32);
    EXPECT_TRUE(log.contains("does not use its bank: the graph has 32 tokens")) << log.text();
}

TEST(PartedSequences, OfUploadsGoOnAfterWrongIds) {
    const std::vector<std::vector<float>> expected = expected_of(3);
    Rig rig(three_entries(kUpload));
    ExpertLayers layers(rig, {});
    EXPECT_EQ(layers.run(rig, 0), expected[0]);
    layers.build(1);
    ggml_backend_sched_reset(rig.sched());
    ASSERT_TRUE(ggml_backend_sched_alloc_graph(rig.sched(), layers.graph));
    layers.write_inputs(1);
    const std::vector<int32_t> wrong = {3, 100};
    ggml_backend_tensor_set(layers.layers[0].ids, wrong.data(), 0, ggml_nbytes(layers.layers[0].ids));
    {
        const LogCapture log;
        EXPECT_EQ(ggml_backend_sched_graph_compute(rig.sched(), layers.graph), GGML_STATUS_FAILED);
    }
    EXPECT_EQ(layers.run(rig, 1), expected[1]);
    EXPECT_EQ(layers.run(rig, 2), expected[2]);
}

TEST(PartedSequences, MayUseOneBankTwiceInAGraph) {
    const std::vector<std::vector<float>> expected = expected_of(8, true);
    for (const ggml_sched_expert_misses misses : {kShared, kUpload}) {
        RigOptions options = three_entries(misses);
        options.experts /= 2; // for the only layer of experts
        Rig rig(options);
        ExpertLayers layers(rig, {});
        share_experts(layers);
        for (int seed = 0; seed < 8; seed++) {
            EXPECT_EQ(layers.run(rig, seed), expected[static_cast<size_t>(seed)])
                << seed << ": " << ggml_sched_get_error(rig.sched());
        }
        // The second block could replace what the first one has still to read, so it is not uploaded.
        EXPECT_EQ(rig.stats().expert_pairs, misses == kShared ? 32U : 16U);
    }
}

} // namespace
} // namespace ggml_sched::test
