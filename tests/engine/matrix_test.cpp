// The same logits on every list of devices, with every layer distribution, mode, micro-batch and adversary.

#include "runner.h"
#include "tiny_model.h"

#include <gtest/gtest.h>

#include <array>
#include <cctype>
#include <cstdio>
#include <functional>
#include <string>
#include <vector>

namespace tests {
namespace {

#ifdef GGML_SCHED_TEST_THIN
constexpr bool kThin = true;
#else
constexpr bool kThin = false;
#endif

constexpr std::array<ggml_sched_sync_mode, 3> kModes = {GGML_SCHED_SYNC_AUTO, GGML_SCHED_SYNC_BARRIER,
                                                        GGML_SCHED_SYNC_SERIAL};
constexpr std::array<int, 4> kMicroBatches = {1, 7, 64, 512};

const std::vector<std::string> & device_lists() {
    static const std::vector<std::string> lists = {
        "sim,cpu",
        "sim*2,cpu",
        "sim*3,cpu",
        "sim:vulkan,cpu",
        "sim:vulkan*2,cpu",
        "sim:vulkan*3,cpu",
        "sim:no-events,cpu",
        "sim:no-events*2,cpu",
        "sim:no-events*3,cpu",
        "sim:no-async,cpu",
        "sim:no-async*2,cpu",
        "sim:no-async*3,cpu",
        "sim:uma,cpu",
        "sim:uma*2,cpu",
        "sim:uma*3,cpu",
        "sim,sim:vulkan,cpu",
        "sim:vulkan,sim,sim:no-events,cpu",
        "sim:no-async,sim:uma,sim,cpu",
        "sim:uma,sim:no-events,sim:no-async,sim:vulkan,sim,cpu",
    };
    return lists;
}

// Longer than a multiple of 7, and than one padding of the cache; the prompt makes the graph change its shape again.
const Job kJob = {"Anna found a blue clock. She was happy.", "Ben", 3};

TinyConfig tiny_config() {
    TinyConfig config;
    config.n_layer = 4;
    config.n_embd = 32;
    config.n_ff = 64;
    config.n_head = 4;
    config.n_head_kv = 2;
    config.type = GGML_TYPE_F16;
    return config;
}

std::string describe(const std::string & devices, int ngl, const engine::SessionConfig & config, uint64_t seed) {
    static const char * const names[] = {"auto", "barrier", "serial"};
    return "--devices " + devices + " --ngl " + std::to_string(ngl) + " --ubatch " + std::to_string(config.n_ubatch) +
           " --sync " + names[*config.sync] + (config.parallel ? " --parallel" : "") + " --seed " +
           std::to_string(seed);
}

// The reference: the CPU alone, one token at a time
Outcome on_cpu(const std::string & path, const Job & job) {
    engine::SessionConfig config;
    config.n_ubatch = 1;
    return run(load(path, "cpu"), config, job);
}

class Matrix : public testing::Test {
  protected:
    static void SetUpTestSuite() {
        path_ = temp_path("model.gguf");
        write_tiny_model(path_, tiny_config());
        expected_ = on_cpu(path_, kJob);
    }
    static void TearDownTestSuite() { std::remove(path_.c_str()); }

    // Returns whether the run was as it must be.
    static bool check(const Loaded & loaded, const std::string & devices, int ngl, ggml_sched_sync_mode mode,
                      bool parallel, int n_ubatch, uint64_t seed, const Job & job = kJob,
                      const Outcome & expected = expected_) {
        engine::SessionConfig config;
        config.n_ubatch = n_ubatch;
        config.parallel = parallel;
        config.sync = mode;
        config.verify = true;
        ggml_backend_sim_set_seed(seed);
        const Outcome outcome = run(loaded, config, job);
        const std::string what = describe(devices, ngl, config, seed);
        EXPECT_EQ(outcome.error, "") << what;
        EXPECT_EQ(outcome.hash, expected.hash) << what;
        EXPECT_EQ(outcome.perplexity, expected.perplexity) << what;
        EXPECT_EQ(outcome.generated, expected.generated) << what;
        EXPECT_EQ(outcome.counters.contract_violations, 0U) << what;
        EXPECT_EQ(outcome.stats.runs, outcome.n_micro_batches) << what;
        EXPECT_GE(outcome.stats.launches, outcome.stats.runs) << what;
        return outcome.same_results(expected) && outcome.counters.contract_violations == 0;
    }

