// Runs that fail on a device after they have been launched: a blocking call returns the failure of its own run. Of an
// earlier run it only tells, and is carried out.

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "support/rig.h"

namespace ggml_sched::test {
namespace {

constexpr int64_t kWidth = 4;
constexpr int64_t kRows = 8;

// Fetches the row of a table that the caller chooses, on a device.
class DeviceFailure : public testing::TestWithParam<std::tuple<ggml_sim_profile, uint64_t>> {
  protected:
    DeviceFailure() {
        RigOptions options;
        options.devices = {std::get<0>(GetParam())};
        options.seed = std::get<1>(GetParam());
        rig_ = std::make_unique<Rig>(options);
        ggml_tensor * table = ggml_new_tensor_2d(lasting_.get(), GGML_TYPE_F32, kWidth, kRows);
        buffer_.reset(ggml_backend_alloc_ctx_tensors(lasting_.get(), rig_->device(0)));
        write_floats(table, ramp(kWidth * kRows));
        index_ = ggml_new_tensor_1d(context_.get(), GGML_TYPE_I32, 1);
        ggml_set_input(index_);
        row_ = ggml_get_rows(context_.get(), table, index_);
        ggml_set_output(row_);
        graph_ = ggml_new_graph(context_.get());
        ggml_build_forward_expand(graph_, row_);
        ggml_backend_sched_set_tensor_backend(sched(), row_, rig_->device(0));
        EXPECT_TRUE(ggml_backend_sched_alloc_graph(sched(), graph_));
    }

    ggml_backend_sched_t sched() { return rig_->sched(); }
    std::string error() { return ggml_sched_get_error(sched()); }
    bool tells_of_an_earlier_run() { return error().find("an earlier run failed on SIM0") != std::string::npos; }
    // Devices that do all at once fail in the call itself.
    bool is_async() const { return std::get<0>(GetParam()) != GGML_SIM_PROFILE_NO_ASYNC; }

    void choose(int32_t row) { ggml_backend_tensor_set(index_, &row, 0, sizeof(row)); }
    ggml_status run(int32_t row) {
        choose(row);
        return ggml_backend_sched_graph_compute(sched(), graph_);
    }
    ggml_status start(int32_t row) {
        choose(row);
        return ggml_backend_sched_graph_compute_async(sched(), graph_);
    }
    void expect_row(int32_t row) { EXPECT_EQ(read_floats(row_), ramp(kWidth, static_cast<float>(kWidth * row))); }

