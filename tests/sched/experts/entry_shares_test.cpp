// Entry shares: the layers of a device share their entries by what these save.

#include <gtest/gtest.h>

#include <array>
#include <random>
#include <utility>

#include "experts/entry_shares.h"
#include "support/expert_layers.h"

namespace ggml_sched::test {
namespace {

EntryDemand demand(std::vector<uint32_t> n_chosen, int n_entries, size_t bytes = 100, int least = 1) {
    const auto most = static_cast<int>(n_chosen.size());
    return {std::move(n_chosen), bytes, n_entries, least, most};
}

TEST(EntryShares, GoToTheLayersThatChooseMoreExpertsOften) {
    const std::vector<EntryDemand> demands = {demand({9, 9, 0, 0, 0, 0}, 3), demand({3, 3, 3, 3, 3, 3}, 3)};
    EXPECT_EQ(share_entries(demands), (std::vector<int>{2, 4}));
    EXPECT_DOUBLE_EQ(hits_with(demands, {3, 3}), 27.0 / 36.0);
    EXPECT_DOUBLE_EQ(hits_with(demands, {2, 4}), 30.0 / 36.0);
}

TEST(EntryShares, StayWhereAllLayersChooseAlike) {
    const std::vector<EntryDemand> demands = {demand({5, 4, 3, 2}, 2), demand({2, 3, 4, 5}, 2)};
    EXPECT_EQ(share_entries(demands), (std::vector<int>{2, 2}));
}

TEST(EntryShares, LeaveEachLayerWhatATokenNeeds) {
    const std::vector<EntryDemand> demands = {demand({0, 0, 0, 0}, 3, 100, 2), demand({1, 1, 1, 1}, 3, 100, 2)};
    EXPECT_EQ(share_entries(demands), (std::vector<int>{2, 4}));
}

TEST(EntryShares, NeedNoMoreBytesThanBeforeAndHitNoLess) {
    for (uint32_t seed = 0; seed < 500; seed++) {
        SCOPED_TRACE("seed " + std::to_string(seed));
        std::mt19937 random(seed);
        std::vector<EntryDemand> demands;
        size_t before = 0;
        for (uint32_t bank = 0; bank < 1 + random() % 5; bank++) {
            std::vector<uint32_t> n_chosen(4 + random() % 12);
            for (uint32_t & n : n_chosen) {
                n = random() % (1 + random() % 100);
            }
            const auto n_experts = static_cast<int>(n_chosen.size());
            EntryDemand one = demand(std::move(n_chosen), 2 + static_cast<int>(random() % 3), 100, 2);
            one.bytes_of_entry = seed % 2 == 0 ? 100 : 50 * (1 + random() % 4);
            one.most_entries = n_experts - static_cast<int>(random() % 2);
            before += static_cast<size_t>(one.n_entries) * one.bytes_of_entry;
            demands.push_back(one);
        }
        const std::vector<int> shares = share_entries(demands);
        size_t after = 0;
        std::vector<int> had;
        for (size_t bank = 0; bank < demands.size(); bank++) {
            after += static_cast<size_t>(shares[bank]) * demands[bank].bytes_of_entry;
            had.push_back(demands[bank].n_entries);
            EXPECT_GE(shares[bank], 2);
            EXPECT_LE(shares[bank], std::max(2, demands[bank].most_entries));
        }
        EXPECT_LE(after, before);
        if (seed % 2 == 0) { // With entries of several sizes the last ones may not fit.
            EXPECT_GE(hits_with(demands, shares), hits_with(demands, had));
        }
    }
}

// Layers of which the first one always chooses the same experts
class LayersThatDiffer : public testing::Test {
  protected:
    static constexpr int kRuns = 530;
    static constexpr size_t kHalf = ExpertLayers::kLayerBytes + 4096;

    // Returns the results of so many runs.
    static std::vector<std::vector<float>> results(size_t experts, int uploaded_percent = -1, bool fails = false) {
        RigOptions options;
        options.devices = {GGML_SIM_PROFILE_CUDA};
        options.experts = experts;
        options.misses = GGML_SCHED_EXPERT_MISSES_SHARED;
        options.uploaded_percent = uploaded_percent;
        Rig rig(options);
        ggml_sched_set_verify(rig.sched(), true);
        ExpertLayers layers(rig, {});
        std::vector<std::vector<float>> results;
        for (int run = 0; run < kRuns; run++) {
            if (run % 10 == 0) { // Where each graph has one run, trials would find that banks do not pay here.
                ggml_backend_sched_reset(rig.sched());
                layers.build(1);
                // the first buffer of a new bank
                ggml_backend_sim_fail(0, GGML_SIM_CALL_ALLOC_BUFFER, fails && run > kRuns - 50 ? 1 : 0);
                EXPECT_TRUE(ggml_backend_sched_alloc_graph(rig.sched(), layers.graph));
            }
            layers.write_inputs(run);
            const std::vector<int32_t> same = {0, 1};
            ggml_backend_tensor_set(layers.layers[0].ids, same.data(), 0, sizeof(int32_t) * same.size());
            EXPECT_EQ(ggml_backend_sched_graph_compute(rig.sched(), layers.graph), GGML_STATUS_SUCCESS)
                << ggml_sched_get_error(rig.sched());
            results.push_back(read_floats(layers.result));
        }
        ggml_backend_sim_fail(0, GGML_SIM_CALL_ALLOC_BUFFER, 0);
        std::array<ggml_sched_expert_stats, 2> layer = {};
        const int n_layers = ggml_sched_get_expert_stats(rig.sched(), layer.data(), 2, sizeof(layer[0]));
        if (n_layers == 2) { // No count is lost when banks are made anew.
            EXPECT_EQ(layer[0].pairs + layer[1].pairs, rig.stats().expert_pairs);
            EXPECT_EQ(layer[0].uploads + layer[1].uploads, rig.stats().expert_uploads);
            EXPECT_EQ(std::make_pair(layer[0].n_entries, layer[1].n_entries), std::make_pair(2, 6));
        }
        return results;
    }
};

TEST_F(LayersThatDiffer, GetOtherNumbersOfEntriesAndTheSameBits) {
    const std::vector<std::vector<float>> expected = results(0);
    for (const int uploaded_percent : {0, 50}) {
        const LogCapture log;
        EXPECT_EQ(results(kHalf, uploaded_percent), expected);
        EXPECT_TRUE(log.contains("layers have entries for other numbers of experts, by what they choose: 2 6"))
            << log.text();
    }
}

TEST_F(LayersThatDiffer, KeepABankIfTheDeviceRefusesMemoryOnce) {
    const std::vector<std::vector<float>> expected = results(0);
    const LogCapture log;
    EXPECT_EQ(results(kHalf, 0, true), expected);
    EXPECT_TRUE(log.contains("alloc_buffer of SIM0 fails")) << log.text();
    EXPECT_FALSE(log.contains("fewer experts are resident")) << log.text();
}

} // namespace
} // namespace ggml_sched::test
