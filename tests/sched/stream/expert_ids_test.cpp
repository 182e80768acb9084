// In whatever way the ids of MUL_MAT_ID arrive, a device gets the experts that they name, and no others.

#include <gtest/gtest.h>

#include <string>
#include <tuple>

#include "stream/expert_ids.h"

namespace ggml_sched::test {
namespace {

using namespace expert_ids;

using Parameters = std::tuple<Device, bool, Way>; // streamed

class ExpertIds : public testing::TestWithParam<Parameters> {
  protected:
    explicit ExpertIds(bool parallel = false)
        : rig_(options_of(std::get<0>(GetParam()), std::get<1>(GetParam()), parallel))
        , model_(rig_.cpu(), is_store_on_device() ? rig_.device(0) : rig_.cpu(), is_wide(way()) ? kWideRow : kUsed) {}

    static Way way() { return std::get<2>(GetParam()); }
    static bool needs_copies() { return std::get<0>(GetParam()) != Device::Uma; }
    static bool is_store_on_device() { return way() == Way::StoredOnDevice || way() == Way::ViewOfStoredOnDevice; }

    void allocate(const Graph & graph) {
        ggml_backend_sched_reset(rig_.sched());
        for (const auto & [tensor, on_device] : graph.placed) {
            ggml_backend_sched_set_tensor_backend(rig_.sched(), tensor, on_device ? rig_.device(0) : rig_.cpu());
        }
        ASSERT_TRUE(ggml_backend_sched_alloc_graph(rig_.sched(), graph.graph)) << ggml_sched_get_error(rig_.sched());
    }

    // Makes the ids arrive, and runs the products.
    ggml_status run(const Ids & ids, const std::vector<float> & x) {
        if (is_stored(way())) {
            const Graph storing = storing_graph(model_);
            allocate(storing);
            write_ids(storing.input, ids);
            EXPECT_EQ(ggml_backend_sched_graph_compute(rig_.sched(), storing.graph), GGML_STATUS_SUCCESS);
        }
        graph_ = graph_of(way(), model_);
        allocate(graph_);
        if (graph_.input) {
            write_ids(graph_.input, ids);
        }
        write_floats(graph_.x, x);
        ggml_sched_reset_stats(rig_.sched());
        return ggml_backend_sched_graph_compute(rig_.sched(), graph_.graph);
    }

    std::string error() const { return ggml_sched_get_error(rig_.sched()); }

