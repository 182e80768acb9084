// Small inputs that lie side by side on the device are sent at once.

#include <gtest/gtest.h>

#include "lower/merged_copies.h"
#include "support/rig.h"

namespace ggml_sched::test {
namespace {

struct InputSpec {
    int64_t n;
    bool computed = false; // by the CPU, from another input
};

using InputSpecs = std::vector<InputSpec>;

enum class Adds { Sums, Elements }; // the latter of inputs that are equally long: the first sum takes a copy's place

// The sum of all elements of the inputs, on the first device
struct Sum {
    ContextPtr context = make_context();
    std::vector<ggml_tensor *> inputs;
    ggml_tensor * result = nullptr;
    ggml_cgraph * graph = nullptr;

    Sum(Rig & rig, const InputSpecs & specs, Adds adds = Adds::Sums) {
        ggml_context * ctx = context.get();
        graph = ggml_new_graph(ctx);
        const auto on_device = [&](ggml_tensor * node) {
            ggml_backend_sched_set_tensor_backend(rig.sched(), node, rig.device(0));
            return node;
        };
        for (const InputSpec & spec : specs) {
            ggml_tensor * input = ggml_new_tensor_1d(ctx, GGML_TYPE_F32, spec.n);
            ggml_format_name(input, "input%zu", inputs.size());
            ggml_set_input(input);
            inputs.push_back(input);
            if (spec.computed) {
                input = ggml_add(ctx, input, input);
                ggml_backend_sched_set_tensor_backend(rig.sched(), input, rig.cpu());
                ggml_build_forward_expand(graph, input);
            }
            ggml_tensor * term = adds == Adds::Sums ? on_device(ggml_sum_rows(ctx, input)) : input;
            result = result ? on_device(ggml_add(ctx, result, term)) : term;
        }
        result = adds == Adds::Sums ? result : on_device(ggml_sum_rows(ctx, result));
        ggml_set_output(result);
        ggml_build_forward_expand(graph, result);
    }

