// Prompts of a model whose experts are in banks: what is in a bank is copied there, and not sent.

#include <gtest/gtest.h>

#include "support/expert_layers.h"

namespace ggml_sched::test {
namespace {

constexpr int64_t kPrompt = 40;
constexpr int kDecoded = 6;

// A device with room for half of the experts of two layers
RigOptions half_of_the_experts(ggml_sched_expert_misses misses, size_t ring) {
    RigOptions options;
    options.devices = {GGML_SIM_PROFILE_CUDA};
    options.experts = ExpertLayers::kLayerBytes + 4096;
    options.misses = misses;
    options.op_offload = options.offload = true;
    options.sets_ranges = true;
    options.stream = ring;
    return options;
}

struct Results {
    std::vector<float> prompt;
    ggml_sched_stats stats; // of the prompt alone
};

// Decodes tokens, and then computes a prompt.
Results prompt_behind_tokens(const RigOptions & options) {
    Rig rig(options);
    ExpertLayers layers(rig, {});
    for (int seed = 0; seed < kDecoded; seed++) {
        layers.run(rig, seed);
    }
    ggml_sched_reset_stats(rig.sched());
    Results results;
    results.prompt = layers.run(rig, kDecoded, kPrompt);
    results.stats = rig.stats();
    return results;
}

// The ring of streaming, in bytes, and who computes missing pairs
class PromptsWithBanks : public testing::TestWithParam<std::tuple<size_t, ggml_sched_expert_misses>> {};

TEST_P(PromptsWithBanks, CopyWhatIsInABankAndSendTheRest) {
    const auto [ring, misses] = GetParam();
    RigOptions without = half_of_the_experts(misses, ring);
    without.experts = 0;
    const Results expected = prompt_behind_tokens(without);
    const Results results = prompt_behind_tokens(half_of_the_experts(misses, ring));
    EXPECT_EQ(results.prompt, expected.prompt);
    EXPECT_GT(results.stats.expert_bytes_in_banks, ExpertLayers::kLayerBytes / 2);
    EXPECT_EQ(results.stats.bytes_copied, expected.stats.bytes_copied);
    EXPECT_EQ(expected.stats.expert_bytes_in_banks, 0U);
    if (ring > 0) {
        EXPECT_EQ(results.stats.streamed_bytes + results.stats.expert_bytes_in_banks, expected.stats.streamed_bytes);
    }
}

INSTANTIATE_TEST_SUITE_P(Rings, PromptsWithBanks,
                         testing::Combine(testing::Values(size_t{0}, size_t{1} << 20),
                                          testing::Values(GGML_SCHED_EXPERT_MISSES_SHARED,
                                                          GGML_SCHED_EXPERT_MISSES_UPLOAD)));

} // namespace
} // namespace ggml_sched::test
