// H9: an eval callback slices splits, and may stop a run anywhere.

#include <gtest/gtest.h>

#include <algorithm>

#include "support/rig.h"

namespace ggml_sched::test {
namespace {

constexpr int64_t kSize = 16;
constexpr int kNodes = 8;

// ((input + 1 weight) ...) eight times, the middle four on the device
struct Sandwich {
    ContextPtr context = make_context();
    ggml_tensor * input;
    std::vector<ggml_tensor *> nodes;
    ggml_cgraph * graph;

    explicit Sandwich(Rig & rig, bool keeps_all = false) {
        ggml_context * ctx = context.get();
        input = ggml_new_tensor_1d(ctx, GGML_TYPE_F32, kSize);
        ggml_set_input(input);
        graph = ggml_new_graph(ctx);
        ggml_tensor * value = input;
        for (int i = 0; i < kNodes; i++) {
            value = ggml_scale_bias(ctx, value, 1.0f, 1.0f);
            ggml_format_name(value, "node%d", i);
            nodes.push_back(value);
            if (keeps_all || i == kNodes - 1) {
                ggml_set_output(value);
            }
            ggml_backend_sched_set_tensor_backend(rig.sched(), value, i >= 2 && i < 6 ? rig.device(0) : rig.cpu());
        }
        ggml_build_forward_expand(graph, value);
        EXPECT_TRUE(ggml_backend_sched_alloc_graph(rig.sched(), graph));
        write_floats(input, std::vector<float>(kSize, 0.0f));
    }

    ggml_status run(Rig & rig) {
        const ggml_status status = ggml_backend_sched_graph_compute_async(rig.sched(), graph);
        if (status == GGML_STATUS_SUCCESS) {
            ggml_backend_sched_synchronize(rig.sched());
        }
        return status;
    }
};

struct Watcher {
    int stop_at = -1; // after this node
    int every = 1;    // only each such node
    std::vector<std::pair<std::string, float>> seen;
    int asked = 0;

    static bool call(ggml_tensor * tensor, bool ask, void * self) {
        Watcher & watcher = *static_cast<Watcher *>(self);
        if (ask) {
            return watcher.asked++ % watcher.every == 0;
        }
        watcher.seen.emplace_back(tensor->name, read_floats(tensor)[0]);
        return watcher.stop_at < 0 || static_cast<int>(watcher.seen.size()) <= watcher.stop_at;
    }
};

class EvalCallback : public testing::TestWithParam<ggml_sim_profile> {
  protected:
    Rig rig_{{{GetParam()}}};
};

TEST_P(EvalCallback, SeesTheValuesOfTheNodesThatItAsksFor) {
    Sandwich graph(rig_);
    for (const int every : {1, 2, 3, 100}) {
        Watcher watcher;
        watcher.every = every;
        ggml_backend_sched_set_eval_callback(rig_.sched(), Watcher::call, &watcher);
        ASSERT_EQ(graph.run(rig_), GGML_STATUS_SUCCESS);
        EXPECT_EQ(watcher.asked, kNodes);
        ASSERT_EQ(watcher.seen.size(), static_cast<size_t>((kNodes + every - 1) / every));
        for (size_t i = 0; i < watcher.seen.size(); i++) {
            const int node = static_cast<int>(i) * every;
            EXPECT_EQ(watcher.seen[i].first, "node" + std::to_string(node));
            EXPECT_EQ(watcher.seen[i].second, static_cast<float>(node + 1));
        }
        EXPECT_EQ(read_floats(graph.nodes.back())[0], static_cast<float>(kNodes));
    }
}

TEST_P(EvalCallback, StopsTheRunWhereItSaysSo) {
    Sandwich graph(rig_);
    for (int stop_at = 0; stop_at < kNodes; stop_at++) {
        Watcher watcher;
        watcher.stop_at = stop_at;
        ggml_backend_sched_set_eval_callback(rig_.sched(), Watcher::call, &watcher);
        EXPECT_EQ(graph.run(rig_), GGML_STATUS_ABORTED);
        EXPECT_EQ(watcher.seen.size(), static_cast<size_t>(stop_at) + 1) << "nothing after it is computed";

        ggml_backend_sched_set_eval_callback(rig_.sched(), nullptr, nullptr);
        ASSERT_EQ(graph.run(rig_), GGML_STATUS_SUCCESS);
        EXPECT_EQ(read_floats(graph.nodes.back())[0], static_cast<float>(kNodes));
    }
}

// As engines do that collect statistics of matrix products: their inputs are what is of interest.
struct OperandWatcher {
    int n_seen = 0;
    int n_wrong = 0;

