// Parted experts: a device computes the pairs whose experts have an entry, the CPU the others, and the result is that
// of a graph that nobody changed.

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>

#include "support/expert_layers.h"

namespace ggml_sched::test {
namespace {

constexpr size_t kSlack = 65536; // for alignment
constexpr auto kShared = GGML_SCHED_EXPERT_MISSES_SHARED;
constexpr auto kUpload = GGML_SCHED_EXPERT_MISSES_UPLOAD;

// Room for so many of the experts of each layer
size_t entries(int n_entries, int n_layers = 2) {
    return static_cast<size_t>(n_entries * n_layers) * ExpertLayers::kExpertBytes + 4096;
}

RigOptions on(ggml_sim_profile device, size_t experts, ggml_sched_expert_misses misses) {
    RigOptions options;
    options.devices = {device};
    options.experts = experts;
    options.misses = misses;
    return options;
}

// Returns the results of the seeds with experts in host memory. One rig at a time may use the simulated devices.
std::vector<std::vector<float>> expected_of(const ExpertLayers::Options & options, int n_seeds, int64_t n_tokens) {
    Rig rig(on(GGML_SIM_PROFILE_CUDA, 0, GGML_SCHED_EXPERT_MISSES_NONE));
    ExpertLayers layers(rig, options);
    std::vector<std::vector<float>> results;
    for (int seed = 0; seed < n_seeds; seed++) {
        results.push_back(layers.run(rig, seed, n_tokens));
        EXPECT_FALSE(results.back().empty()) << ggml_sched_get_error(rig.sched());
    }
    return results;
}

struct Way {
    const char * name;
    ggml_sim_profile device;
    ggml_sched_expert_misses misses;
    int n_entries;
    int64_t n_tokens;
    ExpertLayers::Options layers = {};
    int uploaded_percent = -1;
};

void PrintTo(const Way & way, std::ostream * out) {
    *out << way.name;
}

class PartedExpertsIn : public testing::TestWithParam<Way> {};

TEST_P(PartedExpertsIn, GiveTheBitsOfAGraphThatIsNotChanged) {
    constexpr int kSeeds = 12;
    const Way & way = GetParam();
    const std::vector<std::vector<float>> expected = expected_of(way.layers, kSeeds, way.n_tokens);
    RigOptions options = on(way.device, entries(way.n_entries), way.misses);
    options.uploaded_percent = way.uploaded_percent;
    Rig rig(options);
    ExpertLayers layers(rig, way.layers);
    for (int seed = 0; seed < kSeeds; seed++) {
        EXPECT_EQ(layers.run(rig, seed, way.n_tokens), expected[static_cast<size_t>(seed)])
            << seed << ": " << ggml_sched_get_error(rig.sched());
    }
    const ggml_sched_stats stats = rig.stats();
    EXPECT_EQ(stats.expert_pairs, static_cast<uint64_t>(way.n_tokens * ExpertLayers::kChosen * 2 * kSeeds));
    EXPECT_GT(stats.expert_uploads, 0U);
    EXPECT_LT(stats.expert_misses, stats.expert_pairs);
    EXPECT_EQ(stats.expert_misses > 0, way.misses == GGML_SCHED_EXPERT_MISSES_SHARED && way.uploaded_percent < 100);
}

INSTANTIATE_TEST_SUITE_P(
    Ways, PartedExpertsIn,
    testing::Values(Way{"Cuda", GGML_SIM_PROFILE_CUDA, kShared, 3, 1},
                    Way{"Vulkan", GGML_SIM_PROFILE_VULKAN, kShared, 3, 1},
                    Way{"NoEvents", GGML_SIM_PROFILE_NO_EVENTS, kShared, 3, 1},
                    Way{"NoAsync", GGML_SIM_PROFILE_NO_ASYNC, kShared, 3, 1},
                    Way{"FewEntries", GGML_SIM_PROFILE_CUDA, kShared, 2, 1},
                    Way{"ManyEntries", GGML_SIM_PROFILE_CUDA, kShared, 7, 1},
                    Way{"TwoTokens", GGML_SIM_PROFILE_CUDA, kShared, 3, 2},
                    Way{"SixteenTokens", GGML_SIM_PROFILE_CUDA, kShared, 4, 16},
                    Way{"Fused", GGML_SIM_PROFILE_CUDA, kShared, 3, 1, {2, true, false, {0}}},
                    Way{"FusedForThreeTokens", GGML_SIM_PROFILE_CUDA, kShared, 3, 3, {2, true, false, {0}}},
                    Way{"WeightedFirst", GGML_SIM_PROFILE_CUDA, kShared, 3, 1, {2, false, true, {0}}},
                    Way{"WeightedFirstForTwoTokens", GGML_SIM_PROFILE_CUDA, kShared, 3, 2, {2, false, true, {0}}},
                    Way{"HalfUploaded", GGML_SIM_PROFILE_CUDA, kShared, 3, 2, {}, 50},
                    Way{"HalfUploadedOfSixteenTokens", GGML_SIM_PROFILE_CUDA, kShared, 4, 16, {}, 50},
                    Way{"HalfUploadedWithoutEvents", GGML_SIM_PROFILE_NO_EVENTS, kShared, 3, 2, {}, 50},
                    Way{"HalfUploadedWithoutAsync", GGML_SIM_PROFILE_NO_ASYNC, kShared, 3, 2, {}, 50},
                    Way{"AllUploaded", GGML_SIM_PROFILE_VULKAN, kShared, 3, 1, {}, 100},
                    Way{"AllUploadedFused", GGML_SIM_PROFILE_CUDA, kShared, 2, 1, {2, true, false, {0}}, 100},
                    Way{"Upload", GGML_SIM_PROFILE_CUDA, kUpload, 3, 1},
                    Way{"UploadWithoutEvents", GGML_SIM_PROFILE_NO_EVENTS, kUpload, 3, 1},
                    Way{"UploadWithoutAsync", GGML_SIM_PROFILE_NO_ASYNC, kUpload, 3, 1},
                    Way{"UploadForTwoTokens", GGML_SIM_PROFILE_VULKAN, kUpload, 4, 2},
                    Way{"UploadFused", GGML_SIM_PROFILE_CUDA, kUpload, 2, 1, {2, true, false, {0}}}),
    [](const auto & info) { return std::string(info.param.name); });

// Runs seeds on a device with three entries of eight, and expects what a graph without entries computes.
void expect_right(Rig & rig, ExpertLayers & layers, const std::vector<std::vector<float>> & expected) {
    for (size_t seed = 0; seed < expected.size(); seed++) {
        EXPECT_EQ(layers.run(rig, static_cast<int>(seed), 1), expected[seed])
            << seed << ": " << ggml_sched_get_error(rig.sched());
    }
}

TEST(PartedExperts, AreComputedOnTheCpuUntilTheyHaveAnEntry) {
    Rig rig(on(GGML_SIM_PROFILE_CUDA, entries(3), kShared));
    ExpertLayers layers(rig, {});
    uint64_t n_missing = 0; // The first three experts have the entries.
    for (const int layer : {0, 1}) {
        for (const int32_t expert : ExpertLayers::ids_of(7, layer, 1)) {
            n_missing += expert >= 3;
        }
    }
    ASSERT_GT(n_missing, 0U);
    uint64_t n_uploaded = 0;
    for (int i = 0; i < 3; i++) {
        ggml_sched_reset_stats(rig.sched());
        layers.run(rig, 7); // the same experts again
        EXPECT_EQ(rig.stats().expert_pairs, 4U);
        EXPECT_EQ(rig.stats().expert_misses, i == 0 ? n_missing : 0U);
        n_uploaded += rig.stats().expert_uploads;
        EXPECT_EQ(n_uploaded == n_missing, i > 0) << "the last layer's when the second run begins";
    }
}

TEST(PartedExperts, AreAsManyAsTheBudgetHasRoomFor) {
    for (const int n_entries : {2, 5}) {
        Rig rig(on(GGML_SIM_PROFILE_CUDA, entries(n_entries), kShared));
        ExpertLayers layers(rig, {});
        layers.run(rig, 1);
        EXPECT_LE(rig.stats().resident_bytes, entries(n_entries));
        EXPECT_GE(rig.stats().resident_bytes, 2 * static_cast<size_t>(n_entries) * ExpertLayers::kExpertBytes);
    }
}

TEST(PartedExperts, AreNoneIfAllBlocksFitWhole) {
    Rig rig(on(GGML_SIM_PROFILE_CUDA, 2 * ExpertLayers::kLayerBytes + kSlack, kShared));
    ExpertLayers layers(rig, {});
    layers.run(rig, 1);
    EXPECT_EQ(rig.stats().expert_pairs, 0U);
    EXPECT_EQ(ggml_backend_sched_get_n_splits(rig.sched()), 1);
}

TEST(PartedExperts, LieOnTheDeviceOfTheirLayer) {
    RigOptions options = on(GGML_SIM_PROFILE_CUDA, entries(3, 1), kShared);
    options.devices = {GGML_SIM_PROFILE_CUDA, GGML_SIM_PROFILE_VULKAN};
    ExpertLayers::Options on_two;
    on_two.devices = {0, 1};
    std::vector<std::vector<float>> expected;
    {
        options.experts = 0;
        Rig rig(options);
        ExpertLayers layers(rig, on_two);
        for (int seed = 0; seed < 6; seed++) {
            expected.push_back(layers.run(rig, seed));
        }
    }
    options.experts = entries(3, 1);
    Rig rig(options);
    ExpertLayers layers(rig, on_two);
    expect_right(rig, layers, expected);
    EXPECT_GT(rig.stats().expert_uploads, 0U);
    for (int i = 0; i < 2; i++) {
        EXPECT_EQ(ggml_backend_sched_get_tensor_backend(rig.sched(), layers.layers[static_cast<size_t>(i)].experts),
                  rig.device(i));
    }
}

TEST(PartedExperts, LeaveTheGraphAsTheCallerBuiltIt) {
    Rig rig(on(GGML_SIM_PROFILE_CUDA, entries(3), kShared));
    ExpertLayers layers(rig, {});
    layers.build(2);
    struct Before {
        ggml_tensor * node;
        ggml_tensor copy;
    };
    std::vector<Before> before;
    before.reserve(static_cast<size_t>(ggml_graph_n_nodes(layers.graph)));
    for (int i = 0; i < ggml_graph_n_nodes(layers.graph); i++) {
        before.push_back({ggml_graph_node(layers.graph, i), *ggml_graph_node(layers.graph, i)});
    }
    const auto expect_same = [&](const char * when) {
        ASSERT_EQ(ggml_graph_n_nodes(layers.graph), static_cast<int>(before.size()));
        for (size_t i = 0; i < before.size(); i++) {
            const ggml_tensor & now = *before[i].node;
            EXPECT_EQ(ggml_graph_node(layers.graph, static_cast<int>(i)), before[i].node) << when;
            EXPECT_EQ(now.op, before[i].copy.op) << when << now.name;
            EXPECT_TRUE(std::equal(now.src, now.src + GGML_MAX_SRC, before[i].copy.src)) << when << now.name;
            EXPECT_TRUE(std::equal(now.ne, now.ne + GGML_MAX_DIMS, before[i].copy.ne)) << when << now.name;
            EXPECT_EQ(std::memcmp(now.op_params, before[i].copy.op_params, sizeof(now.op_params)), 0) << when;
        }
    };
    ASSERT_TRUE(ggml_backend_sched_alloc_graph(rig.sched(), layers.graph)) << ggml_sched_get_error(rig.sched());
    expect_same("allocated: ");
    layers.write_inputs(1);
    for (int i = 0; i < 3; i++) {
        EXPECT_EQ(ggml_backend_sched_graph_compute(rig.sched(), layers.graph), GGML_STATUS_SUCCESS);
        expect_same("computed: ");
    }
    EXPECT_GT(rig.stats().expert_pairs, 0U);
    ggml_backend_sched_split_graph(rig.sched(), layers.graph);
    expect_same("split: ");
}

TEST(PartedExperts, AreRightIfOneGraphIsComputedAgainAndAgain) {
    const std::vector<std::vector<float>> expected = expected_of({}, 20, 1);
    for (const ggml_sched_expert_misses misses : {kShared, kUpload}) {
        RigOptions options = on(GGML_SIM_PROFILE_CUDA, entries(3), misses);
        options.parallel = true;
        options.n_copies = 1;
        Rig rig(options);
        ExpertLayers layers(rig, {});
        layers.build(1);
        ASSERT_TRUE(ggml_backend_sched_alloc_graph(rig.sched(), layers.graph));
        for (int seed = 0; seed < 20; seed++) {
            layers.write_inputs(seed);
            ASSERT_EQ(ggml_backend_sched_graph_compute(rig.sched(), layers.graph), GGML_STATUS_SUCCESS);
            EXPECT_EQ(read_floats(layers.result), expected[static_cast<size_t>(seed)]) << seed;
        }
        EXPECT_EQ(rig.stats().expert_pairs, 80U);
    }
}

TEST(PartedExperts, AreComparedWithRunsWithoutAndStayRight) {
    constexpr int kRuns = 110; // two trials
    const std::vector<std::vector<float>> expected = expected_of({}, kRuns, 1);
    Rig rig(on(GGML_SIM_PROFILE_CUDA, entries(3), kShared));
    ExpertLayers layers(rig, {});
    const LogCapture log;
    for (int seed = 0; seed < kRuns; seed++) {
        EXPECT_EQ(layers.run(rig, seed), expected[static_cast<size_t>(seed)]) << seed;
    }
    const ggml_sched_stats stats = rig.stats();
    EXPECT_LE(stats.expert_pairs, 4U * (kRuns - 2)) << "two runs or more were as the caller built the graph";
    EXPECT_GE(stats.expert_pairs, 4U * 64);
    EXPECT_EQ(stats.expert_banks_off == 1, log.contains("so graphs are no longer parted")) << log.text();
    ggml_sched_reset_stats(rig.sched());
    EXPECT_EQ(rig.stats().expert_banks_off, stats.expert_banks_off);
}

TEST(PartedExperts, StayPartedAfterManyTokensAndAPrompt) {
    const std::vector<std::vector<float>> expected = expected_of({}, 40, 1);
    Rig rig(on(GGML_SIM_PROFILE_CUDA, entries(3), kShared));
    ExpertLayers layers(rig, {});
    uint64_t n_runs = 0;
    const LogCapture log;
    for (int turn = 0; turn < 4; turn++) {
        layers.run(rig, turn, 32);
        ggml_backend_sched_reset(rig.sched());
        layers.build(1);
        ASSERT_TRUE(ggml_backend_sched_alloc_graph(rig.sched(), layers.graph));
        for (int seed = 0; seed < 40; seed++, n_runs++) {
            layers.write_inputs(seed);
            ASSERT_EQ(ggml_backend_sched_graph_compute(rig.sched(), layers.graph), GGML_STATUS_SUCCESS);
            EXPECT_EQ(read_floats(layers.result), expected[static_cast<size_t>(seed)]) << seed;
        }
    }
    EXPECT_EQ(rig.stats().expert_pairs, 4 * n_runs) << log.text();
    EXPECT_EQ(rig.stats().expert_banks_off, 0U);
}

TEST(PartedExperts, AreRightWhenOneGraphIsAllocatedAgain) {
    constexpr int kRuns = 10;
    const std::vector<std::vector<float>> expected = expected_of({}, kRuns, 1);
    Rig rig(on(GGML_SIM_PROFILE_CUDA, entries(3), kShared));
    ExpertLayers layers(rig, {});
    layers.build(1);
    for (int seed = 0; seed < kRuns; seed++) {
        ASSERT_TRUE(ggml_backend_sched_alloc_graph(rig.sched(), layers.graph)) << ggml_sched_get_error(rig.sched());
        layers.write_inputs(seed);
        ASSERT_EQ(ggml_backend_sched_graph_compute(rig.sched(), layers.graph), GGML_STATUS_SUCCESS);
        EXPECT_EQ(read_floats(layers.result), expected[static_cast<size_t>(seed)]) << seed;
    }
    EXPECT_EQ(rig.stats().expert_pairs, 4U * kRuns);
}

TEST(PartedExperts, AreComputedAsBuiltForManyTokens) {
    const std::vector<std::vector<float>> expected = expected_of({}, 2, 32);
    Rig rig(on(GGML_SIM_PROFILE_CUDA, entries(3), kShared));
    ExpertLayers layers(rig, {});
    EXPECT_EQ(layers.run(rig, 0, 32), expected[0]);
    layers.run(rig, 5, 1);
    EXPECT_EQ(layers.run(rig, 1, 32), expected[1]);
    EXPECT_EQ(rig.stats().expert_pairs, 4U) << "those of the graph with one token";
}

TEST(PartedExperts, AreComputedAsBuiltIfUploadsNeedMoreEntries) {
    const std::vector<std::vector<float>> expected = expected_of({}, 3, 4);
    Rig rig(on(GGML_SIM_PROFILE_CUDA, entries(3), kUpload));
    ExpertLayers layers(rig, {});
    for (int seed = 0; seed < 3; seed++) {
        EXPECT_EQ(layers.run(rig, seed, 4), expected[static_cast<size_t>(seed)]);
    }
    EXPECT_EQ(rig.stats().expert_pairs, 0U);
}

bool note_names(ggml_tensor * node, bool ask, void * names) {
    if (!ask) {
        static_cast<std::vector<std::string> *>(names)->emplace_back(node->name);
    }
    return true;
}

TEST(PartedExperts, AreNotSeenByAnEvalCallback) {
    const std::vector<std::vector<float>> expected = expected_of({}, 1, 1);
    Rig rig(on(GGML_SIM_PROFILE_CUDA, entries(3), kShared));
    ExpertLayers layers(rig, {});
    layers.run(rig, 3);
    layers.build(1);
    ggml_backend_sched_reset(rig.sched());
    ASSERT_TRUE(ggml_backend_sched_alloc_graph(rig.sched(), layers.graph));
    layers.write_inputs(0);
    std::vector<std::string> names; // The callback is set after the allocation.
    ggml_backend_sched_set_eval_callback(rig.sched(), note_names, &names);
    EXPECT_EQ(ggml_backend_sched_graph_compute(rig.sched(), layers.graph), GGML_STATUS_SUCCESS);
    EXPECT_EQ(read_floats(layers.result), expected[0]);
    const auto is_ours = [](const std::string & name) { return name.find("(missing)") != std::string::npos; };
    EXPECT_TRUE(std::none_of(names.begin(), names.end(), is_ours));
    EXPECT_NE(std::find(names.begin(), names.end(), "experts-1"), names.end());
    ggml_backend_sched_set_eval_callback(rig.sched(), nullptr, nullptr);
    EXPECT_EQ(layers.run(rig, 0), expected[0]);
    EXPECT_EQ(rig.stats().expert_pairs, 8U) << "the first and the last run";
}

TEST(PartedExperts, StayOnTheBackendThatTheUserHasChosen) {
    const std::vector<std::vector<float>> expected = expected_of({}, 1, 1);
    Rig rig(on(GGML_SIM_PROFILE_CUDA, entries(3), kShared));
    ExpertLayers layers(rig, {});
    layers.run(rig, 3);
    ggml_backend_sched_reset(rig.sched());
    layers.build(1);
    ggml_backend_sched_set_tensor_backend(rig.sched(), layers.layers[0].experts, rig.cpu());
    ASSERT_TRUE(ggml_backend_sched_alloc_graph(rig.sched(), layers.graph)) << ggml_sched_get_error(rig.sched());
    layers.write_inputs(0);
    EXPECT_EQ(ggml_backend_sched_graph_compute(rig.sched(), layers.graph), GGML_STATUS_SUCCESS);
    EXPECT_EQ(read_floats(layers.result), expected[0]);
    EXPECT_EQ(ggml_backend_sched_get_tensor_backend(rig.sched(), layers.layers[0].experts), rig.cpu());
}

TEST(PartedExperts, ThatDoNotExistFailTheRun) {
    for (const int32_t wrong : {8, -1, INT32_MAX}) {
        Rig rig(on(GGML_SIM_PROFILE_CUDA, entries(3), kShared));
        ExpertLayers layers(rig, {});
        layers.build(1);
        ASSERT_TRUE(ggml_backend_sched_alloc_graph(rig.sched(), layers.graph));
        layers.write_inputs(0);
        const std::vector<int32_t> ids = {wrong, 1};
        ggml_backend_tensor_set(layers.layers[1].ids, ids.data(), 0, ggml_nbytes(layers.layers[1].ids));
        const LogCapture log;
        EXPECT_EQ(ggml_backend_sched_graph_compute(rig.sched(), layers.graph), GGML_STATUS_FAILED);
        EXPECT_EQ(std::string(ggml_sched_get_error(rig.sched())),
                  "'ids-1' names expert " + std::to_string(wrong) + " of 8; the result is wrong");
        layers.write_inputs(0);
        EXPECT_EQ(ggml_backend_sched_graph_compute(rig.sched(), layers.graph), GGML_STATUS_SUCCESS);
    }
}

TEST(PartedExperts, ThatNoLongerHoldTheWeightsAreRefused) {
    Rig rig(on(GGML_SIM_PROFILE_CUDA, entries(2), kShared));
    ExpertLayers layers(rig, {});
    for (int i = 0; i < 3; i++) {
        layers.run(rig, 2);
    }
    write_floats(layers.layers[0].down, random_floats(static_cast<size_t>(ggml_nelements(layers.layers[0].down)), 99));
    const LogCapture log;
    std::string error;
    for (int i = 0; i < 6 && error.empty(); i++) { // each graph compares one entry
        layers.run(rig, 2);
        error = ggml_sched_get_error(rig.sched());
    }
    EXPECT_NE(error.find("call ggml_sched_set_experts after weights have been written"), std::string::npos) << error;
    set_experts(rig.sched(), entries(2), kShared);
    const std::vector<float> after = layers.run(rig, 2);
    set_experts(rig.sched(), 0);
    EXPECT_EQ(layers.run(rig, 2), after);
}

TEST(PartedExperts, GiveTheirMemoryBackWhereItIsNeeded) {
    const std::vector<std::vector<float>> expected = expected_of({}, 2, 1);
    RigOptions options = on(GGML_SIM_PROFILE_CUDA, entries(6), kShared);
    options.memory_bytes = entries(6) + 262144;
    options.stream = 0;
    Rig rig(options);
    ExpertLayers layers(rig, {});
    EXPECT_EQ(layers.run(rig, 0), expected[0]);
    const uint64_t before = rig.stats().resident_bytes;
    const LogCapture log;
    layers.on_layer = [](ggml_context * ctx, ExpertLayers::Layer & layer) { // as a larger batch
        layer.activation = ggml_repeat_4d(ctx, layer.activation, ExpertLayers::kWidth, 1, 1, 900);
    };
    layers.build(1);
    ggml_tensor * const large = ggml_scale(
        layers.context(),
        ggml_repeat_4d(layers.context(), layers.layers[0].activation, ExpertLayers::kWidth, 2, 1, 900), 2.0F);
    ggml_set_output(large);
    ggml_build_forward_expand(layers.graph, large);
    ggml_backend_sched_reset(rig.sched());
    EXPECT_TRUE(ggml_backend_sched_alloc_graph(rig.sched(), layers.graph)) << ggml_sched_get_error(rig.sched());
    layers.write_inputs(1);
    EXPECT_EQ(ggml_backend_sched_graph_compute(rig.sched(), layers.graph), GGML_STATUS_SUCCESS);
    EXPECT_EQ(read_floats(layers.result), expected[1]);
    EXPECT_LT(rig.stats().resident_bytes, before) << log.text();
}

// Returns what the debug log says of the blocks of a graph that `change` has changed.
std::string listing_of(const std::function<void(ggml_context *, ExpertLayers::Layer &)> & change) {
    Rig rig(on(GGML_SIM_PROFILE_CUDA, entries(3, 1), kShared));
    ExpertLayers::Options one;
    one.n_layers = 1;
    ExpertLayers layers(rig, one);
    layers.on_layer = change;
    const LogCapture log;
    ggml_sched_set_debug(rig.sched(), 1);
    EXPECT_FALSE(layers.run(rig, 1).empty()) << ggml_sched_get_error(rig.sched());
    std::string text = log.text();
    text.erase(0, text.find("## EXPERTS"));
    return text.substr(0, text.find('\n'));
}

TEST(PartedExperts, AreListedWithTheirEntries) {
    EXPECT_EQ(listing_of(nullptr), "## EXPERTS: 'gate.0' and what belongs to it have 3 entries of 8 experts on SIM0");
}

TEST(PartedExperts, AreNoneWhereTheBlockIsReadInside) {
    EXPECT_EQ(listing_of([](ggml_context *, ExpertLayers::Layer & layer) { ggml_set_output(layer.experts->src[1]); }),
              "## EXPERTS: 'gate.0' and what belongs to it stay in host memory: node_6 is an output");
    EXPECT_NE(listing_of([](ggml_context *, ExpertLayers::Layer & layer) {
                  layer.experts->src[1]->op = GGML_OP_RMS_NORM; // in place of SCALE; it reads whole rows
              }).find("does not work pair by pair"),
              std::string::npos);
}

TEST(PartedExperts, OfAFailedDeviceAreUploadedAgain) {
    const std::vector<std::vector<float>> expected = expected_of({}, 3, 1);
    Rig rig(on(GGML_SIM_PROFILE_CUDA, entries(3), kShared));
    ExpertLayers layers(rig, {});
    layers.run(rig, 0);
    layers.run(rig, 0);
    ggml_sched_reset_stats(rig.sched());
    {
        const LogCapture log;
        ggml_backend_sim_fail(0, GGML_SIM_CALL_LAUNCH, 1);
        EXPECT_TRUE(layers.run(rig, 0).empty());
    }
    EXPECT_EQ(layers.run(rig, 0), expected[0]);
    EXPECT_EQ(rig.stats().expert_misses, 4U) << "nobody knows what is in the bank";
    EXPECT_EQ(layers.run(rig, 0), expected[0]);
    EXPECT_EQ(layers.run(rig, 1), expected[1]);
    EXPECT_GT(rig.stats().expert_uploads, 0U);
}

} // namespace
} // namespace ggml_sched::test
