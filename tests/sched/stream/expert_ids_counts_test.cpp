// Ids of MUL_MAT_ID for one token and for none: as many bytes are copied as are needed.

#include <gtest/gtest.h>

#include <tuple>
#include <vector>

#include "stream/expert_ids.h"

namespace ggml_sched::test {
namespace {

using namespace expert_ids;

// 4 of 64 experts of 16 KiB, for one token: ggml copies 4 experts, 3 times what is behind a group, x and the ids.
class ExpertIdsOfOneToken : public testing::TestWithParam<std::tuple<Device, bool>> {}; // streamed

TEST_P(ExpertIdsOfOneToken, MoveAsManyBytesAsWithGgml) {
    constexpr int64_t kRow = 64;
    RigOptions options = options_of(std::get<0>(GetParam()), false, false);
    options.stream = std::get<1>(GetParam()) ? size_t{4} << 20 : 0;
    Rig rig(options);
    const ContextPtr weights = make_context();
    ggml_tensor * experts = ggml_new_tensor_3d(weights.get(), GGML_TYPE_F32, kRow, kRow, 64);
    const BufferPtr buffer = put(weights.get(), rig.cpu(), true);
    write_floats(experts, std::vector<float>(ggml_nelements(experts), 0.5F));
    Graph graph;
    ggml_tensor * x = ggml_new_tensor_3d(graph.context.get(), GGML_TYPE_F32, kRow, 1, 1);
    ggml_set_input(x);
    graph.result = graph.add_product(experts, x, graph.new_input(kUsed), "up");
    ggml_backend_sched_set_tensor_backend(rig.sched(), graph.result, rig.device(0));
    ASSERT_TRUE(ggml_backend_sched_alloc_graph(rig.sched(), graph.graph));
    write_ids(graph.input, {60, 5, 20, 63});
    write_floats(x, std::vector<float>(kRow, 1.0F));
    ggml_sched_reset_stats(rig.sched());
    ASSERT_EQ(ggml_backend_sched_graph_compute(rig.sched(), graph.graph), GGML_STATUS_SUCCESS);
    EXPECT_EQ(rig.stats().bytes_copied, 67344U) << rig.plan();
    EXPECT_EQ(read_floats(graph.result), std::vector<float>(kRow * kUsed, 32.0F));
}

INSTANTIATE_TEST_SUITE_P(Streaming, ExpertIdsOfOneToken, testing::Combine(kStreaming, testing::Bool()));
INSTANTIATE_TEST_SUITE_P(NotStreaming, ExpertIdsOfOneToken, testing::Combine(kNotStreaming, testing::Values(false)));

// Ids of no tokens. Another product of the same graph has ids.
class EmptyExpertIds : public testing::TestWithParam<std::tuple<Device, bool, bool>> {}; // streamed, on the device

TEST_P(EmptyExpertIds, MoveNothingAndLeaveTheRestRight) {
    const auto [device, streamed, on_device] = GetParam();
    const std::vector<float> x = ramp(kWidth, 1.0F, 0.25F);
    const Ids ids = {2, 9, 3, 15};
    for (const bool verify : {true, false}) {
        Rig rig(options_of(device, streamed, false));
        ggml_sched_set_verify(rig.sched(), verify);
        const Model model(rig.cpu(), rig.cpu(), kUsed);
        Graph graph;
        ggml_context * ctx = graph.context.get();
        ggml_tensor * none = ggml_new_tensor_2d(ctx, GGML_TYPE_I32, kUsed, 0);
        ggml_tensor * no_tokens = ggml_new_tensor_3d(ctx, GGML_TYPE_F32, kWidth, 1, 0);
        ggml_set_input(none);
        ggml_set_input(no_tokens);
        ggml_tensor * computed = ggml_cont(ctx, none);
        graph.placed.emplace_back(computed, on_device);
        ggml_tensor * nothing = graph.add_product(model.other, no_tokens, computed, "nothing");
        ggml_set_output(nothing);
        graph.add_products(model, graph.new_input(kUsed));
        for (const auto & [tensor, is_on_device] : graph.placed) {
            ggml_backend_sched_set_tensor_backend(rig.sched(), tensor, is_on_device ? rig.device(0) : rig.cpu());
        }
        for (int run = 0; run < 3; run++) {
            ASSERT_TRUE(ggml_backend_sched_alloc_graph(rig.sched(), graph.graph)) << ggml_sched_get_error(rig.sched());
            write_ids(graph.input, ids);
            write_floats(graph.x, x);
            ggml_sched_reset_stats(rig.sched());
            ASSERT_EQ(ggml_backend_sched_graph_compute(rig.sched(), graph.graph), GGML_STATUS_SUCCESS)
                << ggml_sched_get_error(rig.sched());
            EXPECT_LT(rig.stats().bytes_copied, 2 * (kUsed * kExpertBytes + 2 * kPadding) + kOthers) << rig.plan();
            EXPECT_EQ(read_floats(graph.result), Reference().run(ids, x));
        }
    }
}

INSTANTIATE_TEST_SUITE_P(Streaming, EmptyExpertIds, testing::Combine(kStreaming, testing::Bool(), testing::Bool()));
INSTANTIATE_TEST_SUITE_P(NotStreaming, EmptyExpertIds,
                         testing::Combine(kNotStreaming, testing::Values(false), testing::Bool()));
INSTANTIATE_TEST_SUITE_P(InPlace, EmptyExpertIds,
                         testing::Combine(testing::Values(Device::Uma), testing::Values(false), testing::Bool()));

} // namespace
} // namespace ggml_sched::test
