// The scheduler over GPUs: the same bits in all modes, and how often the host blocks.

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <random>
#include <thread>

#include "ggml-sim.h"
#include "gpu_job.h"
#include "gpu_test.h"
#include "runner.h"

namespace gpu_tests {
namespace {

class Scheduling : public GpuTest {};
INSTANTIATE_TEST_SUITE_P(Vendors, Scheduling, testing::ValuesIn(vendors()), vendor_name);
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(Scheduling);

int env_or(const char * name, int fallback) {
    const char * value = std::getenv(name);
    return value != nullptr ? std::atoi(value) : fallback;
}

TEST_P(Scheduling, RandomGraphsGiveTheBitsOfTheHostWaitingEverywhere) {
    const int n_jobs = env_or("GGML_SCHED_GPU_JOBS", 60);
    const auto first_seed = static_cast<uint64_t>(env_or("GGML_SCHED_TEST_SEED", 1));
    for (uint64_t seed = first_seed; seed < first_seed + static_cast<uint64_t>(n_jobs); seed++) {
        GpuJob job;
        job.seed = seed;
        ASSERT_EQ(run_gpu_job(vendor(), job), "") << "seed " << seed;
    }
}

// The jobs themselves, where there is no GPU
TEST(RandomJobs, AreDoneBySimulatedDevicesToo) {
    const Vendor simulated = {"SIM", {ggml_backend_sim_device(0), ggml_backend_sim_device(1)}, nullptr};
    for (uint64_t seed = 1; seed <= 30; seed++) {
        GpuJob job;
        job.seed = seed;
        ggml_backend_sim_set_seed(seed);
        ASSERT_EQ(run_gpu_job(simulated, job), "") << "seed " << seed;
    }
}

constexpr ggml_sched_sync_mode kModes[] = {GGML_SCHED_SYNC_AUTO, GGML_SCHED_SYNC_BARRIER, GGML_SCHED_SYNC_SERIAL};
const char * const kModeNames[] = {"auto", "barrier", "serial"};

// On every number of GPUs, with all layers there and with some on the CPU. The placement decides what rounds how, so
// each has a hash of its own. With layers on the CPU each size of micro-batches has one, too: products of many columns
// with weights in host memory go to the GPU.
TEST_P(Scheduling, LogitsAreTheSameInAllModesAndMicroBatches) {
    const int n_repetitions = env_or("GGML_SCHED_GPU_REPETITIONS", 3);
    std::mt19937 delays(1);
    const auto delay = [&delays] {
        for (unsigned i = delays() % 4000; i > 0; i--) {
            std::this_thread::yield();
        }
    };
    const tests::Job job = {tests::held_out_text().substr(0, 400), "Three plus four is", 6, delay};
    for (int n_devices = 1; n_devices <= static_cast<int>(vendor().devices.size()); n_devices++) {
        for (const int ngl : {tests::kAllLayers, 5}) {
            const tests::Loaded loaded = tests::load(tests::own_model_path(), vendor().device_list(n_devices), ngl);
            ASSERT_EQ(loaded.error, "");
            std::map<int, tests::Outcome> all_expected;
            const bool on_cpu_too = ngl != tests::kAllLayers;
            for (int repetition = 0; repetition < (on_cpu_too ? 2 : n_repetitions); repetition++) {
                for (const ggml_sched_sync_mode mode : kModes) {
                    for (const bool parallel : {false, true}) {
                        for (const int n_ubatch : {1, 7, 64, 512}) {
                            if (n_ubatch == 1 && repetition > 0) {
                                continue; // many runs
                            }
                            engine::SessionConfig config;
                            config.n_ubatch = n_ubatch;
                            config.parallel = parallel;
                            config.sync = mode;
                            config.verify = true;
                            const tests::Outcome outcome = tests::run(loaded, config, job);
                            ASSERT_EQ(outcome.error, "");
                            tests::Outcome & expected = all_expected[ngl == tests::kAllLayers ? 0 : n_ubatch];
                            if (expected.hash.empty()) {
                                expected = outcome;
                                EXPECT_EQ(expected.generated, " seven");
                                std::printf("%s, %d layers: %s\n", vendor().device_list(n_devices).c_str(), ngl,
                                            outcome.hash.c_str());
                            }
                            ASSERT_TRUE(outcome.same_results(expected))
                                << vendor().device_list(n_devices) << ", ngl " << ngl << ", " << kModeNames[mode]
                                << (parallel ? ", parallel" : "") << ", ubatch " << n_ubatch << ": " << outcome.hash
                                << ", not " << expected.hash;
                        }
                    }
                }
            }
        }
    }
}

// Layers that stay on the CPU are computed by a GPU from 32 tokens on: with their weights copied ahead, or when needed.
TEST_P(Scheduling, LogitsAreTheSameWithAndWithoutStreaming) {
    const int n_repetitions = env_or("GGML_SCHED_GPU_REPETITIONS", 3);
    std::mt19937 delays(2);
    const auto delay = [&delays] {
        for (unsigned i = delays() % 4000; i > 0; i--) {
            std::this_thread::yield();
        }
    };
    const tests::Job job = {tests::held_out_text().substr(0, 400), "", 0, delay};
    for (int n_devices = 1; n_devices <= std::min(2, static_cast<int>(vendor().devices.size())); n_devices++) {
        for (const int ngl : {0, 4}) {
            const tests::Loaded loaded = tests::load(tests::own_model_path(), vendor().device_list(n_devices), ngl);
            ASSERT_EQ(loaded.error, "");
            for (const int n_ubatch : {16, 64, 128, 512}) {
                engine::SessionConfig config;
                config.n_ubatch = n_ubatch;
                config.verify = true;
                config.stream = 0;
                const tests::Outcome off = tests::run(loaded, config, job);
                ASSERT_EQ(off.error, "");
                EXPECT_EQ(off.stats.streamed_bytes, 0u);
                for (int i = 0; i < n_repetitions; i++) {
                    config.parallel = i % 2 == 1;
                    config.stream = i % 3 == 0 ? size_t{GGML_SCHED_STREAM_AUTO} : size_t{1} << (18 + i % 3);
                    const tests::Outcome on = tests::run(loaded, config, job);
                    ASSERT_TRUE(on.same_results(off))
                        << vendor().device_list(n_devices) << ", ngl " << ngl << ", ubatch " << n_ubatch
                        << ", repetition " << i << ": " << on.hash << ", not " << off.hash << on.error;
                    // The weights are too small for auto.
                    EXPECT_EQ(on.stats.streamed_bytes > 0, n_ubatch >= 32 && config.stream != GGML_SCHED_STREAM_AUTO);
                }
            }
        }
    }
}

// What the host does within graph_compute_async that may block it
struct Blocking {
    uint64_t waits = 0;
    uint64_t pageable_copies = 0;
};

// A graph on one GPU with three inputs of the caller
Blocking blocking_calls(const Vendor & vendor, ggml_sched_sync_mode mode, int n_runs) {
    const BackendPtr gpu(ggml_backend_dev_init(vendor.devices[0], nullptr));
    const BackendPtr cpu(ggml_backend_cpu_init());
    ggml_backend_t backends[] = {gpu.get(), cpu.get()};
    const ggml_sched::test::SchedPtr sched(
        ggml_backend_sched_new(backends, nullptr, 2, GGML_DEFAULT_GRAPH_SIZE, false, false));
    ggml_sched_set_sync_mode(sched.get(), mode);
    const ContextPtr ctx(ggml_init({size_t{1} << 18, nullptr, true}));
    ggml_tensor * sum = nullptr;
    std::vector<ggml_tensor *> inputs;
    for (int i = 0; i < 3; i++) {
        ggml_tensor * input = ggml_new_tensor_1d(ctx.get(), GGML_TYPE_F32, 4096);
        ggml_set_input(input);
        inputs.push_back(input);
        ggml_tensor * scaled = ggml_scale(ctx.get(), input, 2.0f);
        ggml_backend_sched_set_tensor_backend(sched.get(), scaled, gpu.get());
        sum = sum == nullptr ? scaled : ggml_add(ctx.get(), sum, scaled);
    }
    ggml_set_output(sum);
    ggml_cgraph * graph = ggml_new_graph(ctx.get());
    ggml_build_forward_expand(graph, sum);
    EXPECT_TRUE(ggml_backend_sched_alloc_graph(sched.get(), graph));
    Blocking blocking;
    const std::vector<float> values(4096, 1.0f);
    for (int run = 0; run < n_runs + 3; run++) { // the first ones make plans and memory
        for (ggml_tensor * input : inputs) {
            ggml_backend_tensor_set(input, values.data(), 0, ggml_nbytes(input));
        }
        const ggml_gpu_counters before = vendor.counters();
        EXPECT_EQ(ggml_backend_sched_graph_compute_async(sched.get(), graph), GGML_STATUS_SUCCESS);
        const ggml_gpu_counters after = vendor.counters();
        if (run >= 3) {
            blocking.waits += after.stream_synchronize - before.stream_synchronize + after.event_synchronize -
                              before.event_synchronize;
            blocking.pageable_copies += after.copy_pageable - before.copy_pageable;
        }
        ggml_backend_sched_synchronize(sched.get());
    }
    return blocking;
}

TEST_P(Scheduling, TheHostBlocksAsOftenAsTheModeSays) {
    constexpr int n_runs = 10;
    const Blocking none = blocking_calls(vendor(), GGML_SCHED_SYNC_AUTO, n_runs);
    EXPECT_EQ(none.waits, 0u);
    EXPECT_EQ(none.pageable_copies, 0u) << "inputs go through pinned memory";
    EXPECT_EQ(blocking_calls(vendor(), GGML_SCHED_SYNC_BARRIER, n_runs).waits, 2u * n_runs);
    EXPECT_EQ(blocking_calls(vendor(), GGML_SCHED_SYNC_SERIAL, n_runs).waits, 2u * 3u * n_runs) << "two per input";
}

} // namespace
} // namespace gpu_tests
