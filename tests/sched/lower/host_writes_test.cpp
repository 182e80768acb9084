// Small inputs that the host writes to the device by itself, where the host reaches its memory.

#include <gtest/gtest.h>

#include "host/tuning.h"
#include "support/rig.h"

namespace ggml_sched::test {
namespace {

constexpr int64_t kSmall = 64;
constexpr int64_t kLimit = static_cast<int64_t>(Tuning::kWrittenUpTo / sizeof(float));

RigOptions with_host_writes(bool host_writes = true) {
    RigOptions options;
    options.devices = {GGML_SIM_PROFILE_CUDA};
    options.host_writes = host_writes;
    return options;
}

// Sum - the sum of an input of n elements, on the device
struct Sum {
    ContextPtr context = make_context();
    ggml_tensor * input = nullptr;
    ggml_tensor * result = nullptr;
    ggml_cgraph * graph = nullptr;
    int64_t n;

    // The second sum gets the memory of the input, which has been read.
    Sum(Rig & rig, int64_t n_elements, int n_sums = 1)
        : n(n_elements) {
        ggml_context * ctx = context.get();
        graph = ggml_new_graph(ctx);
        input = ggml_new_tensor_1d(ctx, GGML_TYPE_F32, n);
        ggml_set_input(input);
        result = input;
        for (int i = 0; i < n_sums; i++) {
            result = ggml_sum_rows(ctx, result);
        }
        ggml_set_output(result);
        ggml_backend_sched_set_tensor_backend(rig.sched(), result, rig.device(0));
        ggml_build_forward_expand(graph, result);
        EXPECT_TRUE(ggml_backend_sched_alloc_graph(rig.sched(), graph));
    }

    // Begins a run with this value in all elements. Returns the copies and launches of the split.
    std::string begin(Rig & rig, float value) const {
        write_floats(input, std::vector<float>(static_cast<size_t>(n), value));
        EXPECT_EQ(ggml_backend_sched_graph_compute_async(rig.sched(), graph), GGML_STATUS_SUCCESS);
        return rig.pattern(0);
    }