    static bool call(ggml_tensor * tensor, bool ask, void * self) {
        OperandWatcher & watcher = *static_cast<OperandWatcher *>(self);
        const bool is_in_place = tensor->data == tensor->src[0]->data;
        if (!ask && !is_in_place) {
            watcher.n_seen++;
            watcher.n_wrong += read_floats(tensor->src[0])[0] + 1.0f == read_floats(tensor)[0] ? 0 : 1;
        }
        return true;
    }
};

TEST_P(EvalCallback, MayLookAtTheOperandsToo) {
    Sandwich graph(rig_, true);
    OperandWatcher watcher;
    ggml_backend_sched_set_eval_callback(rig_.sched(), OperandWatcher::call, &watcher);
    ASSERT_EQ(graph.run(rig_), GGML_STATUS_SUCCESS);
    EXPECT_GE(watcher.n_seen, kNodes / 2);
    EXPECT_EQ(watcher.n_wrong, 0);
}

TEST_P(EvalCallback, ComesAndGoesBetweenRunsOfOneAllocation) {
    Sandwich graph(rig_);
    for (int i = 0; i < 6; i++) {
        Watcher watcher;
        ggml_backend_sched_set_eval_callback(rig_.sched(), i % 2 == 0 ? Watcher::call : nullptr, &watcher);
        ASSERT_EQ(ggml_backend_sched_graph_compute_async(rig_.sched(), graph.graph), GGML_STATUS_SUCCESS);
        EXPECT_EQ(watcher.seen.size(), i % 2 == 0 ? static_cast<size_t>(kNodes) : 0U);
        EXPECT_EQ(rig_.plan().find("the eval callback looks") != std::string::npos, i % 2 == 0) << rig_.plan();
    }
    ggml_backend_sched_synchronize(rig_.sched());
}

TEST_P(EvalCallback, WaitsAsThePlanSaysForEachSlice) {
    Sandwich graph(rig_);
    Watcher watcher;
    ggml_backend_sched_set_eval_callback(rig_.sched(), Watcher::call, &watcher);
    for (int i = 0; i < 2; i++) {
        ASSERT_EQ(graph.run(rig_), GGML_STATUS_SUCCESS);
    }
    ggml_sched_reset_stats(rig_.sched());
    ASSERT_EQ(graph.run(rig_), GGML_STATUS_SUCCESS);
    const bool is_lane = GetParam() != GGML_SIM_PROFILE_NO_ASYNC;
    const ggml_sched_stats stats = rig_.stats();
    EXPECT_EQ(stats.launches, static_cast<uint64_t>(kNodes));
    EXPECT_EQ(stats.unplanned_waits, 0U);
    EXPECT_EQ(stats.plans, 0U);
    // The middle split has four slices. What it computes need not be waited for again when it goes to the CPU, but the
    // copy must have landed.
    EXPECT_EQ(rig_.pattern(1).find("gs") != std::string::npos, is_lane) << rig_.pattern(1);
    EXPECT_EQ(stats.host_waits, is_lane ? 4U + 1U : 0U) << rig_.plan();
}

TEST_P(EvalCallback, ThatStopsARunMakesTheHostWaitForWhatIsInFlight) {
    Sandwich graph(rig_);
    Watcher watcher;
    watcher.stop_at = 3;
    ggml_backend_sched_set_eval_callback(rig_.sched(), Watcher::call, &watcher);
    EXPECT_EQ(graph.run(rig_), GGML_STATUS_ABORTED);
    EXPECT_EQ(rig_.stats().unplanned_waits, GetParam() == GGML_SIM_PROFILE_NO_ASYNC ? 0U : 1U);
}

// What nobody is shown is not waited for: a device goes on with an earlier run while another is looked at.
TEST(EvalCallbackOnTwoDevices, WaitsOnlyForDevicesWithResults) {
    Rig rig({{GGML_SIM_PROFILE_CUDA, GGML_SIM_PROFILE_CUDA}});
    const auto chain_on = [&](ggml_context * ctx, int device) {
        ggml_tensor * value = ggml_new_tensor_1d(ctx, GGML_TYPE_F32, kSize);
        ggml_set_input(value);
        ggml_cgraph * graph = ggml_new_graph(ctx);
        value = ggml_scale(ctx, value, 2.0f);
        ggml_backend_sched_set_tensor_backend(rig.sched(), value, rig.device(device));
        ggml_set_output(value);
        ggml_build_forward_expand(graph, value);
        EXPECT_EQ(ggml_backend_sched_graph_compute_async(rig.sched(), graph), GGML_STATUS_SUCCESS);
    };
    const ContextPtr first = make_context();
    chain_on(first.get(), 1);
    ggml_backend_sched_reset(rig.sched());
    Watcher watcher;
    ggml_backend_sched_set_eval_callback(rig.sched(), Watcher::call, &watcher);
    const ContextPtr second = make_context();
    chain_on(second.get(), 0);
    EXPECT_EQ(watcher.seen.size(), 1U);
    EXPECT_NE(rig.plan().find("wait for SIM0"), std::string::npos) << rig.plan();
    EXPECT_EQ(rig.plan().find("wait for SIM1"), std::string::npos) << rig.plan();
    ggml_backend_sched_synchronize(rig.sched());
}

std::string profile_name(const testing::TestParamInfo<ggml_sim_profile> & info) {
    std::string name = ggml_sim_profile_name(info.param);
    name.erase(std::remove(name.begin(), name.end(), '-'), name.end());
    return name;
}

INSTANTIATE_TEST_SUITE_P(Profiles, EvalCallback,
                         testing::Values(GGML_SIM_PROFILE_CUDA, GGML_SIM_PROFILE_VULKAN, GGML_SIM_PROFILE_NO_EVENTS,
                                         GGML_SIM_PROFILE_NO_ASYNC, GGML_SIM_PROFILE_UMA),
                         profile_name);

} // namespace
} // namespace ggml_sched::test
