// Parted experts in sequences of calls: graphs that cannot be parted come before or between those that can.

#include <gtest/gtest.h>

#include <array>

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

using Ids = std::vector<int32_t>;

// Computes two blocks with these ids. Both begin before one ends, and the second one reads the experts of layer
// `second`.
std::vector<float> run_interleaved(const Rig & rig, const ExpertLayers & layers, int seed, size_t second,
                                   const std::array<Ids, 2> & ids_of_blocks) {
    const auto n_tokens = static_cast<int64_t>(ids_of_blocks[0].size()) / ExpertLayers::kChosen;
    const ExpertLayers::Layer * const blocks[2] = {&layers.layers[0], &layers.layers[second]};
    const ContextPtr context = make_context();
    ggml_context * const ctx = context.get();
    ggml_tensor * const x = ggml_new_tensor_2d(ctx, GGML_TYPE_F32, ExpertLayers::kWidth, n_tokens);
    ggml_set_input(x);
    ggml_tensor * const activation =
        ggml_reshape_3d(ctx, ggml_mul_mat(ctx, blocks[0]->dense, x), ExpertLayers::kWidth, 1, n_tokens);
    ggml_cgraph * const graph = ggml_new_graph(ctx);
    ggml_tensor * ids[2];
    ggml_tensor * chosen[2];
    ggml_tensor * up[2];
    for (int i = 0; i < 2; i++) {
        ids[i] = ggml_new_tensor_2d(ctx, GGML_TYPE_I32, ExpertLayers::kChosen, n_tokens);
        ggml_set_input(ids[i]);
        chosen[i] = ggml_cont(ctx, ids[i]);
        up[i] = ggml_mul_mat_id(ctx, blocks[i]->up, activation, chosen[i]);
        ggml_build_forward_expand(graph, up[i]);
    }
    // The second block ends first.
    ggml_tensor * const second_down = ggml_mul_mat_id(ctx, blocks[1]->down, up[1], chosen[1]);
    ggml_build_forward_expand(graph, second_down);
    ggml_tensor * const first_down = ggml_mul_mat_id(ctx, blocks[0]->down, up[0], chosen[0]);
    ggml_tensor * const result = ggml_cont(ctx, ggml_add(ctx, first_down, second_down));
    ggml_set_output(result);
    ggml_build_forward_expand(graph, result);
    ggml_backend_sched_reset(rig.sched());
    if (!ggml_backend_sched_alloc_graph(rig.sched(), graph)) {
        return {};
    }
    write_floats(x, random_floats(static_cast<size_t>(ggml_nelements(x)), static_cast<uint64_t>(seed)));
    for (int i = 0; i < 2; i++) {
        ggml_backend_tensor_set(ids[i], ids_of_blocks[static_cast<size_t>(i)].data(), 0, ggml_nbytes(ids[i]));
    }
    const ggml_status status = ggml_backend_sched_graph_compute(rig.sched(), graph);
    return status == GGML_STATUS_SUCCESS ? read_floats(result) : std::vector<float>();
}

// Blocks with one bank, and with a bank each
TEST(PartedSequences, KeepTheExpertsOfABlockUntilItEnds) {
    constexpr int kSeeds = 12;
    for (const size_t second : {0, 1}) {
        std::vector<std::vector<float>> expected;
        for (const auto & [misses, percent] : {std::pair{GGML_SCHED_EXPERT_MISSES_NONE, 0},
                                               {kShared, 0},
                                               {kShared, 50},
                                               {kShared, 100},
                                               {kUpload, -1}}) {
            RigOptions options = three_entries(misses);
            options.experts = misses == GGML_SCHED_EXPERT_MISSES_NONE ? 0 : options.experts / (second == 0 ? 2 : 1);
            options.uploaded_percent = percent;
            Rig rig(options);
            ExpertLayers layers(rig, {});
            for (size_t seed = 0; seed < kSeeds; seed++) {
                const std::vector<float> result = run_interleaved(rig, layers, static_cast<int>(seed), second,
                                                                  {ExpertLayers::ids_of(static_cast<int>(seed), 0, 1),
                                                                   ExpertLayers::ids_of(static_cast<int>(seed), 1, 1)});
                ASSERT_FALSE(result.empty()) << ggml_sched_get_error(rig.sched());
                if (misses == GGML_SCHED_EXPERT_MISSES_NONE) {
                    expected.push_back(result);
                }
                EXPECT_EQ(result, expected[seed]) << misses << ", " << percent << " % uploaded, seed " << seed;
            }
            const uint64_t n_parted = misses == GGML_SCHED_EXPERT_MISSES_NONE ? 0 : second == 0 ? 1 : 2;
            EXPECT_EQ(rig.stats().expert_pairs, n_parted * kSeeds * ExpertLayers::kChosen);
        }
    }
}

// When the second block begins, expert 5 of the first one is missing and was chosen more often than expert 1. It must
// not take the entry that the first block has still to read.
TEST(PartedSequences, DoNotReplaceAnExpertInTheMiddleOfItsBlock) {
    const Ids usual = {0, 2, 3, 0}; // of two tokens; experts 0 to 3 have entries
    const Ids last = {5, 1, 5, 0};
    std::vector<std::vector<float>> results;
    for (const bool has_banks : {false, true}) {
        RigOptions options = three_entries(kShared);
        options.experts = has_banks ? options.experts : 0;
        options.uploaded_percent = 0;
        Rig rig(options);
        ExpertLayers layers(rig, {});
        for (int seed = 0; seed < 8; seed++) {
            EXPECT_FALSE(run_interleaved(rig, layers, seed, 1, {usual, usual}).empty());
        }
        results.push_back(run_interleaved(rig, layers, 8, 1, {last, usual}));
        EXPECT_EQ(rig.stats().expert_misses, has_banks ? 2U : 0U);
    }
    EXPECT_EQ(results[1], results[0]);
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
        EXPECT_EQ(rig.stats().expert_pairs, 32U);
    }
}

} // namespace
} // namespace ggml_sched::test