    const LogCapture log_;
    std::unique_ptr<Rig> rig_;
    ContextPtr lasting_ = make_context();
    ContextPtr context_ = make_context();
    BufferPtr buffer_;
    ggml_tensor * index_ = nullptr;
    ggml_tensor * row_ = nullptr;
    ggml_cgraph * graph_ = nullptr;
};

TEST_P(DeviceFailure, IsReturnedByTheBlockingCall) {
    for (int32_t row = 0; row < 4; row++) {
        EXPECT_EQ(run(kRows), GGML_STATUS_FAILED);
        EXPECT_NE(error().find("SIM0"), std::string::npos) << error();
        ASSERT_EQ(run(row), GGML_STATUS_SUCCESS) << error();
        EXPECT_EQ(error(), "");
        expect_row(row);
    }
}

TEST_P(DeviceFailure, OfAnAsynchronousRunIsToldBySynchronize) {
    EXPECT_EQ(start(kRows), is_async() ? GGML_STATUS_SUCCESS : GGML_STATUS_FAILED);
    ggml_backend_sched_synchronize(sched());
    EXPECT_EQ(error().find("the run failed on SIM0") != std::string::npos, is_async()) << error();
    ASSERT_EQ(start(3), GGML_STATUS_SUCCESS) << error();
    ggml_backend_sched_synchronize(sched());
    EXPECT_EQ(error(), "");
    expect_row(3);
}

TEST_P(DeviceFailure, OfAnEarlierRunDoesNotStopTheNext) {
    for (int32_t row = 0; row < 4; row++) {
        EXPECT_EQ(start(kRows + row), is_async() ? GGML_STATUS_SUCCESS : GGML_STATUS_FAILED);
        ASSERT_EQ(run(row), GGML_STATUS_SUCCESS) << error();
        EXPECT_EQ(tells_of_an_earlier_run(), is_async()) << error();
        expect_row(row);
        ASSERT_EQ(run(row + 1), GGML_STATUS_SUCCESS) << error();
        EXPECT_EQ(error(), "");
        expect_row(row + 1);
    }
}

TEST_P(DeviceFailure, OfOneOfManyRunsDoesNotStopTheOthers) {
    for (int32_t i = 0; i < 20; i++) {
        const bool fails = i % 3 == 1;
        EXPECT_EQ(start(fails ? kRows : i % kRows), fails && !is_async() ? GGML_STATUS_FAILED : GGML_STATUS_SUCCESS)
            << error();
    }
    ASSERT_EQ(run(5), GGML_STATUS_SUCCESS) << error();
    expect_row(5);
}

// The next run needs a larger ring of host memory, and does not get it.
TEST(DeviceFailures, AreToldWhereTheNextRunCannotBegin) {
    RigOptions options;
    options.devices = {GGML_SIM_PROFILE_CUDA};
    options.parallel = true;
    options.stream = 0;
    Rig rig(options);
    const LogCapture log;
    const ContextPtr lasting = make_context(4);
    ggml_tensor * table = ggml_new_tensor_2d(lasting.get(), GGML_TYPE_F32, 4, kRows);
    const BufferPtr buffer(ggml_backend_alloc_ctx_tensors(lasting.get(), rig.device(0)));
    ContextPtr context;
    ggml_tensor * index = nullptr;
    ggml_tensor * x = nullptr;
    const auto build = [&](int64_t n) {
        context = make_context();
        index = ggml_new_tensor_1d(context.get(), GGML_TYPE_I32, 1);
        x = ggml_new_tensor_1d(context.get(), GGML_TYPE_F32, n);
        ggml_cgraph * graph = ggml_new_graph(context.get());
        ggml_backend_sched_reset(rig.sched());
        for (ggml_tensor * input : {index, x}) {
            ggml_set_input(input);
            ggml_backend_sched_set_tensor_backend(rig.sched(), input, rig.cpu());
        }
        for (ggml_tensor * result : {ggml_get_rows(context.get(), table, index), ggml_scale(context.get(), x, 2.0F)}) {
            ggml_set_output(result);
            ggml_build_forward_expand(graph, result);
            ggml_backend_sched_set_tensor_backend(rig.sched(), result, rig.device(0));
        }
        return graph;
    };
    const auto start = [&](int64_t n, int32_t row) {
        ggml_cgraph * graph = build(n);
        EXPECT_TRUE(ggml_backend_sched_alloc_graph(rig.sched(), graph)) << ggml_sched_get_error(rig.sched());
        ggml_backend_tensor_set(index, &row, 0, sizeof(row));
        write_floats(x, ramp(static_cast<size_t>(n)));
        return ggml_backend_sched_graph_compute_async(rig.sched(), graph);
    };
    ASSERT_TRUE(ggml_backend_sched_reserve(rig.sched(), build(4096)));
    ASSERT_EQ(start(64, kRows), GGML_STATUS_SUCCESS) << "that there is no such row is found out later";
    const ContextPtr first = std::move(context);
    ASSERT_TRUE(ggml_backend_sim_fail(0, GGML_SIM_CALL_ALLOC_HOST_BUFFER, 1));
    EXPECT_EQ(start(4096, 1), GGML_STATUS_ALLOC_FAILED);
    ASSERT_TRUE(ggml_backend_sim_fail(0, GGML_SIM_CALL_ALLOC_HOST_BUFFER, 0));
    std::string told = ggml_sched_get_error(rig.sched());
    ggml_backend_sched_synchronize(rig.sched());
    told += ggml_sched_get_error(rig.sched());
    EXPECT_NE(told.find("failed on SIM0"), std::string::npos) << told << log.text();
}

INSTANTIATE_TEST_SUITE_P(Profiles, DeviceFailure,
                         testing::Combine(testing::Values(GGML_SIM_PROFILE_CUDA, GGML_SIM_PROFILE_VULKAN,
                                                          GGML_SIM_PROFILE_NO_EVENTS, GGML_SIM_PROFILE_NO_ASYNC,
                                                          GGML_SIM_PROFILE_UMA),
                                          testing::Values(0, 1, 2, 3, 4)));

} // namespace
} // namespace ggml_sched::test