    // Input i becomes i + first in each element; returns what that sums up to.
    float write(const InputSpecs & specs, float first) {
        float sum = 0;
        for (size_t i = 0; i < inputs.size(); i++) {
            const float value = first + static_cast<float>(i);
            write_floats(inputs[i], std::vector<float>(static_cast<size_t>(specs[i].n), value));
            sum += value * static_cast<float>(specs[i].n) * (specs[i].computed ? 2 : 1);
        }
        return sum;
    }
};

RigOptions merging() {
    RigOptions options;
    options.devices = {GGML_SIM_PROFILE_CUDA};
    options.sets_ranges = true;
    return options;
}

// What the copies of the last split are in the first of some runs, which the caller does not wait for.
std::string pattern_of(Rig & rig, Sum & sum, const InputSpecs & specs) {
    constexpr int kRuns = 4;
    EXPECT_TRUE(ggml_backend_sched_alloc_graph(rig.sched(), sum.graph));
    std::string pattern;
    std::vector<float> expected;
    std::vector<float> got(kRuns, 0);
    for (int run = 0; run < kRuns; run++) {
        expected.push_back(sum.write(specs, static_cast<float>(run)));
        EXPECT_EQ(ggml_backend_sched_graph_compute_async(rig.sched(), sum.graph), GGML_STATUS_SUCCESS);
        ggml_backend_tensor_get_async(rig.device(0), sum.result, &got[static_cast<size_t>(run)], 0, sizeof(float));
        if (run == 0) {
            pattern = rig.pattern(ggml_backend_sched_get_n_splits(rig.sched()) - 1);
        }
    }
    ggml_backend_sched_synchronize(rig.sched());
    EXPECT_EQ(got, expected) << rig.plan();
    return pattern;
}

std::string pattern_of(const RigOptions & options, const InputSpecs & specs) {
    Rig rig(options);
    Sum sum(rig, specs);
    return pattern_of(rig, sum, specs);
}

// After a larger graph was reserved, whose places the smaller one is given
std::string pattern_after(const InputSpecs & larger, const InputSpecs & specs, Adds adds = Adds::Sums) {
    Rig rig(merging());
    Sum reserved(rig, larger, adds);
    EXPECT_TRUE(ggml_backend_sched_reserve(rig.sched(), reserved.graph));
    const size_t size = ggml_backend_sched_get_buffer_size(rig.sched(), rig.device(0));
    Sum sum(rig, specs, adds);
    const std::string pattern = pattern_of(rig, sum, specs);
    EXPECT_EQ(ggml_backend_sched_get_buffer_size(rig.sched(), rig.device(0)), size);
    return pattern;
}

TEST(MergedCopies, OfAllInputsThatLieSideBySideAreOne) {
    EXPECT_EQ(pattern_of(merging(), {{64}, {1}, {7}, {33}}), "ag") << "also with padding between them";
    EXPECT_EQ(pattern_of(merging(), {{64}}), "ag");
}

TEST(MergedCopies, TakeWhatTheHostComputesForThemAlong) {
    EXPECT_EQ(pattern_of(merging(), {{64}, {5, true}, {7}}), "ag");
}

TEST(MergedCopies, AreNotMadeOfLargeInputs) {
    constexpr int64_t kLarge = (int64_t{64} << 10) / sizeof(float) + 1;
    EXPECT_EQ(pattern_of(merging(), {{3}, {4}, {kLarge}, {5}, {6}}), "aaag") << "small ones before and behind it";
    EXPECT_EQ(pattern_of(merging(), {{3}, {kLarge - 1}}), "ag");
}

TEST(MergedCopies, AreMadeInThePlacesOfALargerGraph) {
    EXPECT_EQ(pattern_after({{40}, {500}, {500}, {600}}, {{10}, {1}, {1}, {600}}), "ag");
    EXPECT_EQ(pattern_after({{90000}, {500}, {500}, {90000}, {500}}, {{64}, {1}, {1}, {300}, {1}}), "aag")
        << "with few bytes that nobody needs: the large places begin with what is left of them";
}

// The node that takes a copy's place must be exactly there.
TEST(MergedCopies, LeaveACopyWhereItIsIfItsPlaceIsTakenOver) {
    EXPECT_EQ(pattern_after({{500}, {500}, {500}}, {{7}, {7}, {7}}, Adds::Elements), "aag");
    EXPECT_EQ(pattern_after({{90}, {90}}, {{64}, {64}}, Adds::Elements), "aag");
}

TEST(MergedCopies, NeedADeviceThatSetsRanges) {
    RigOptions options = merging();
    options.sets_ranges = false;
    EXPECT_EQ(pattern_of(options, {{64}, {1}, {7}}), "aaag");
}

TEST(MergedCopies, AreNotMadeOfWhatIsCopiedStraightFromTheCaller) {
    RigOptions options = merging();
    options.snapshot_limit = 4 * sizeof(float);
    EXPECT_EQ(pattern_of(options, {{5}, {6}, {3}, {4}}), "aaag") << "only those that are copied aside";
}

TEST(MergedCopies, AreNotMadeWhereTheHostWaitsForEach) {
    RigOptions options = merging();
    options.mode = GGML_SCHED_SYNC_SERIAL;
    EXPECT_EQ(pattern_of(options, {{64}, {1}, {7}}), "sassassasg");
}

TEST(MergedCopies, AreReadAsSuchInAPlan) {
    Rig rig(merging());
    const InputSpecs specs = {{64}, {1}, {7}};
    Sum sum(rig, specs);
    ASSERT_TRUE(ggml_backend_sched_alloc_graph(rig.sched(), sum.graph));
    sum.write(specs, 1);
    ASSERT_EQ(ggml_backend_sched_graph_compute(rig.sched(), sum.graph), GGML_STATUS_SUCCESS);
    EXPECT_NE(rig.plan().find("copy input0#0 and 2 more from host"), std::string::npos) << rig.plan();
    EXPECT_NE(rig.plan().find("snapshot input0#0, 256 bytes"), std::string::npos) << rig.plan();
    EXPECT_EQ(rig.stats().async_copies, 1u);
    EXPECT_EQ(rig.stats().snapshots, 3u);
}

// Ids that only the host reads are no copy, and a copy without a follower is not followed by them.
TEST(MergedCopies, AreNotLaidOutWithWhatOnlyTheHostReads) {
    const ContextPtr context = make_context();
    CopyBinding input = {};
    input.copy = 0;
    input.src = input.dst = ggml_new_tensor_1d(context.get(), GGML_TYPE_F32, 1);
    input.bytes = sizeof(float);
    input.via_ring = true;
    CopyBinding ids = input;
    ids.copy = kNoBinding;
    ids.src = ids.dst = ggml_new_tensor_1d(context.get(), GGML_TYPE_I32, 1);
    char memory[64];
    input.dst->data = memory;
    ids.dst->data = memory + 16;
    EXPECT_EQ(ring_offset_behind(input, ids, {kNoAdjacentCopy}, 256), 256U);
    EXPECT_EQ(ring_offset_behind(ids, input, {kNoAdjacentCopy}, 256), 256U);
}

// Each turn has its own slot of an input, which lie between those of other inputs.
TEST(MergedCopies, LeaveTheSlotsOfOtherTurnsAlone) {
    RigOptions options = merging();
    options.parallel = true;
    options.n_copies = 2;
    EXPECT_EQ(pattern_of(options, {{64}, {1}, {7}}), "aaag");
}

} // namespace
} // namespace ggml_sched::test
