// Parted experts: a device computes the pairs whose experts have a slot, the CPU the others, and the result is that of
// a graph that nobody changed.

#include <gtest/gtest.h>

#include <algorithm>

#include "support/expert_layers.h"

namespace ggml_sched::test {
namespace {

constexpr size_t kSlack = 65536; // for alignment

// Room for so many of the experts of each layer
size_t slots(int n_slots, int n_layers = 2) {
    return static_cast<size_t>(n_slots * n_layers) * ExpertLayers::kExpertBytes + kSlack / 4;
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
    int n_slots;
    int64_t n_tokens;
    ExpertLayers::Options layers = {};
};

void PrintTo(const Way & way, std::ostream * out) {
    *out << way.name;
}

class PartedExpertsIn : public testing::TestWithParam<Way> {};

TEST_P(PartedExpertsIn, GiveTheBitsOfAGraphThatIsNotChanged) {
    constexpr int kSeeds = 12;
    const Way & way = GetParam();
    const std::vector<std::vector<float>> expected = expected_of(way.layers, kSeeds, way.n_tokens);
    Rig rig(on(way.device, slots(way.n_slots), way.misses));
    ExpertLayers layers(rig, way.layers);
    for (int seed = 0; seed < kSeeds; seed++) {
        EXPECT_EQ(layers.run(rig, seed, way.n_tokens), expected[static_cast<size_t>(seed)])
            << seed << ": " << ggml_sched_get_error(rig.sched());
    }
    const ggml_sched_stats stats = rig.stats();
    EXPECT_EQ(stats.expert_pairs, static_cast<uint64_t>(kSeeds * 2 * ExpertLayers::kChosen * way.n_tokens));
    EXPECT_GT(stats.expert_uploads, 0U);
    EXPECT_LT(stats.expert_misses, stats.expert_pairs);
    EXPECT_EQ(stats.expert_misses > 0, way.misses == GGML_SCHED_EXPERT_MISSES_CPU);
}

constexpr auto kCpu = GGML_SCHED_EXPERT_MISSES_CPU;
constexpr auto kUpload = GGML_SCHED_EXPERT_MISSES_UPLOAD;

INSTANTIATE_TEST_SUITE_P(
    Ways, PartedExpertsIn,
    testing::Values(
        Way{"Cuda", GGML_SIM_PROFILE_CUDA, kCpu, 3, 1}, Way{"Vulkan", GGML_SIM_PROFILE_VULKAN, kCpu, 3, 1},
        Way{"NoEvents", GGML_SIM_PROFILE_NO_EVENTS, kCpu, 3, 1}, Way{"NoAsync", GGML_SIM_PROFILE_NO_ASYNC, kCpu, 3, 1},
        Way{"FewSlots", GGML_SIM_PROFILE_CUDA, kCpu, 2, 1}, Way{"ManySlots", GGML_SIM_PROFILE_CUDA, kCpu, 7, 1},
        Way{"TwoTokens", GGML_SIM_PROFILE_CUDA, kCpu, 3, 2}, Way{"SixteenTokens", GGML_SIM_PROFILE_CUDA, kCpu, 4, 16},
        Way{"Fused", GGML_SIM_PROFILE_CUDA, kCpu, 3, 1, {2, true, false, {0}}},
        Way{"FusedForThreeTokens", GGML_SIM_PROFILE_CUDA, kCpu, 3, 3, {2, true, false, {0}}},
        Way{"WeightedFirst", GGML_SIM_PROFILE_CUDA, kCpu, 3, 1, {2, false, true, {0}}},
        Way{"WeightedFirstForTwoTokens", GGML_SIM_PROFILE_CUDA, kCpu, 3, 2, {2, false, true, {0}}},
        Way{"Upload", GGML_SIM_PROFILE_CUDA, kUpload, 3, 1},
        Way{"UploadWithoutEvents", GGML_SIM_PROFILE_NO_EVENTS, kUpload, 3, 1},
        Way{"UploadWithoutAsync", GGML_SIM_PROFILE_NO_ASYNC, kUpload, 3, 1},
        Way{"UploadForTwoTokens", GGML_SIM_PROFILE_VULKAN, kUpload, 4, 2},
        Way{"UploadFused", GGML_SIM_PROFILE_CUDA, kUpload, 2, 1, {2, true, false, {0}}}),
    [](const auto & info) { return std::string(info.param.name); });

} // namespace
} // namespace ggml_sched::test
