// An input that several devices read is copied aside once.

#include <gtest/gtest.h>

#include "support/rig.h"

namespace ggml_sched::test {
namespace {

constexpr int64_t kLarge = 40000; // too large to be merged with others
constexpr int64_t kSmall = 16;

struct Options {
    int64_t n;
    bool sets_ranges = false;
    bool is_written = false; // by a node on the CPU, between the readers
};

// Each of three devices adds the input to what it gets from the one before.
struct Sums {
    ContextPtr context = make_context();
    ggml_tensor * input;
    ggml_tensor * other;
    std::vector<ggml_tensor *> results;
    ggml_cgraph * graph;

    Sums(Rig & rig, const Options & options) {
        ggml_context * ctx = context.get();
        graph = ggml_new_graph(ctx);
        input = ggml_new_tensor_1d(ctx, GGML_TYPE_F32, options.n);
        other = ggml_new_tensor_1d(ctx, GGML_TYPE_F32, options.n);
        for (ggml_tensor * tensor : {input, other}) {
            ggml_set_input(tensor);
        }
        for (int device = 0; device < rig.n_devices(); device++) {
            ggml_tensor * sum = ggml_add(ctx, device == 0 ? other : results.back(), input);
            ggml_backend_sched_set_tensor_backend(rig.sched(), sum, rig.device(device));
            ggml_set_output(sum);
            results.push_back(sum);
            ggml_build_forward_expand(graph, sum);
            if (options.is_written && device == 0) {
                ggml_tensor * written = ggml_cpy(ctx, other, input);
                ggml_backend_sched_set_tensor_backend(rig.sched(), written, rig.cpu());
                ggml_build_forward_expand(graph, written);
            }
        }
        EXPECT_TRUE(ggml_backend_sched_alloc_graph(rig.sched(), graph)) << ggml_sched_get_error(rig.sched());
    }
};

// How many snapshots a run takes on three devices; results are checked, of runs that the caller does not wait for.
uint64_t snapshots(const Options & options) {
    RigOptions rig_options;
    rig_options.devices.assign(3, GGML_SIM_PROFILE_CUDA);
    rig_options.sets_ranges = options.sets_ranges;
    Rig rig(rig_options);
    Sums sums(rig, options);
    const auto n = static_cast<size_t>(options.n);
    constexpr int kRuns = 3;
    std::vector<std::vector<float>> got(kRuns, std::vector<float>(n));
    std::vector<std::vector<float>> expected;
    for (int run = 0; run < kRuns; run++) {
        const float value = 1.0F + static_cast<float>(run);
        write_floats(sums.input, std::vector<float>(n, value));
        write_floats(sums.other, std::vector<float>(n, 100));
        expected.emplace_back(n, options.is_written ? 300 + value : 100 + 3 * value);
        EXPECT_EQ(ggml_backend_sched_graph_compute_async(rig.sched(), sums.graph), GGML_STATUS_SUCCESS);
        ggml_backend_tensor_get_async(rig.device(2), sums.results.back(), got[static_cast<size_t>(run)].data(), 0,
                                      n * sizeof(float));
    }
    const uint64_t taken = rig.stats().snapshots;
    ggml_backend_sched_synchronize(rig.sched());
    EXPECT_EQ(got, expected) << rig.plan();
    EXPECT_EQ(taken % kRuns, 0U);
    return taken / kRuns;
}

TEST(SharedSnapshots, ServeAllDevicesThatReadTheInput) {
    EXPECT_EQ(snapshots({kLarge}), 2U) << "one of each input";
    EXPECT_EQ(snapshots({kSmall}), 2U);
    EXPECT_EQ(snapshots({kLarge, true}), 2U);
}

TEST(SharedSnapshots, AreNotTakenOfInputsThatAreLaidOutToBeMerged) {
    EXPECT_EQ(snapshots({kSmall, true}), 4U) << "of the input one for each device";
}

TEST(SharedSnapshots, AreNotTakenOfInputsThatANodeWrites) {
    EXPECT_EQ(snapshots({kLarge, false, true}), 4U);
    EXPECT_EQ(snapshots({kSmall, false, true}), 4U);
}

} // namespace
} // namespace ggml_sched::test
