// What a new scheduler needs, and what it says where that is missing.

#include <gtest/gtest.h>

#include <vector>

#include "session/chain.h"

namespace ggml_sched::test {
namespace {

TEST(NewScheduler, NeedsBackends) {
    LogCapture log;
    EXPECT_EQ(ggml_backend_sched_new(nullptr, nullptr, 0, 64, false, false), nullptr);
    EXPECT_TRUE(log.contains("the array of backends is NULL"));
}

TEST(NewScheduler, RefusesNullBackends) {
    LogCapture log;
    const BackendPtr cpu(ggml_backend_cpu_init());
    EXPECT_EQ(new_sched({nullptr, cpu.get()}), nullptr);
    EXPECT_TRUE(log.contains("backend 0 is NULL"));
}

// As ggml's test-opt does: the backend that it trains on, in front of all backends
TEST(NewScheduler, TakesABackendTwiceAndComputesOnItsFirstPlace) {
    const BackendPtr cpu(ggml_backend_cpu_init());
    const BackendPtr device(ggml_backend_dev_init(ggml_backend_sim_device(0), nullptr));
    const std::vector<std::vector<ggml_backend_t>> lists = {{cpu.get(), cpu.get()},
                                                            {device.get(), device.get(), cpu.get()},
                                                            {cpu.get(), device.get(), cpu.get()},
                                                            {device.get(), cpu.get(), device.get(), cpu.get()}};
    for (const std::vector<ggml_backend_t> & list : lists) {
        const SchedPtr sched(new_sched(list));
        ASSERT_NE(sched, nullptr);
        ggml_sched_set_verify(sched.get(), true);
        ASSERT_EQ(ggml_backend_sched_get_n_backends(sched.get()), static_cast<int>(list.size()));
        for (size_t i = 0; i < list.size(); i++) {
            EXPECT_EQ(ggml_backend_sched_get_backend(sched.get(), static_cast<int>(i)), list[i]);
        }
        const Chain chain(3);
        ggml_tensor * middle = chain.result->src[0];
        ggml_backend_sched_set_tensor_backend(sched.get(), middle, list[0]);
        ggml_backend_sched_set_tensor_backend(sched.get(), chain.result, list[1]);
        ASSERT_TRUE(ggml_backend_sched_alloc_graph(sched.get(), chain.graph));
        for (float value = 1; value < 4; value++) {
            const std::vector<float> in(kSize, value);
            std::vector<float> out(kSize);
            ggml_backend_tensor_set(chain.input, in.data(), 0, kSize * sizeof(float));
            ASSERT_EQ(ggml_backend_sched_graph_compute(sched.get(), chain.graph), GGML_STATUS_SUCCESS)
                << ggml_sched_get_error(sched.get());
            ggml_backend_tensor_get(chain.result, out.data(), 0, kSize * sizeof(float));
            EXPECT_EQ(out, std::vector<float>(kSize, value / 2));
        }
        EXPECT_EQ(ggml_backend_sched_get_tensor_backend(sched.get(), middle), list[0]);
        EXPECT_EQ(ggml_backend_sched_get_tensor_backend(sched.get(), chain.result), list[1]);
    }
}

TEST(NewScheduler, RefusesMoreBackendsThanItHasLanes) {
    LogCapture log;
    std::vector<BackendPtr> owners;
    std::vector<ggml_backend_t> backends;
    for (int i = 0; i < 17; i++) {
        owners.emplace_back(ggml_backend_cpu_init());
        backends.push_back(owners.back().get());
    }
    EXPECT_EQ(new_sched(backends), nullptr);
    EXPECT_TRUE(log.contains("not 17"));
}

TEST(NewScheduler, NeedsACpuAtTheEnd) {
    LogCapture log;
    const BackendPtr cpu(ggml_backend_cpu_init());
    const BackendPtr device(ggml_backend_dev_init(ggml_backend_sim_device(0), nullptr));
    EXPECT_EQ(new_sched({cpu.get(), device.get()}), nullptr);
    EXPECT_TRUE(log.contains("the last backend must be a CPU, not SIM0"));
}

TEST(NewScheduler, RefusesABufferTypeThatItsBackendDoesNotSupport) {
    LogCapture log;
    const BackendPtr cpu(ggml_backend_cpu_init());
    const BackendPtr device(ggml_backend_dev_init(ggml_backend_sim_device(0), nullptr));
    ggml_backend_buffer_type_t device_memory = ggml_backend_get_default_buffer_type(device.get());
    ggml_backend_buffer_type_t bufts[] = {device_memory, device_memory};
    EXPECT_EQ(new_sched({device.get(), cpu.get()}, bufts), nullptr);
    EXPECT_TRUE(log.contains("does not support the buffer type SIM0")) << log.text();
}

} // namespace
} // namespace ggml_sched::test
