// Runs in flight whose experts are in banks: banks are filled while earlier runs still read them, and while the device
// computes other layers.

#include <gtest/gtest.h>

#include <cmath>
#include <functional>

#include "support/expert_layers.h"

namespace ggml_sched::test {
namespace {

constexpr int kRuns = 12;
constexpr uint64_t kSeeds = 12; // of the order in which the simulated devices work

using Change = std::function<void(ExpertLayers &)>;

// Model - layers of experts, and how their weights are changed
struct Model {
    ExpertLayersOptions options;
    Change change = nullptr;
};

// Two devices. A layer has room for so many of its eight experts.
RigOptions devices_with(int n_entries, int n_layers, ggml_sched_expert_misses misses, int uploaded_percent) {
    RigOptions options;
    options.devices = {GGML_SIM_PROFILE_CUDA, GGML_SIM_PROFILE_CUDA};
    options.experts = static_cast<size_t>(n_entries * n_layers) * ExpertLayers::kExpertBytes + 4096;
    options.misses = misses;
    options.uploaded_percent = uploaded_percent;
    options.parallel = true;
    options.n_copies = 3;
    return options;
}

// Returns the results of runs with experts in host memory. Each is waited for.
std::vector<std::vector<float>> expected_of(const Model & model) {
    RigOptions options = devices_with(1, 1, GGML_SCHED_EXPERT_MISSES_SHARED, -1);
    options.experts = 0;
    Rig rig(options);
    ExpertLayers layers(rig, model.options);
    if (model.change) {
        model.change(layers);
    }
    std::vector<std::vector<float>> results;
    for (int seed = 0; seed < kRuns; seed++) {
        results.push_back(layers.run(rig, seed));
        EXPECT_LT(std::abs(results.back().at(0)), 1e6F) << "a value that nobody can tell from another";
    }
    return results;
}

// Returns the results of runs of which none is waited for.
std::vector<std::vector<float>> start_runs(const RigOptions & options, const Model & model) {
    Rig rig(options);
    ExpertLayers layers(rig, model.options);
    if (model.change) {
        model.change(layers);
    }
    const std::vector<int> & devices = model.options.devices;
    const int last = devices[static_cast<size_t>(model.options.n_layers - 1) % devices.size()];
    std::vector<std::vector<float>> results(kRuns, std::vector<float>(ExpertLayers::kWidth));
    for (int seed = 0; seed < kRuns; seed++) {
        ggml_backend_sched_reset(rig.sched());
        layers.build(1);
        EXPECT_TRUE(ggml_backend_sched_alloc_graph(rig.sched(), layers.graph)) << ggml_sched_get_error(rig.sched());
        layers.write_inputs(seed);
        EXPECT_EQ(ggml_backend_sched_graph_compute_async(rig.sched(), layers.graph), GGML_STATUS_SUCCESS)
            << ggml_sched_get_error(rig.sched());
        ggml_backend_tensor_get_async(rig.device(last), layers.result, results[static_cast<size_t>(seed)].data(), 0,
                                      ggml_nbytes(layers.result));
    }
    ggml_backend_sched_synchronize(rig.sched());
    EXPECT_GT(rig.stats().expert_uploads, 0U);
    return results;
}

// Expects the results of experts in host memory. One rig at a time may use the simulated devices.
void expect_right(const Model & model, int n_entries, int n_layers, ggml_sched_expert_misses misses,
                  const std::vector<int> & uploaded_percents) {
    const std::vector<std::vector<float>> expected = expected_of(model);
    for (const int percent : uploaded_percents) {
        for (uint64_t seed = 0; seed < kSeeds; seed++) {
            RigOptions options = devices_with(n_entries, n_layers, misses, percent);
            options.seed = seed;
            options.registers_memory = seed % 2 == 1; // The device then reads the experts when a copy executes.
            EXPECT_TRUE(start_runs(options, model) == expected) << percent << " % uploaded, seed " << seed;
        }
    }
}

TEST(BanksInFlight, AreFilledBetweenTheirReaders) {
    expect_right({{2, false, false, {0}, true}}, 2, 2, GGML_SCHED_EXPERT_MISSES_SHARED, {-1, 0, 50, 100});
    expect_right({{2, false, false, {0}, true}}, 2, 2, GGML_SCHED_EXPERT_MISSES_UPLOAD, {-1});
}

TEST(BanksInFlight, OfManyLayersAreFilledWhileOthersCompute) {
    for (const std::vector<int> & devices : {std::vector<int>{0}, {0, 1}, {0, 0, 1, 1, 1}}) {
        expect_right({{5, false, false, devices, true}}, 2, 5, GGML_SCHED_EXPERT_MISSES_SHARED, {0, 50});
    }
}

TEST(BanksInFlight, MayBelongToBothHalvesOfARun) {
    const auto share = [](ExpertLayers & layers) { // The first and the last layer read the same experts.
        layers.layers[3].gate = layers.layers[0].gate;
        layers.layers[3].up = layers.layers[0].up;
        layers.layers[3].down = layers.layers[0].down;
    };
    expect_right({{4, false, false, {0}, true}, share}, 2, 3, GGML_SCHED_EXPERT_MISSES_SHARED, {0, 50, 100});
}

TEST(BanksInFlight, AreNotWaitedForByTheHost) {
    for (const bool registers : {false, true}) {
        RigOptions options = devices_with(2, 6, GGML_SCHED_EXPERT_MISSES_SHARED, 0);
        options.registers_memory = registers;
        options.parallel = false;
        Rig rig(options);
        ExpertLayers layers(rig, {6, false, false, {0}, true});
        for (int seed = 0; seed < 3; seed++) {
            layers.run(rig, seed);
        }
        const std::string plan = rig.plan();
        EXPECT_NE(plan.find("SIM0 stream copy"), std::string::npos) << plan;
        EXPECT_EQ(plan.find("wait for SIM0 stream event 0  (WAR"), std::string::npos) << plan;
        for (size_t line = 0; line != std::string::npos; line = plan.find('\n', line + 1)) {
            const std::string text = plan.substr(line, plan.find('\n', line + 1) - line);
            EXPECT_FALSE(text.find("host ") < 6 && text.find("wait for SIM0 stream") != std::string::npos) << text;
        }
    }
}

} // namespace
} // namespace ggml_sched::test