    static std::string path_;
    static Outcome expected_;
};

std::string Matrix::path_;
Outcome Matrix::expected_;

class MatrixOfLists : public Matrix, public testing::WithParamInterface<std::string> {};

// A list of devices with every number of offloaded layers, every mode, --parallel on and off, every micro-batch.
TEST_P(MatrixOfLists, GivesTheLogitsOfTheCpuAlone) {
    ASSERT_EQ(expected_.error, "");
    const std::string & devices = GetParam();
    uint64_t seed = std::hash<std::string>()(devices) % 1000;
    const int n_layer = tiny_config().n_layer;
    for (int ngl = 0; ngl <= n_layer + 1; ngl++) {
        const Loaded loaded = load(path_, devices, ngl);
        ASSERT_EQ(loaded.error, "");
        for (const ggml_sched_sync_mode mode : kModes) {
            for (const bool parallel : {false, true}) {
                for (const int n_ubatch : kMicroBatches) {
                    seed++;
                    if (kThin && seed % 8 != 0) {
                        continue;
                    }
                    ASSERT_TRUE(check(loaded, devices, ngl, mode, parallel, n_ubatch, seed));
                }
            }
        }
    }
}

INSTANTIATE_TEST_SUITE_P(Devices, MatrixOfLists, testing::ValuesIn(device_lists()), [](const auto & info) {
    std::string name;
    for (const char c : info.param) {
        name += std::isalnum(static_cast<unsigned char>(c)) != 0 ? c : '_';
    }
    return name;
});

// 200 adversaries, each against every list in the mode that waits least, with all layers and with some on the devices.
TEST_F(Matrix, TwoHundredAdversariesChangeNothing) {
    ASSERT_EQ(expected_.error, "");
    const int n_seeds = kThin ? 8 : 200;
    for (const std::string & devices : device_lists()) {
        for (const int ngl : {kAllLayers, 3}) {
            const Loaded loaded = load(path_, devices, ngl);
            ASSERT_EQ(loaded.error, "");
            for (int seed = 0; seed < n_seeds; seed++) {
                // Half of the seeds with each; which half differs between the lists.
                const bool parallel = (seed + ngl) % 2 == 0;
                ASSERT_TRUE(check(loaded, devices, ngl, GGML_SCHED_SYNC_AUTO, parallel, 7, seed));
            }
        }
    }
}

// Weights that stay on the CPU are streamed to devices for batches of 32 tokens and more; the whole text is one.
TEST_F(Matrix, StreamingWeightsChangesNothing) {
    ASSERT_EQ(expected_.error, "");
    constexpr size_t kLargestWeight = size_t{32} * 64 * 2;
    uint64_t seed = 5000;
    for (const std::string devices : {"sim,cpu", "sim*2,cpu", "sim:vulkan,cpu", "sim:vulkan*2,cpu",
                                      "sim,sim:vulkan,cpu", "sim:no-events,sim,cpu"}) {
        for (const int ngl : {0, 2}) {
            const Loaded loaded = load(path_, devices, ngl);
            ASSERT_EQ(loaded.error, "");
            for (const size_t budget :
                 {size_t{0}, kLargestWeight, 2 * kLargestWeight, 5 * kLargestWeight, size_t{1} << 30}) {
                for (const bool parallel : {false, true}) {
                    for (int i = 0; i < (kThin ? 1 : 2); i++) {
                        engine::SessionConfig config;
                        config.n_ubatch = 64;
                        config.parallel = parallel;
                        config.sync = GGML_SCHED_SYNC_AUTO;
                        config.stream = budget;
                        config.verify = true;
                        ggml_backend_sim_set_seed(seed++);
                        const Outcome outcome = run(loaded, config, kJob);
                        const std::string what =
                            describe(devices, ngl, config, seed - 1) + " with a budget of " + std::to_string(budget);
                        ASSERT_EQ(outcome.error, "") << what;
                        ASSERT_TRUE(outcome.same_results(expected_)) << what;
                        EXPECT_EQ(outcome.counters.contract_violations, 0U) << what;
                        const bool first_streams = devices.find("no-events") == std::string::npos;
                        EXPECT_EQ(outcome.stats.streamed_bytes > 0, budget > 0 && first_streams) << what;
                    }
                }
            }
        }
    }
}

// The trained model: its own 8 layers, on a part of the matrix.
TEST_F(Matrix, TheTrainedModelIsTheSameEverywhere) {
    const Job job = {held_out_text().substr(0, 70), "Three plus four is", 6};
    const Outcome expected = on_cpu(own_model_path(), job);
    ASSERT_EQ(expected.error, "");
    EXPECT_EQ(expected.generated, " seven");
    uint64_t seed = 1000;
    for (const std::string devices : {"sim,cpu", "sim*2,cpu", "sim*3,cpu", "sim*4,cpu", "sim:vulkan*2,cpu",
                                      "sim:uma*2,cpu", "sim:vulkan,sim,sim:no-events,sim:no-async,cpu"}) {
        for (const int ngl : {0, 1, 4, 8, 9}) {
            const Loaded loaded = load(own_model_path(), devices, ngl);
            ASSERT_EQ(loaded.error, "");
            for (const ggml_sched_sync_mode mode : kModes) {
                seed++;
                if (kThin && seed % 8 != 0) {
                    continue;
                }
                const int n_ubatch = kMicroBatches[1 + seed % 3];
                ASSERT_TRUE(check(loaded, devices, ngl, mode, seed % 2 == 0, n_ubatch, seed, job, expected));
            }
        }
    }
}

} // namespace
} // namespace tests
