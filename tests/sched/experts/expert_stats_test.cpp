// The counters of experts by layer: they say the same as the counters of all layers, and what the caller has room for
// is written.

#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <string>

#include "support/expert_layers.h"

namespace ggml_sched::test {
namespace {

constexpr int kLayers = 3;
constexpr int kEntries = 3;
constexpr auto kStatsSize = sizeof(ggml_sched_expert_stats);

RigOptions with_banks(ggml_sched_expert_misses misses, int uploaded_percent) {
    RigOptions options;
    options.devices = {GGML_SIM_PROFILE_CUDA};
    options.experts = size_t{kEntries * kLayers} * ExpertLayers::kExpertBytes + 4096;
    options.misses = misses;
    options.uploaded_percent = uploaded_percent;
    return options;
}

ExpertLayers::Options three_layers() {
    ExpertLayers::Options options;
    options.n_layers = kLayers;
    return options;
}

std::vector<ggml_sched_expert_stats> stats_of(const Rig & rig) {
    std::vector<ggml_sched_expert_stats> stats(
        static_cast<size_t>(ggml_sched_get_expert_stats(rig.sched(), nullptr, 0, kStatsSize)));
    const auto n = static_cast<int>(stats.size());
    EXPECT_EQ(ggml_sched_get_expert_stats(rig.sched(), stats.data(), n, kStatsSize), n);
    return stats;
}

// BanksRig - a rig whose three layers have banks, after some runs
struct BanksRig {
    explicit BanksRig(int n_runs = 4, ggml_sched_expert_misses misses = GGML_SCHED_EXPERT_MISSES_SHARED,
                      int uploaded_percent = 50)
        : rig(with_banks(misses, uploaded_percent)) {
        run(n_runs);
    }

    void run(int n_runs) {
        for (int seed = 0; seed < n_runs; seed++) {
            EXPECT_FALSE(layers.run(rig, seed).empty()) << ggml_sched_get_error(rig.sched());
        }
    }

    // Expects that the sums over the layers are the totals.
    void expect_totals() const {
        uint64_t pairs = 0;
        uint64_t misses = 0;
        uint64_t uploads = 0;
        uint64_t upload_bytes = 0;
        for (const ggml_sched_expert_stats & layer : stats_of(rig)) {
            pairs += layer.pairs;
            misses += layer.misses;
            uploads += layer.uploads;
            upload_bytes += layer.upload_bytes;
            EXPECT_EQ(layer.upload_bytes, layer.uploads * ExpertLayers::kExpertBytes) << layer.name;
        }
        const ggml_sched_stats totals = rig.stats();
        EXPECT_EQ(pairs, totals.expert_pairs);
        EXPECT_EQ(misses, totals.expert_misses);
        EXPECT_EQ(uploads, totals.expert_uploads);
        EXPECT_GE(totals.bytes_copied, upload_bytes) << "uploads are copies of the plan";
    }