    // Waits for all runs, and looks whether the last one has had this value.
    void expect(Rig & rig, float value) const {
        ggml_backend_sched_synchronize(rig.sched());
        EXPECT_EQ(read_floats(result), std::vector<float>{static_cast<float>(n) * value}) << rig.plan();
    }
};

ggml_tensor * new_input(ggml_context * ctx, int64_t n) {
    ggml_tensor * input = ggml_new_tensor_1d(ctx, GGML_TYPE_F32, n);
    ggml_set_input(input);
    return input;
}

// Allocates the graph of the result on the device, and begins a run with 1 in all elements of the inputs. Returns the
// copies and launches of the split.
std::string begin_with_ones(Rig & rig, ggml_context * ctx, const std::vector<ggml_tensor *> & inputs,
                            ggml_tensor * result) {
    ggml_set_output(result);
    ggml_cgraph * graph = ggml_new_graph(ctx);
    ggml_build_forward_expand(graph, result);
    ggml_backend_sched_reset(rig.sched());
    ggml_backend_sched_set_tensor_backend(rig.sched(), result, rig.device(0));
    EXPECT_TRUE(ggml_backend_sched_alloc_graph(rig.sched(), graph));
    for (ggml_tensor * input : inputs) {
        write_floats(input, std::vector<float>(static_cast<size_t>(ggml_nelements(input)), 1.0f));
    }
    EXPECT_EQ(ggml_backend_sched_graph_compute_async(rig.sched(), graph), GGML_STATUS_SUCCESS);
    return rig.pattern(0);
}

TEST(HostWrites, AreMadeWhereNothingHasToBeWaitedFor) {
    Rig rig(with_host_writes());
    Sum sum(rig, kSmall);
    for (const float value : {1.0f, 2.0f, 3.0f}) {
        EXPECT_EQ(sum.begin(rig, value), "cg") << rig.plan();
        sum.expect(rig, value);
    }
}

TEST(HostWrites, AreCommandsOfTheDeviceWhileItReadsTheRunBefore) {
    Rig rig(with_host_writes());
    Sum sum(rig, kSmall);
    EXPECT_EQ(sum.begin(rig, 1.0f), "cg");
    EXPECT_EQ(sum.begin(rig, 2.0f), "ag") << rig.plan();
    sum.expect(rig, 2.0f);
    EXPECT_EQ(sum.begin(rig, 3.0f), "cg");
    sum.expect(rig, 3.0f);
}

// The scheduler cannot know whether the caller has queued a read of the last result. The input of the next graph lies
// where that result is.
TEST(HostWrites, WaitForReadsThatTheCallerMayHaveQueued) {
    for (const bool reads : {false, true}) {
        Rig rig(with_host_writes());
        std::vector<float> read(1);
        const Sum first(rig, kSmall, 2);
        EXPECT_EQ(first.begin(rig, 1.0f), "cg");
        ggml_backend_sched_synchronize(rig.sched());
        if (reads) {
            ggml_backend_tensor_get_async(rig.device(0), first.result, read.data(), 0, sizeof(float));
        }
        const uint64_t waits_before = rig.stats().host_waits;
        ggml_backend_sched_reset(rig.sched());
        const Sum second(rig, kSmall, 2);
        EXPECT_EQ(second.begin(rig, 2.0f), "scg") << rig.plan(); // s: waits for the device
        EXPECT_EQ(rig.stats().host_waits, waits_before + 1);
        second.expect(rig, 2.0f);
        EXPECT_EQ(read.front(), reads ? 1.0f * kSmall : 0.0f);
    }
}

// A wait for the reads would also be one for a copy that is queued behind them. The result of the first graph lies
// where both inputs of the next graph go.
TEST(HostWrites, DoNotWaitForReadsWithACopyBehindThem) {
    constexpr int64_t kLarge = 2 * kLimit;
    for (const bool large_first : {false, true}) {
        Rig rig(with_host_writes());
        const ContextPtr context = make_context();
        ggml_context * ctx = context.get();
        ggml_tensor * input = new_input(ctx, 2 * kLarge);
        EXPECT_EQ(begin_with_ones(rig, ctx, {input}, ggml_scale(ctx, input, 2.0f)), "ag");
        ggml_backend_sched_synchronize(rig.sched());
        const uint64_t waits_before = rig.stats().host_waits;

        ggml_tensor * first = new_input(ctx, large_first ? kLarge : kSmall);
        ggml_tensor * second = new_input(ctx, large_first ? kSmall : kLarge);
        ggml_tensor * result = ggml_add(ctx, ggml_sum_rows(ctx, first), ggml_sum_rows(ctx, second));
        EXPECT_EQ(begin_with_ones(rig, ctx, {first, second}, result), large_first ? "aag" : "scag") << rig.plan();
        EXPECT_EQ(rig.stats().host_waits, waits_before + (large_first ? 0 : 1));
        ggml_backend_sched_synchronize(rig.sched());
        EXPECT_EQ(read_floats(result), std::vector<float>{kSmall + kLarge});
    }
}

TEST(HostWrites, AreNotMadeOfLargeInputs) {
    Rig rig(with_host_writes());
    Sum small(rig, kLimit);
    EXPECT_EQ(small.begin(rig, 1.0f), "cg");
    small.expect(rig, 1.0f);
    Sum large(rig, kLimit + 1);
    EXPECT_EQ(large.begin(rig, 2.0f), "ag");
    large.expect(rig, 2.0f);
}

TEST(HostWrites, NeedADeviceWhoseMemoryTheHostReaches) {
    Rig rig(with_host_writes(false));
    Sum sum(rig, kSmall);
    EXPECT_EQ(sum.begin(rig, 1.0f), "ag");
    sum.expect(rig, 1.0f);
}

TEST(HostWrites, AreNotMadeInAModeThatWaitsForEachStep) {
    RigOptions options = with_host_writes();
    options.mode = GGML_SCHED_SYNC_SERIAL;
    Rig rig(options);
    Sum sum(rig, kSmall);
    EXPECT_EQ(sum.begin(rig, 1.0f).find('c'), std::string::npos) << rig.plan();
    sum.expect(rig, 1.0f);
}

} // namespace
} // namespace ggml_sched::test