    Rig rig_;
    Model model_;
    Graph graph_;
    Reference reference_;
};

TEST_P(ExpertIds, MoveOnlyTheExpertsThatTheyName) {
    const std::vector<float> x = ramp(kWidth, 1.0F, 0.25F);
    struct Case {
        Ids ids;
        size_t n_padded; // groups that do not end with the last expert
    };
    const std::vector<Case> cases = {{{2, 9, 3, 15}, 2}, {{0, 1, 2, 3}, 1}, {{15, 13, 11, 7}, 3}};
    for (size_t i = 0; i < 3 * cases.size(); i++) { // so often that what is measured could change how they are sent
        const Case & one = cases[i % cases.size()];
        ASSERT_EQ(run(one.ids, x), GGML_STATUS_SUCCESS) << error();
        const size_t experts = needs_copies() ? 2 * (kUsed * kExpertBytes + one.n_padded * kPadding) : 0;
        EXPECT_GE(rig_.stats().bytes_copied, experts);
        EXPECT_LT(rig_.stats().bytes_copied, experts + kOthers) << rig_.plan();
        EXPECT_EQ(read_floats(graph_.result), reference_.run(one.ids, x));
    }
}

// Tests experts that are copied
class WrongExpertIds : public ExpertIds {};

TEST_P(WrongExpertIds, FailTheRunAndNotTheNext) {
    const std::vector<float> x = ramp(kWidth, 1.0F, 0.25F);
    const Ids valid = {2, 9, 3, 15};
    for (const int32_t wrong : {static_cast<int32_t>(kExperts), -1, INT32_MAX, INT32_MIN}) {
        const LogCapture log;
        ASSERT_EQ(run({2, 9, wrong, 15}, x), GGML_STATUS_FAILED) << wrong;
        EXPECT_NE(error().find("MUL_MAT_ID 'up' cannot run: its ids 'topk' name expert " + std::to_string(wrong) +
                               ", and 'up_exps' has the experts 0 to 15; give valid ids"),
                  std::string::npos)
            << error();
        ASSERT_EQ(run(valid, x), GGML_STATUS_SUCCESS) << error();
        EXPECT_EQ(read_floats(graph_.result), reference_.run(valid, x));
    }
}

std::vector<Way> all_ways() {
    std::vector<Way> ways;
    for (int way = 0; way < static_cast<int>(Way::Count); way++) {
        ways.push_back(static_cast<Way>(way));
    }
    return ways;
}

std::string parameters_name(const testing::TestParamInfo<Parameters> & info) {
    return name_of(std::get<0>(info.param)) + (std::get<1>(info.param) ? "Streamed" : "Copied") +
           name_of(std::get<2>(info.param));
}

const auto kAllWays = testing::Combine(kStreaming, testing::Bool(), testing::ValuesIn(all_ways()));
const auto kAllWaysNotStreaming =
    testing::Combine(kNotStreaming, testing::Values(false), testing::ValuesIn(all_ways()));
const auto kAllWaysInPlace =
    testing::Combine(testing::Values(Device::Uma), testing::Bool(), testing::ValuesIn(all_ways()));
INSTANTIATE_TEST_SUITE_P(Streaming, ExpertIds, kAllWays, parameters_name);
INSTANTIATE_TEST_SUITE_P(NotStreaming, ExpertIds, kAllWaysNotStreaming, parameters_name);
INSTANTIATE_TEST_SUITE_P(InPlace, ExpertIds, kAllWaysInPlace, parameters_name);
INSTANTIATE_TEST_SUITE_P(Streaming, WrongExpertIds, kAllWays, parameters_name);
INSTANTIATE_TEST_SUITE_P(NotStreaming, WrongExpertIds, kAllWaysNotStreaming, parameters_name);

class StoredExpertIds : public ExpertIds {};

// The graph writes the tensor in which the ids are, so the two products have different ids.
TEST_P(StoredExpertIds, MayBeOverwrittenBetweenTheirReaders) {
    const std::vector<float> x = ramp(kWidth, 1.0F, 0.25F);
    const Ids before = {2, 9, 3, 15};
    const Ids after = {0, 1, 12, 13};
    const size_t experts = 2 * (kUsed * kExpertBytes + 2 * kPadding);
    for (int i = 0; i < 2; i++) {
        write_ids(model_.store, before);
        graph_ = overwriting_graph(model_);
        allocate(graph_);
        write_ids(graph_.input, after);
        write_floats(graph_.x, x);
        ggml_sched_reset_stats(rig_.sched());
        ASSERT_EQ(ggml_backend_sched_graph_compute(rig_.sched(), graph_.graph), GGML_STATUS_SUCCESS) << error();
        EXPECT_LT(rig_.stats().bytes_copied, experts + kOthers) << rig_.plan();
        EXPECT_EQ(read_floats(graph_.result), reference_.overwrite(before, after, x));
    }
}

const auto kStoredWays = testing::Values(Way::StoredOnHost, Way::StoredOnDevice);
INSTANTIATE_TEST_SUITE_P(Streaming, StoredExpertIds, testing::Combine(kStreaming, testing::Bool(), kStoredWays),
                         parameters_name);
INSTANTIATE_TEST_SUITE_P(NotStreaming, StoredExpertIds,
                         testing::Combine(kNotStreaming, testing::Values(false), kStoredWays), parameters_name);
INSTANTIATE_TEST_SUITE_P(InPlace, StoredExpertIds,
                         testing::Combine(testing::Values(Device::Uma), testing::Bool(), kStoredWays), parameters_name);

// The caller has its ids back when the call returns, and they are in host memory from the start.
class InputExpertIds : public ExpertIds {
  protected:
    explicit InputExpertIds(bool parallel = false)
        : ExpertIds(parallel) {}

    void run_without_waiting() {
        std::vector<Graph> graphs;
        std::vector<std::vector<float>> results(6, std::vector<float>(kWidth * kUsed));
        std::vector<std::vector<float>> expected;
        for (size_t i = 0; i < results.size(); i++) {
            const auto first = static_cast<int32_t>(i);
            const Ids ids = {first, first + 1, 2 * first + 5, 15 - first};
            const std::vector<float> x = ramp(kWidth, static_cast<float>(i), 0.25F);
            expected.push_back(reference_.run(ids, x));
            graphs.push_back(graph_of(way(), model_));
            const Graph & graph = graphs.back();
            allocate(graph);
            write_ids(graph.input, ids);
            write_floats(graph.x, x);
            const uint64_t waits = rig_.stats().host_waits;
            ASSERT_EQ(ggml_backend_sched_graph_compute_async(rig_.sched(), graph.graph), GGML_STATUS_SUCCESS)
                << error();
            EXPECT_EQ(rig_.stats().host_waits, waits) << rig_.plan();
            write_ids(graph.input, Ids(kUsed, 1 << 20));
            ggml_backend_tensor_get_async(rig_.device(0), graph.result, results[i].data(), 0,
                                          results[i].size() * sizeof(float));
        }
        ggml_backend_sched_synchronize(rig_.sched());
        EXPECT_EQ(results, expected);
    }
};

TEST_P(InputExpertIds, AreNeitherWaitedForNorReadAfterTheCall) {
    run_without_waiting();
}

class RotatingExpertIds : public InputExpertIds {
  protected:
    RotatingExpertIds()
        : InputExpertIds(true) {}
};

TEST_P(RotatingExpertIds, AreNeitherWaitedForNorReadAfterTheCall) {
    run_without_waiting();
}

const auto kInputWays =
    testing::Combine(testing::Values(Device::Cuda), testing::Bool(), testing::Values(Way::Input, Way::ViewOfInput));
INSTANTIATE_TEST_SUITE_P(InputWays, InputExpertIds, kInputWays, parameters_name);
INSTANTIATE_TEST_SUITE_P(InputWays, RotatingExpertIds, kInputWays, parameters_name);

} // namespace
} // namespace ggml_sched::test
