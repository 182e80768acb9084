// How long runs that stream weights take, by the virtual clock.

#include <gtest/gtest.h>

#include <algorithm>
#include <utility>

#include "stream/layers.h"

namespace ggml_sched::test {
namespace {

constexpr double kProductFlops = 2.0 * kWidth * kWidth * kRows;

RigOptions with_costs(double product_us, double copy_us, bool one_queue) {
    RigOptions options = on(GGML_SIM_PROFILE_CUDA);
    options.one_queue = one_queue;
    options.flops_per_us = kProductFlops / product_us;
    options.link_bytes_per_us = kWeightBytes / copy_us;
    return options;
}

// Time of a run by the virtual clock, of several that follow one another
double time_of_run(size_t budget, double product_us, double copy_us, int n_layers, int n_runs = 4,
                   size_t host_after = SIZE_MAX, bool one_queue = false) {
    const StreamRig rig(with_costs(product_us, copy_us, one_queue), budget);
    Layers layers(rig, n_layers);
    layers.host_after = host_after;
    layers.allocate(rig);
    layers.compute(rig, 1.0F);
    ggml_backend_sim_reset_clock();
    for (int run = 0; run < n_runs; run++) {
        layers.start(rig, 1.0F);
    }
    ggml_backend_sched_synchronize(rig.sched());
    return ggml_backend_sim_time_us() / n_runs;
}

// Both are far above what everything else costs.
constexpr double kShort = 2000;
constexpr double kLong = 3000;

TEST(Streaming, TakesTheLongerOfComputingAndCopyingAndNotTheirSum) {
    constexpr int kLayers = 24;
    for (const auto & [product_us, copy_us] : {std::pair(kShort, kLong), std::pair(kLong, kShort)}) {
        const double sum = kLayers * (product_us + copy_us);
        const double longer = kLayers * std::max(product_us, copy_us);
        EXPECT_GT(time_of_run(0, product_us, copy_us, kLayers), 0.98 * sum);
        const double streamed = time_of_run(8 * kWeightBytes, product_us, copy_us, kLayers);
        EXPECT_LT(streamed, 1.1 * longer);
        EXPECT_GT(streamed, 0.98 * longer);
    }
}

// One engine makes all copies to a device, in the order in which they were enqueued.
TEST(Streaming, StartsTheFirstLaunchBeforeTheRingIsFull) {
    constexpr int kLayers = 24;
    for (const auto & [product_us, copy_us] : {std::pair(kShort, kLong), std::pair(kLong, kShort)}) {
        const double longer = kLayers * std::max(product_us, copy_us);
        const double in_small_ring = time_of_run(8 * kWeightBytes, product_us, copy_us, kLayers, 1);
        const double in_large_ring = time_of_run(kLayers * kWeightBytes, product_us, copy_us, kLayers, 1);
        EXPECT_LT(in_small_ring, 1.2 * longer);
        EXPECT_LT(in_large_ring, 1.3 * longer); // a quarter of the weights goes first
        EXPECT_GT(time_of_run(0, product_us, copy_us, kLayers, 1), 1.5 * longer);
    }
}

// What the host computes takes its turn among the weights: behind a full ring it would be late, and then the link would
// have to wait for the device.
TEST(Streaming, OverlapsAlsoWhereTheHostComputesBetweenLayers) {
    constexpr int kLayers = 64;
    constexpr size_t kHostAfter = 2;
    for (const auto & [product_us, copy_us] : {std::pair(kShort, kLong), std::pair(kLong, kShort)}) {
        const double to_the_host_and_back = copy_us * 2 * kRows / kWidth;
        const double alternating = (kLayers / kHostAfter - 1) * to_the_host_and_back;
        const double longer = kLayers * std::max(product_us, copy_us);
        for (const size_t n_weights : {12, 16, 32}) {
            const double streamed = time_of_run(n_weights * kWeightBytes, product_us, copy_us, kLayers, 1, kHostAfter);
            EXPECT_LT(streamed, 1.1 * (longer + alternating)) << n_weights << " weights in the ring";
        }
        const double off = time_of_run(0, product_us, copy_us, kLayers, 1, kHostAfter);
        EXPECT_GT(off, kLayers * (product_us + copy_us) + alternating);
    }
}

// There an event comes behind all that was enqueued before, weights included, and the call returns once the host has
// waited for one and computed.
TEST(Streaming, RecordsEventsBeforeItSendsMoreWeightsToADeviceWithOneQueue) {
    constexpr int kLayers = 7;
    constexpr size_t kHostAfter = 4;
    const auto time_of_call = [](bool one_queue) {
        const StreamRig rig(with_costs(kShort, kLong, one_queue), 8 * kWeightBytes);
        Layers layers(rig, kLayers);
        layers.host_after = kHostAfter;
        layers.allocate(rig);
        layers.compute(rig, 1.0F);
        ggml_backend_sim_reset_clock();
        layers.start(rig, 1.0F);
        const double us = ggml_backend_sim_time_us();
        ggml_backend_sched_synchronize(rig.sched());
        return us;
    };
    EXPECT_LT(time_of_call(true), time_of_call(false) + kLong) << "one weight may have been sent before";
}

// The way leads through host memory, since neither device's events reach the other.
TEST(Streaming, SendsMoreWeightsBehindWhatAnotherDeviceReadsWhereADeviceHasOneQueue) {
    RigOptions options = on(GGML_SIM_PROFILE_CUDA);
    options.devices.push_back(GGML_SIM_PROFILE_VULKAN);
    options.one_queue = true;
    const StreamRig rig(options, 8 * kWeightBytes);
    Layers layers(rig, 16);
    layers.host_after = 4;
    layers.other_device = 1;
    layers.allocate(rig);
    layers.compute(rig, 1.0F);
    const std::string plan = rig.plan();
    SCOPED_TRACE(plan);
    size_t n_fetched = 0;
    for (size_t fetch = plan.find(" to host, "); fetch != std::string::npos;
         fetch = plan.find(" to host, ", fetch + 1)) {
        const size_t launch = plan.rfind("launch split", fetch);
        EXPECT_EQ(plan.substr(launch, fetch - launch).find(" from host"), std::string::npos) << "fetch " << n_fetched;
        n_fetched++;
    }
    EXPECT_GE(n_fetched, 6U);
}

TEST(Streaming, IsNeverSlowerThanNone) {
    constexpr int kLayers = 24;
    for (const auto & [product_us, copy_us] :
         {std::pair(kShort, kLong), std::pair(kLong, kShort), std::pair(kLong, kLong), std::pair(0.1 * kShort, kLong),
          std::pair(kLong, 0.1 * kShort)}) {
        for (const int n_runs : {1, 4}) {
            const double off = time_of_run(0, product_us, copy_us, kLayers, n_runs);
            for (const size_t n_weights : {1, 2, 3, 4, 8, 12, kLayers, 10 * kLayers}) {
                const double streamed = time_of_run(n_weights * kWeightBytes, product_us, copy_us, kLayers, n_runs);
                EXPECT_LT(streamed, 1.01 * off) << n_weights << " weights, " << n_runs << " runs";
            }
        }
    }
}

} // namespace
} // namespace ggml_sched::test
