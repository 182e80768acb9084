// Weights in host memory are copied to a device ahead of their use, through a ring of its memory.

#include <gtest/gtest.h>

#include <algorithm>

#include "handle.h"
#include "stream/layers.h"

namespace ggml_sched::test {
namespace {

class StreamingTo : public testing::TestWithParam<ggml_sim_profile> {};

TEST_P(StreamingTo, GivesTheSameBitsWithRingsOfAllSizes) {
    constexpr int kLayers = 9;
    for (const size_t n_weights : {2, 3, 4, 5, 8, 9, 20}) {
        for (uint64_t seed = 0; seed < 12; seed++) {
            SCOPED_TRACE("a ring of " + std::to_string(n_weights) + " weights, seed " + std::to_string(seed));
            const StreamRig rig(on(GetParam(), seed), n_weights * kWeightBytes);
            Layers layers(rig, kLayers, seed % 2 == 0);
            const std::vector<float> first = layers.on_cpu(rig, 1.0F);
            const std::vector<float> last = layers.on_cpu(rig, 5.0F);
            layers.allocate(rig);
            for (const float value : {3.0F, 1.0F}) {
                layers.start(rig, value);
            }
            ggml_backend_sched_synchronize(rig.sched());
            EXPECT_EQ(read_floats(layers.result), first);
            layers.start(rig, 2.0F);
            layers.allocate(rig); // anew, with a run in flight
            layers.start(rig, 4.0F);
            EXPECT_EQ(layers.compute(rig, 5.0F), last);
            EXPECT_GT(rig.stats().streamed_bytes, 0U);
            EXPECT_EQ(rig.stats().staged_bytes, seed % 2 == 0 ? 0 : rig.stats().streamed_bytes);
        }
    }
}

INSTANTIATE_TEST_SUITE_P(, StreamingTo, testing::Values(GGML_SIM_PROFILE_CUDA, GGML_SIM_PROFILE_VULKAN),
                         [](const auto & info) { return std::string(ggml_sim_profile_name(info.param)); });

TEST(Streaming, NeverBlocksTheHostForPinnedWeights) {
    const StreamRig rig(on(GGML_SIM_PROFILE_CUDA), 4 * kWeightBytes);
    Layers layers(rig, 12);
    layers.allocate(rig);
    for (int run = 0; run < 4; run++) {
        layers.start(rig, 1.0F);
        ggml_backend_sched_synchronize(rig.sched());
    }
    EXPECT_EQ(rig.stats().host_waits, 0U);
    EXPECT_EQ(rig.stats().streamed_bytes, 4U * 12 * kWeightBytes);
}

TEST(Streaming, EachWaitOfItsPlansIsNeeded) {
    const StreamRig rig(on(GGML_SIM_PROFILE_CUDA), 3 * kWeightBytes);
    change_hooks(rig.sched(), [](TestHooks & hooks) { hooks.refuses_superfluous_waits = true; });
    Layers layers(rig, 8);
    layers.allocate(rig);
    for (int run = 0; run < 5; run++) {
        layers.start(rig, 1.0F);
    }
    ggml_backend_sched_synchronize(rig.sched());
}

TEST(Streaming, CutsSplitsByWhatTheyWaitForAndNotAtEveryWeight) {
    const StreamRig rig(on(GGML_SIM_PROFILE_CUDA), 16 * kWeightBytes);
    Layers layers(rig, 32);
    layers.allocate(rig);
    EXPECT_EQ(ggml_backend_sched_get_n_splits(rig.sched()), 32 / 4);
    set_streaming(rig.sched(), 0);
    layers.allocate(rig);
    EXPECT_EQ(ggml_backend_sched_get_n_splits(rig.sched()), 32);
}

TEST(Streaming, TakesTheMemoryOfWeightsOutOfTheComputeBuffer) {
    const StreamRig rig(on(GGML_SIM_PROFILE_CUDA), 8 * kWeightBytes);
    Layers layers(rig, 8);
    layers.build(rig);
    size_t measured[2] = {};
    ggml_backend_sched_reserve_size(rig.sched(), layers.graph, measured);
    layers.allocate(rig);
    const size_t with = ggml_backend_sched_get_buffer_size(rig.sched(), rig.device(0));
    set_streaming(rig.sched(), 0);
    layers.allocate(rig);
    const size_t without = ggml_backend_sched_get_buffer_size(rig.sched(), rig.device(0));
    EXPECT_LE(with + kWeightBytes, without);
    EXPECT_EQ(measured[0], with);
}

// A small value is placed behind a large one that dies, and lives until the largest of all, as before a model's logits.
TEST(Streaming, LeavesNoHoleBelowTheLargestResult) {
    const StreamRig rig(on(GGML_SIM_PROFILE_CUDA), size_t{4} << 20);
    const ContextPtr weights = make_context();
    ggml_tensor * to_wide = ggml_new_tensor_2d(weights.get(), GGML_TYPE_F32, kWidth, 8 * kWidth);
    ggml_tensor * to_logits = ggml_new_tensor_2d(weights.get(), GGML_TYPE_F32, 2 * kWidth, 32 * kWidth);
    const BufferPtr buffer(ggml_backend_alloc_ctx_tensors_from_buft(
        weights.get(), ggml_backend_dev_host_buffer_type(ggml_backend_get_device(rig.device(0)))));
    ggml_backend_buffer_set_usage(buffer.get(), GGML_BACKEND_BUFFER_USAGE_WEIGHTS);
    for (ggml_tensor * weight : {to_wide, to_logits}) {
        write_floats(weight, ramp(ggml_nelements(weight), 1.0F, 1.0F / 4096));
    }
    std::vector<float> results[2];
    for (const bool streams : {true, false}) { // A buffer does not shrink.
        const ContextPtr context = make_context();
        set_streaming(rig.sched(), streams ? size_t{4} << 20 : 0);
        ggml_backend_sched_reset(rig.sched());
        ggml_tensor * input = ggml_new_tensor_2d(context.get(), GGML_TYPE_F32, kWidth, kRows);
        ggml_set_input(input);
        ggml_tensor * wide = ggml_mul_mat(context.get(), to_wide, input);
        ggml_tensor * small =
            ggml_cont(context.get(), ggml_view_2d(context.get(), wide, 2 * kWidth, kRows, wide->nb[1], 0));
        ggml_tensor * logits = ggml_mul_mat(context.get(), to_logits, small);
        ggml_set_output(logits);
        ggml_cgraph * graph = ggml_new_graph(context.get());
        ggml_build_forward_expand(graph, logits);
        for (ggml_tensor * node : {wide, small, logits}) {
            ggml_backend_sched_set_tensor_backend(rig.sched(), node, rig.device(0));
        }
        ASSERT_TRUE(ggml_backend_sched_alloc_graph(rig.sched(), graph)) << ggml_sched_get_error(rig.sched());
        if (streams) {
            EXPECT_LE(ggml_backend_sched_get_buffer_size(rig.sched(), rig.device(0)),
                      ggml_nbytes(logits) + ggml_nbytes(small) + ggml_nbytes(input));
        }
        write_floats(input, ramp(kWidth * kRows, 1.0F, 0.125F));
        ASSERT_EQ(ggml_backend_sched_graph_compute(rig.sched(), graph), GGML_STATUS_SUCCESS);
        results[streams] = read_floats(logits);
    }
    EXPECT_EQ(results[0], results[1]);
    EXPECT_EQ(rig.stats().streamed_bytes, ggml_nbytes(to_wide) + ggml_nbytes(to_logits));
}

TEST(Streaming, CopiesAWeightAboveHalfTheRingWithoutIt) {
    const StreamRig rig(on(GGML_SIM_PROFILE_CUDA), 2 * kWeightBytes - 1);
    Layers layers(rig, 4);
    const std::vector<float> expected = layers.on_cpu(rig, 1.0F);
    layers.allocate(rig);
    EXPECT_EQ(layers.compute(rig, 1.0F), expected);
    EXPECT_EQ(rig.stats().streamed_bytes, 0U);
}

TEST(Streaming, OfSmallWeightsIsLeftOutUnlessItIsAskedFor) {
    const StreamRig rig(on(GGML_SIM_PROFILE_CUDA), GGML_SCHED_STREAM_AUTO);
    Layers layers(rig, 4);
    const std::vector<float> expected = layers.on_cpu(rig, 1.0F);
    layers.allocate(rig);
    EXPECT_EQ(layers.compute(rig, 1.0F), expected);
    EXPECT_EQ(rig.stats().streamed_bytes, 0U);
    set_streaming(rig.sched(), 4 * kWeightBytes);
    layers.allocate(rig);
    EXPECT_EQ(layers.compute(rig, 1.0F), expected);
    EXPECT_EQ(rig.stats().streamed_bytes, 4 * kWeightBytes);
}

TEST(Streaming, CountsItsDecisionAndTheReason) {
    const auto decision = [](ggml_sim_profile profile, size_t budget, int device) {
        const StreamRig rig(on(profile), budget);
        Layers layers(rig, 4, false);
        layers.allocate(rig, device);
        return rig.stats().stream_decision;
    };
    const ggml_sim_profile cuda = GGML_SIM_PROFILE_CUDA;
    EXPECT_EQ(decision(cuda, 8 * kWeightBytes, 0), GGML_SCHED_STREAM_DECISION_STREAMED);
    EXPECT_EQ(decision(cuda, GGML_SCHED_STREAM_AUTO, 0), GGML_SCHED_STREAM_DECISION_SMALL_WEIGHTS);
    EXPECT_EQ(decision(cuda, kWeightBytes, 0), GGML_SCHED_STREAM_DECISION_LARGE_WEIGHTS);
    EXPECT_EQ(decision(cuda, 0, 0), GGML_SCHED_STREAM_DECISION_OFF);
    EXPECT_EQ(decision(cuda, 8 * kWeightBytes, -1), GGML_SCHED_STREAM_DECISION_NOT_NEEDED) << "the CPU computes";
    EXPECT_EQ(decision(GGML_SIM_PROFILE_NO_EVENTS, 8 * kWeightBytes, 0), GGML_SCHED_STREAM_DECISION_NO_QUEUE);
}

TEST(Streaming, KeepsTheLargestDecisionUntilItIsSetAgain) {
    const StreamRig rig(on(GGML_SIM_PROFILE_CUDA), 8 * kWeightBytes);
    EXPECT_EQ(rig.stats().stream_decision, GGML_SCHED_STREAM_DECISION_NONE);
    Layers layers(rig, 4);
    layers.allocate(rig, 0);
    layers.allocate(rig, -1);
    EXPECT_EQ(rig.stats().stream_decision, GGML_SCHED_STREAM_DECISION_STREAMED);
    ggml_sched_reset_stats(rig.sched());
    EXPECT_EQ(rig.stats().stream_decision, GGML_SCHED_STREAM_DECISION_STREAMED) << "it holds on, and counts nothing";
    set_streaming(rig.sched(), 8 * kWeightBytes);
    EXPECT_EQ(rig.stats().stream_decision, GGML_SCHED_STREAM_DECISION_NONE);
    layers.allocate(rig, -1);
    EXPECT_EQ(rig.stats().stream_decision, GGML_SCHED_STREAM_DECISION_NOT_NEEDED);
}

// The ring fits the device, but then the compute buffer does not.
TEST(Streaming, DecidesNothingForAGraphThatDidNotFit) {
    for (size_t room = 1; room < 16; room++) {
        RigOptions options = on(GGML_SIM_PROFILE_CUDA);
        options.memory_bytes = room * kWeightBytes / 2;
        const StreamRig rig(options, GGML_SCHED_STREAM_UNLIMITED);
        Layers layers(rig, 4);
        const std::vector<float> expected = layers.on_cpu(rig, 1.0F);
        ggml_sched_reset_stats(rig.sched());
        layers.build(rig);
        ggml_backend_sched_reset(rig.sched());
        if (!ggml_backend_sched_alloc_graph(rig.sched(), layers.graph)) {
            continue;
        }
        EXPECT_EQ(layers.compute(rig, 1.0F), expected);
        const bool is_streamed = rig.stats().stream_decision == GGML_SCHED_STREAM_DECISION_STREAMED;
        EXPECT_EQ(is_streamed, rig.stats().streamed_bytes > 0) << room;
    }
}

size_t count(const std::string & text, const std::string & part) {
    size_t n = 0;
    for (size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) {
        n++;
    }
    return n;
}

TEST(Streaming, StaysOffWhereADeviceCannotAndSaysWhyOnce) {
    for (const auto & [profile, why] : {std::pair(GGML_SIM_PROFILE_NO_EVENTS, "it has no events"),
                                        std::pair(GGML_SIM_PROFILE_NO_ASYNC, "it has no asynchronous copies")}) {
        const StreamRig rig(on(profile), 8 * kWeightBytes);
        Layers layers(rig, 4, false);
        const std::vector<float> expected = layers.on_cpu(rig, 1.0F);
        const LogCapture log;
        for (int i = 0; i < 3; i++) {
            layers.allocate(rig);
            EXPECT_EQ(layers.compute(rig, 1.0F), expected);
            layers.on_cpu(rig, 1.0F); // another graph
        }
        EXPECT_EQ(rig.stats().streamed_bytes, 0U);
        EXPECT_EQ(count(log.text(), why), 1U) << log.text();
    }
}

TEST(Streaming, SendsWeightsAgainUnlessTheyNeverChange) {
    constexpr int kLayers = 6;
    for (const bool pinned : {true, false}) {
        const StreamRig rig(on(GGML_SIM_PROFILE_CUDA), 16 * kWeightBytes);
        Layers layers(rig, kLayers, pinned);
        layers.allocate(rig);
        const std::vector<float> before = layers.compute(rig, 1.0F);
        write_floats(layers.weights[2], ramp(kWidth * kWidth, 2.0F, 0.0F));
        const std::vector<float> after = layers.compute(rig, 1.0F);
        EXPECT_NE(after, before) << "weights that the caller has written are sent";

        ggml_sched_keep_weights(rig.sched(), true);
        ggml_sched_reset_stats(rig.sched());
        for (int run = 0; run < 4; run++) {
            if (run % 2 == 0) {
                layers.allocate(rig);
            }
            EXPECT_EQ(layers.compute(rig, 1.0F), after);
        }
        EXPECT_EQ(rig.stats().streamed_bytes, kLayers * kWeightBytes) << "once";
        EXPECT_EQ(rig.stats().kept_bytes, 3 * kLayers * kWeightBytes);

        write_floats(layers.weights[2], ramp(kWidth * kWidth, -1.0F, 1.0F / 4096));
        ggml_sched_keep_weights(rig.sched(), true); // they have changed
        EXPECT_EQ(layers.compute(rig, 1.0F), before);
    }
}

// What is kept is told by where it is, in the ring and on the host: other weights come and go in the same places.
TEST(Streaming, KeepsNothingThatWasOverwritten) {
    for (uint64_t seed = 0; seed < 12; seed++) {
        SCOPED_TRACE("seed " + std::to_string(seed));
        const StreamRig rig(on(GGML_SIM_PROFILE_CUDA, seed), (2 + seed) * kWeightBytes);
        Layers some(rig, 4);
        Layers others(rig, 7);
        write_floats(others.weights[0], ramp(kWidth * kWidth, 2.0F, 0.0F));
        const std::vector<float> expected = some.on_cpu(rig, 1.0F);
        const std::vector<float> expected_others = others.on_cpu(rig, 2.0F);
        ggml_sched_keep_weights(rig.sched(), true);
        for (int i = 0; i < 4; i++) {
            some.allocate(rig);
            some.start(rig, 1.0F);
            EXPECT_EQ(some.compute(rig, 1.0F), expected);
            others.allocate(rig);
            others.start(rig, 2.0F);
            EXPECT_EQ(others.compute(rig, 2.0F), expected_others);
            if (i == 2) {
                const LogCapture quiet;
                ASSERT_TRUE(ggml_backend_sim_fail_launch(0, 1));
                EXPECT_EQ(ggml_backend_sched_graph_compute(rig.sched(), others.graph), GGML_STATUS_FAILED);
            }
        }
    }
}

TEST(Streaming, UsesLessMemoryWhereThereIsLess) {
    RigOptions options = on(GGML_SIM_PROFILE_CUDA);
    options.memory_bytes = 10 * kWeightBytes;
    const StreamRig rig(options, 20 * kWeightBytes);
    Layers layers(rig, 24);
    const std::vector<float> expected = layers.on_cpu(rig, 1.0F);
    LogCapture log;
    layers.allocate(rig);
    EXPECT_EQ(layers.compute(rig, 1.0F), expected);
    EXPECT_GT(rig.stats().streamed_bytes, 0U);
    EXPECT_TRUE(log.contains("trying with half of it")) << log.text();
}

TEST(Streaming, GivesItsMemoryBackWhenTheGraphNeedsIt) {
    RigOptions options = on(GGML_SIM_PROFILE_CUDA);
    options.memory_bytes = 9 * kWeightBytes + kWeightBytes / 2; // the ring takes nine
    const StreamRig rig(options, 9 * kWeightBytes);
    Layers layers(rig, 24);
    const std::vector<float> expected = layers.on_cpu(rig, 1.0F);
    LogCapture log;
    layers.allocate(rig);
    EXPECT_EQ(layers.compute(rig, 1.0F), expected);
    EXPECT_TRUE(log.contains("needed for something else")) << log.text();
}

TEST(Streaming, ChangesItsRingWhileRunsAreInFlight) {
    for (uint64_t seed = 0; seed < 20; seed++) {
        SCOPED_TRACE("seed " + std::to_string(seed));
        const StreamRig rig(on(GGML_SIM_PROFILE_CUDA, seed), 4 * kWeightBytes);
        Layers few(rig, 3);
        Layers many(rig, 11);
        const std::vector<float> expected_few = few.on_cpu(rig, 1.0F);
        const std::vector<float> expected_many = many.on_cpu(rig, 2.0F);
        few.allocate(rig);
        few.start(rig, 1.0F);
        many.allocate(rig); // the ring grows
        many.start(rig, 2.0F);
        const ContextPtr kept = std::move(many.context);
        set_streaming(rig.sched(), 6 * kWeightBytes);
        EXPECT_EQ(read_floats(many.result), expected_many);
        few.allocate(rig);
        EXPECT_EQ(few.compute(rig, 1.0F), expected_few);
        set_streaming(rig.sched(), 0);
        few.allocate(rig);
        EXPECT_EQ(few.compute(rig, 1.0F), expected_few);
    }
}

// Its bytes are others then, although the same graph is cut in the same way.
TEST(Streaming, IsPlannedAnewInAnotherRingOfTheSameSize) {
    const StreamRig rig(on(GGML_SIM_PROFILE_CUDA), 4 * kWeightBytes);
    Layers layers(rig, 6);
    const auto n_plans = [&] {
        ggml_sched_reset_stats(rig.sched());
        layers.allocate(rig);
        layers.compute(rig, 1.0F);
        return rig.stats().plans;
    };
    n_plans();
    n_plans(); // the caller may have queued a read of the first result
    EXPECT_EQ(n_plans(), 0U) << "the test needs that a plan is found again";
    set_streaming(rig.sched(), 4 * kWeightBytes);
    EXPECT_EQ(n_plans(), 1U);
}

TEST(Streaming, FreesTheSchedulerWithCopiesInFlight) {
    for (uint64_t seed = 0; seed < 10; seed++) {
        StreamRig rig(on(GGML_SIM_PROFILE_CUDA, seed), 3 * kWeightBytes);
        Layers layers(rig, 8);
        layers.allocate(rig);
        layers.start(rig, 1.0F);
        if (seed % 2 == 0) {
            rig.free_backends();
        }
        rig.free_sched();
    }
}

TEST(Streaming, EndsWhatItStartedWhenALaunchFails) {
    const StreamRig rig(on(GGML_SIM_PROFILE_CUDA, 3), 3 * kWeightBytes);
    Layers layers(rig, 8);
    const std::vector<float> expected = layers.on_cpu(rig, 1.0F);
    layers.allocate(rig);
    for (int launch = 1; launch <= 4; launch++) {
        const LogCapture quiet;
        ASSERT_TRUE(ggml_backend_sim_fail_launch(0, launch));
        write_floats(layers.input, ramp(kWidth * kRows, 9.0F));
        EXPECT_EQ(ggml_backend_sched_graph_compute_async(rig.sched(), layers.graph), GGML_STATUS_FAILED);
    }
    EXPECT_EQ(layers.compute(rig, 1.0F), expected);
}

TEST(Streaming, CopiesAWeightAgainForALaterSplit) {
    const StreamRig rig(on(GGML_SIM_PROFILE_CUDA), 4 * kWeightBytes);
    Layers layers(rig, 3);
    layers.weights = {layers.weights[0], layers.weights[1], layers.weights[2], layers.weights[0], layers.weights[1]};
    const std::vector<float> expected = layers.on_cpu(rig, 1.0F);
    layers.allocate(rig);
    EXPECT_EQ(layers.compute(rig, 1.0F), expected);
    EXPECT_EQ(rig.stats().streamed_bytes, 5U * kWeightBytes);
}

TEST(Streaming, CopiesOneAtATimeInTheOtherModes) {
    const StreamRig rig(on(GGML_SIM_PROFILE_CUDA), 4 * kWeightBytes);
    Layers layers(rig, 6);
    const std::vector<float> expected = layers.on_cpu(rig, 1.0F);
    for (const ggml_sched_sync_mode mode : {GGML_SCHED_SYNC_BARRIER, GGML_SCHED_SYNC_SERIAL}) {
        ggml_sched_set_sync_mode(rig.sched(), GGML_SCHED_SYNC_AUTO);
        layers.allocate(rig);
        ggml_sched_set_sync_mode(rig.sched(), mode); // of a graph that has been laid out for streaming
        EXPECT_EQ(layers.compute(rig, 1.0F), expected);
        const uint64_t streamed = rig.stats().streamed_bytes;
        layers.allocate(rig);
        EXPECT_EQ(layers.compute(rig, 1.0F), expected);
        EXPECT_EQ(rig.stats().streamed_bytes, streamed);
    }
}

// What a CPU split computes is too large to be copied aside, and it is written again at once.
TEST_P(StreamingTo, StagesResultsOfTheCpuInOrder) {
    constexpr int64_t kLarge = 1 << 19; // floats: 2 MiB, of which three take one chunk and a half
    for (uint64_t seed = 0; seed < 6; seed++) {
        SCOPED_TRACE("seed " + std::to_string(seed));
        const StreamRig rig(on(GetParam(), seed), 0);
        const ContextPtr context = make_context();
        ggml_tensor * input = ggml_new_tensor_1d(context.get(), GGML_TYPE_F32, 4);
        ggml_set_input(input);
        const ContextPtr cache_context = make_context();
        ggml_tensor * cache = ggml_new_tensor_1d(cache_context.get(), GGML_TYPE_F32, kLarge);
        const BufferPtr buffer(
            ggml_backend_alloc_ctx_tensors_from_buft(cache_context.get(), ggml_backend_cpu_buffer_type()));
        ggml_tensor * row = ggml_new_tensor_1d(context.get(), GGML_TYPE_F32, kLarge);
        ggml_tensor * written = ggml_cpy(context.get(), ggml_repeat(context.get(), input, row), cache);
        ggml_tensor * result = ggml_scale(context.get(), written, 2.0F);
        ggml_set_output(result);
        ggml_backend_sched_set_tensor_backend(rig.sched(), result, rig.device(0));
        ggml_cgraph * graph = ggml_new_graph(context.get());
        ggml_build_forward_expand(graph, result);
        ASSERT_TRUE(ggml_backend_sched_alloc_graph(rig.sched(), graph)) << ggml_sched_get_error(rig.sched());
        constexpr int kRuns = 20; // more than there are chunks
        for (int run = 0; run < kRuns; run++) {
            const auto value = static_cast<float>(run);
            write_floats(input, {value, value + 1, value + 2, value + 3});
            ASSERT_EQ(ggml_backend_sched_graph_compute_async(rig.sched(), graph), GGML_STATUS_SUCCESS);
        }
        ggml_backend_sched_synchronize(rig.sched());
        EXPECT_EQ(rig.stats().staged_bytes, kRuns * kLarge * sizeof(float));
        EXPECT_EQ(rig.stats().streamed_bytes, 0U);
        const std::vector<float> values = read_floats(result);
        for (size_t i = 0; i < values.size(); i++) {
            ASSERT_EQ(values[i], 2.0F * (kRuns - 1 + static_cast<float>(i % 4))) << i;
        }
    }
}

} // namespace
} // namespace ggml_sched::test
