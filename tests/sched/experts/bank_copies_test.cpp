// Prompts of a model whose experts are in banks: what is in a bank is copied there, and not sent.

#include <gtest/gtest.h>

#include "host/registered_buffers.h"
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

TEST(WeightsOfBanks, AreRegisteredWhereTheDriverDoesSo) {
    std::vector<float> expected;
    for (const bool registers : {false, true}) {
        RigOptions options = half_of_the_experts(GGML_SCHED_EXPERT_MISSES_SHARED, SIZE_MAX);
        options.registers_memory = registers;
        Rig rig(options);
        ExpertLayers layers(rig, {});
        std::vector<float> results;
        for (int seed = 0; seed < kDecoded; seed++) {
            const std::vector<float> result = layers.run(rig, seed);
            results.insert(results.end(), result.begin(), result.end());
        }
        EXPECT_EQ(host::registered_as(layers.layers[0].gate->buffer) != nullptr, registers);
        EXPECT_EQ(rig.stats().staged_bytes == 0, registers);
        EXPECT_GT(rig.stats().expert_uploads, 0U);
        expected = registers ? expected : results;
        EXPECT_EQ(results, expected);
    }
}

INSTANTIATE_TEST_SUITE_P(Rings, PromptsWithBanks,
                         testing::Combine(testing::Values(size_t{0}, size_t{1} << 20),
                                          testing::Values(GGML_SCHED_EXPERT_MISSES_SHARED,
                                                          GGML_SCHED_EXPERT_MISSES_UPLOAD)));

// Starts a run of a graph, and enqueues a read of its result. Nothing is waited for.
bool start(const Rig & rig, ExpertLayers & layers, int seed, int64_t n_tokens, std::vector<float> & result) {
    ggml_backend_sched_reset(rig.sched());
    layers.build(n_tokens);
    if (!ggml_backend_sched_alloc_graph(rig.sched(), layers.graph)) {
        return false;
    }
    layers.write_inputs(seed);
    if (ggml_backend_sched_graph_compute_async(rig.sched(), layers.graph) != GGML_STATUS_SUCCESS) {
        return false;
    }
    result.resize(static_cast<size_t>(ggml_nelements(layers.result)));
    ggml_backend_tensor_get_async(rig.device(0), layers.result, result.data(), 0, ggml_nbytes(layers.result));
    return true;
}

constexpr int kInTurn = 8; // tokens and prompts

int64_t n_tokens_of(int run) {
    return run % 2 == 1 ? kPrompt : 1;
}

// Starts tokens and prompts in turn, and returns all results.
std::vector<std::vector<float>> start_in_turn(const RigOptions & options) {
    Rig rig(options);
    ExpertLayers layers(rig, {});
    std::vector<std::vector<float>> results(kInTurn);
    for (int i = 0; i < kInTurn; i++) {
        EXPECT_TRUE(start(rig, layers, i, n_tokens_of(i), results[static_cast<size_t>(i)]))
            << ggml_sched_get_error(rig.sched());
    }
    ggml_backend_sched_synchronize(rig.sched());
    EXPECT_GT(rig.stats().expert_bytes_in_banks, 0U);
    return results;
}

// Returns the same results of a device without experts. Each run is waited for.
std::vector<std::vector<float>> run_in_turn() {
    RigOptions options = half_of_the_experts(GGML_SCHED_EXPERT_MISSES_SHARED, size_t{1} << 20);
    options.experts = 0;
    Rig rig(options);
    ExpertLayers layers(rig, {});
    std::vector<std::vector<float>> results(kInTurn);
    for (int i = 0; i < kInTurn; i++) {
        results[static_cast<size_t>(i)] = layers.run(rig, i, n_tokens_of(i));
    }
    return results;
}

TEST(PromptsInFlight, ReadTheBankBeforeAndBehindUploads) {
    const std::vector<std::vector<float>> expected = run_in_turn();
    for (const int percent : {0, 100}) { // uploads for later runs, and for the run itself
        for (uint64_t seed = 1; seed <= 12; seed++) {
            RigOptions options = half_of_the_experts(GGML_SCHED_EXPERT_MISSES_SHARED, size_t{1} << 20);
            options.uploaded_percent = percent;
            options.seed = seed;
            EXPECT_TRUE(start_in_turn(options) == expected) << percent << " % uploaded, seed " << seed;
        }
    }
}

} // namespace
} // namespace ggml_sched::test
