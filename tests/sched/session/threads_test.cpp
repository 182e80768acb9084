// Several threads, each with backends and schedulers of its own, over the same devices: backends and schedulers are
// made and freed meanwhile. Runs under the thread sanitizer, too.

#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <vector>

#include "support/rig.h"

namespace ggml_sched::test {
namespace {

constexpr int64_t kSize = 64;
constexpr int kThreads = 4;

// Makes backends and a scheduler, computes some graphs with them, and frees all. False if a result is wrong.
bool run_once(const std::vector<ggml_backend_dev_t> & devices, int seed, bool parallel) {
    std::vector<BackendPtr> owned;
    std::vector<ggml_backend_t> backends;
    for (const ggml_backend_dev_t device : devices) {
        owned.emplace_back(ggml_backend_dev_init(device, nullptr));
        backends.push_back(owned.back().get());
    }
    const SchedPtr sched(
        ggml_backend_sched_new(backends.data(), nullptr, static_cast<int>(backends.size()), 64, parallel, true));
    if (!sched) {
        return false;
    }
    ggml_sched_set_verify(sched.get(), true);
    bool ok = true;
    for (int graph_size = 1; graph_size < 12; graph_size += 3) {
        const ContextPtr context = make_context(64);
        ggml_tensor * input = ggml_new_tensor_1d(context.get(), GGML_TYPE_F32, kSize * graph_size);
        ggml_set_input(input);
        ggml_tensor * result = input;
        for (int i = 0; i < graph_size; i++) {
            result = ggml_scale_bias(context.get(), result, 1.0f, 1.0f);
            ggml_backend_sched_set_tensor_backend(sched.get(), result, backends[(seed + i) % backends.size()]);
        }
        ggml_set_output(result);
        ggml_cgraph * graph = ggml_new_graph_custom(context.get(), 64, false);
        ggml_build_forward_expand(graph, result);
        ok = ok && ggml_backend_sched_alloc_graph(sched.get(), graph);
        for (int run = 0; ok && run < 3; run++) {
            const float first = static_cast<float>(seed + run);
            write_floats(input, ramp(kSize * graph_size, first));
            ok = ggml_backend_sched_graph_compute(sched.get(), graph) == GGML_STATUS_SUCCESS &&
                 read_floats(result) == ramp(kSize * graph_size, first + static_cast<float>(graph_size));
        }
        ggml_backend_sched_reset(sched.get());
    }
    return ok;
}

void expect_right_in_threads(const std::vector<ggml_backend_dev_t> & devices, int n_rounds) {
    std::atomic<int> n_wrong{0};
    std::vector<std::thread> threads;
    for (int thread = 0; thread < kThreads; thread++) {
        threads.emplace_back([&, thread] {
            for (int round = 0; round < n_rounds; round++) {
                n_wrong += run_once(devices, thread + round, round % 2 == 1) ? 0 : 1;
            }
        });
    }
    for (std::thread & thread : threads) {
        thread.join();
    }
    EXPECT_EQ(n_wrong, 0);
}

TEST(Threads, ShareSimulatedDevices) {
    ggml_sim_config config = ggml_sim_config_default(GGML_SIM_PROFILE_CUDA);
    ASSERT_TRUE(ggml_backend_sim_configure(0, &config));
    config = ggml_sim_config_default(GGML_SIM_PROFILE_VULKAN);
    ASSERT_TRUE(ggml_backend_sim_configure(1, &config));
    ggml_sim_counters before = {};
    ggml_backend_sim_get_counters(&before);
    expect_right_in_threads({ggml_backend_sim_device(0), ggml_backend_sim_device(1),
                             ggml_backend_dev_by_type(GGML_BACKEND_DEVICE_TYPE_CPU)},
                            12);
    ggml_sim_counters after = {};
    ggml_backend_sim_get_counters(&after);
    EXPECT_EQ(after.contract_violations, before.contract_violations);
}

TEST(Threads, ShareTheCpu) {
    const ggml_backend_dev_t cpu = ggml_backend_dev_by_type(GGML_BACKEND_DEVICE_TYPE_CPU);
    expect_right_in_threads({cpu, cpu}, 12);
}

// The wrong way: two threads call one scheduler. One of two calls at a time is refused, and both are told so or right.
TEST(Threads, ThatCallOneSchedulerAreRefused) {
    const LogCapture log;
    Rig rig({{GGML_SIM_PROFILE_CUDA}});
    const ContextPtr context = make_context(64);
    ggml_tensor * input = ggml_new_tensor_1d(context.get(), GGML_TYPE_F32, kSize);
    ggml_set_input(input);
    ggml_tensor * result = ggml_scale(context.get(), input, 2.0f);
    ggml_set_output(result);
    ggml_cgraph * graph = ggml_new_graph_custom(context.get(), 64, false);
    ggml_build_forward_expand(graph, result);
    ASSERT_TRUE(ggml_backend_sched_alloc_graph(rig.sched(), graph));
    write_floats(input, ramp(kSize, 1));
    struct Call {
        ggml_backend_sched_t sched;
        ggml_cgraph * graph;
        ggml_status status = GGML_STATUS_SUCCESS;
    } call = {rig.sched(), graph};
    const auto from_another_thread = [](ggml_tensor * /*node*/, bool ask, void * data) {
        auto * call = static_cast<Call *>(data);
        if (!ask) {
            std::thread([&] { call->status = ggml_backend_sched_graph_compute(call->sched, call->graph); }).join();
        }
        return true;
    };
    ggml_backend_sched_set_eval_callback(rig.sched(), from_another_thread, &call);
    EXPECT_EQ(ggml_backend_sched_graph_compute(rig.sched(), graph), GGML_STATUS_SUCCESS);
    EXPECT_EQ(call.status, GGML_STATUS_FAILED);
    EXPECT_TRUE(log.contains("by a callback or by another thread")) << log.text();
    EXPECT_EQ(read_floats(result), ramp(kSize, 2, 2));
}

} // namespace
} // namespace ggml_sched::test