    Rig rig;
    ExpertLayers layers = ExpertLayers(rig, three_layers());
};

TEST(ExpertStats, HaveTheTotalsAsTheirSums) {
    struct {
        ggml_sched_expert_misses misses;
        int uploaded_percent;
    } const ways[] = {{GGML_SCHED_EXPERT_MISSES_SHARED, 0},
                      {GGML_SCHED_EXPERT_MISSES_SHARED, 50},
                      {GGML_SCHED_EXPERT_MISSES_SHARED, 100},
                      {GGML_SCHED_EXPERT_MISSES_UPLOAD, -1}};
    for (const auto & way : ways) {
        SCOPED_TRACE(std::to_string(way.misses) + ", " + std::to_string(way.uploaded_percent) + " %");
        BanksRig banks(0, way.misses, way.uploaded_percent);
        for (int i = 0; i < 3; i++) {
            banks.run(6);
            banks.expect_totals();
        }
        const ggml_sched_stats totals = banks.rig.stats();
        EXPECT_GT(totals.expert_uploads, 0U);
        EXPECT_EQ(totals.expert_misses > 0,
                  way.misses == GGML_SCHED_EXPERT_MISSES_SHARED && way.uploaded_percent < 100);
    }
}

TEST(ExpertStats, CountExpertsThatGetAnEntryForLaterRuns) {
    BanksRig banks(0, GGML_SCHED_EXPERT_MISSES_SHARED, 0); // So none is uploaded for the run that needs it.
    banks.layers.run(banks.rig, 7);
    const uint64_t n_missing = banks.rig.stats().expert_misses;
    banks.layers.run(banks.rig, 7); // the same experts again
    EXPECT_GT(n_missing, 0U);
    EXPECT_EQ(banks.rig.stats().expert_uploads, n_missing);
    banks.expect_totals();
}

TEST(ExpertStats, CountABankOnceThatAllLayersUse) {
    for (const int uploaded_percent : {0, 50}) { // With 0, experts get an entry only for later runs.
        BanksRig banks(0, GGML_SCHED_EXPERT_MISSES_SHARED, uploaded_percent);
        for (ExpertLayers::Layer & layer : banks.layers.layers) {
            layer.gate = banks.layers.layers[0].gate;
            layer.up = banks.layers.layers[0].up;
            layer.down = banks.layers.layers[0].down;
        }
        ggml_sched_expert_params params = ggml_sched_expert_default_params();
        params.budget_bytes = kEntries * ExpertLayers::kExpertBytes + 4096; // for the only block
        ggml_sched_set_experts(banks.rig.sched(), &params);
        banks.run(8);
        EXPECT_EQ(stats_of(banks.rig).size(), 1U);
        EXPECT_GT(banks.rig.stats().expert_uploads, 0U);
        banks.expect_totals();
    }
}

TEST(ExpertStats, SayWhichLayerAndWhereItsBankIs) {
    const BanksRig banks;
    const std::vector<ggml_sched_expert_stats> stats = stats_of(banks.rig);
    ASSERT_EQ(stats.size(), size_t{kLayers});
    for (size_t i = 0; i < stats.size(); i++) {
        const std::string name = stats[i].name;
        const std::string number = "." + std::to_string(i);
        EXPECT_TRUE(name == "gate" + number || name == "up" + number || name == "down" + number) << name;
        EXPECT_EQ(ggml_backend_sched_get_backend(banks.rig.sched(), stats[i].backend), banks.rig.device(0));
        EXPECT_EQ(stats[i].n_experts, ExpertLayers::kExperts);
        EXPECT_EQ(stats[i].n_entries, kEntries);
        EXPECT_EQ(stats[i].pairs, uint64_t{4} * ExpertLayers::kChosen) << "four runs with one token";
    }
}

TEST(ExpertStats, AreWrittenForAsManyLayersAsTheCallerAsksFor) {
    const BanksRig banks;
    const std::vector<ggml_sched_expert_stats> all = stats_of(banks.rig);
    std::vector<ggml_sched_expert_stats> stats(kLayers + 1);
    std::memset(stats.data(), 0xAB, stats.size() * kStatsSize);
    const std::vector<ggml_sched_expert_stats> untouched = stats;
    EXPECT_EQ(ggml_sched_get_expert_stats(banks.rig.sched(), stats.data(), 2, kStatsSize), kLayers);
    EXPECT_EQ(std::memcmp(stats.data(), all.data(), 2 * kStatsSize), 0);
    EXPECT_EQ(std::memcmp(&stats[2], &untouched[2], 2 * kStatsSize), 0);
    EXPECT_EQ(ggml_sched_get_expert_stats(banks.rig.sched(), stats.data(), kLayers + 1, kStatsSize), kLayers);
    EXPECT_EQ(std::memcmp(stats.data(), all.data(), kLayers * kStatsSize), 0);
    const auto * const fourth = reinterpret_cast<const char *>(&stats[kLayers]);
    EXPECT_TRUE(std::all_of(fourth, fourth + kStatsSize, [](char c) { return c == 0; })) << "There is no such layer.";
    EXPECT_EQ(ggml_sched_get_expert_stats(banks.rig.sched(), stats.data(), -1, kStatsSize), kLayers);
    EXPECT_EQ(ggml_sched_get_expert_stats(banks.rig.sched(), nullptr, 2, kStatsSize), kLayers);
}

TEST(ExpertStats, FitTheSizeOfTheCallersStruct) {
    const BanksRig banks;
    const std::vector<ggml_sched_expert_stats> all = stats_of(banks.rig);
    for (const size_t size : {offsetof(ggml_sched_expert_stats, misses), kStatsSize + 16}) {
        std::vector<char> bytes(2 * size + 1, 'x');
        EXPECT_EQ(ggml_sched_get_expert_stats(banks.rig.sched(),
                                              reinterpret_cast<ggml_sched_expert_stats *>(bytes.data()), 2, size),
                  kLayers);
        for (size_t i = 0; i < 2; i++) {
            const char * const one = bytes.data() + i * size;
            EXPECT_EQ(std::memcmp(one, &all[i], std::min(size, kStatsSize)), 0) << size;
            EXPECT_TRUE(std::all_of(one + std::min(size, kStatsSize), one + size, [](char c) { return c == 0; }));
        }
        EXPECT_EQ(bytes.back(), 'x') << size;
    }
}

TEST(ExpertStats, AreZeroAfterAReset) {
    BanksRig banks;
    ggml_sched_reset_stats(banks.rig.sched());
    const std::vector<ggml_sched_expert_stats> stats = stats_of(banks.rig);
    ASSERT_EQ(stats.size(), size_t{kLayers});
    for (const ggml_sched_expert_stats & layer : stats) {
        EXPECT_EQ(layer.pairs + layer.misses + layer.uploads + layer.upload_bytes, 0U);
        EXPECT_EQ(layer.n_entries, kEntries) << "This is no counter.";
    }
    banks.run(3);
    banks.expect_totals();
    EXPECT_EQ(stats_of(banks.rig)[0].pairs, uint64_t{3} * ExpertLayers::kChosen);
}

TEST(ExpertStats, AreNoneWithoutBanks) {
    const LogCapture log;
    ggml_sched_expert_stats stats;
    std::memset(static_cast<void *>(&stats), 0xAB, sizeof(stats));
    EXPECT_EQ(ggml_sched_get_expert_stats(nullptr, &stats, 1, kStatsSize), 0);
    EXPECT_EQ(stats.n_experts, 0) << "It is zero without a scheduler, too.";
    EXPECT_TRUE(log.contains("ggml_sched_get_expert_stats: the scheduler is NULL")) << log.text();
    for (const size_t budget : {size_t{0}, 2 * kLayers * ExpertLayers::kLayerBytes}) { // no expert, and all of them
        RigOptions options = with_banks(GGML_SCHED_EXPERT_MISSES_SHARED, 50);
        options.experts = budget;
        Rig rig(options);
        ExpertLayers layers(rig, three_layers());
        layers.run(rig, 1);
        EXPECT_EQ(ggml_sched_get_expert_stats(rig.sched(), &stats, 1, kStatsSize), 0);
    }
}

TEST(ExpertStats, EndWithTheirBanks) {
    const BanksRig banks;
    ggml_sched_expert_params params = ggml_sched_expert_default_params();
    ggml_sched_set_experts(banks.rig.sched(), &params);
    EXPECT_EQ(ggml_sched_get_expert_stats(banks.rig.sched(), nullptr, 0, kStatsSize), 0);
}

TEST(ExpertStats, CutOffALongName) {
    BanksRig banks(0);
    const std::string name(2 * sizeof(ggml_sched_expert_stats::name), 'n');
    for (ExpertLayers::Layer & layer : banks.layers.layers) {
        for (ggml_tensor * const tensor : {layer.gate, layer.up, layer.down}) {
            ggml_set_name(tensor, name.c_str()); // It cuts off the name, too, if ggml's names have the same length.
        }
    }
    banks.run(1);
    for (const ggml_sched_expert_stats & layer : stats_of(banks.rig)) {
        EXPECT_EQ(layer.name[sizeof(layer.name) - 1], '\0');
        EXPECT_EQ(std::string(layer.name), name.substr(0, std::min<size_t>(sizeof(layer.name), GGML_MAX_NAME) - 1));
    }
}

} // namespace
} // namespace ggml_sched::test
