#include "bench.h"

#include <cstring>
#include <thread>

using namespace bench;

TEST(CpuBackend, TheDeviceSaysWhatItIs) {
    ggml_backend_reg_t reg = ggml_backend_cpu_reg();
    EXPECT_STREQ(ggml_backend_reg_name(reg), "CPU");
    ASSERT_EQ(ggml_backend_reg_dev_count(reg), 1u);
    EXPECT_EQ(ggml_backend_reg_dev_get(reg, 1), nullptr);
    ggml_backend_dev_t dev = ggml_backend_reg_dev_get(reg, 0);
    ggml_backend_dev_props props = {};
    ggml_backend_dev_get_props(dev, &props);
    EXPECT_STREQ(props.name, "CPU");
    EXPECT_EQ(props.type, GGML_BACKEND_DEVICE_TYPE_CPU);
    EXPECT_GT(props.memory_total, 0u);
    EXPECT_FALSE(props.caps.async);
    EXPECT_FALSE(props.caps.events);
    EXPECT_FALSE(props.caps.host_buffer);
    EXPECT_TRUE(props.caps.buffer_from_host_ptr);
    EXPECT_EQ(ggml_backend_dev_backend_reg(dev), reg);
    EXPECT_EQ(ggml_backend_event_new(dev), nullptr);
    EXPECT_TRUE(ggml_backend_dev_supports_buft(dev, ggml_backend_cpu_buffer_type()));
}

TEST(CpuBackend, IsInTheRegistryAndMadeByItsDevice) {
    ggml_backend_dev_t dev = ggml_backend_dev_by_name("cpu");
    ASSERT_NE(dev, nullptr);
    EXPECT_EQ(ggml_backend_dev_by_type(GGML_BACKEND_DEVICE_TYPE_CPU), dev);
    ggml_backend_t backend = ggml_backend_dev_init(dev, nullptr);
    ASSERT_NE(backend, nullptr);
    EXPECT_TRUE(ggml_backend_is_cpu(backend));
    EXPECT_STREQ(ggml_backend_name(backend), "CPU");
    EXPECT_EQ(ggml_backend_get_device(backend), dev);
    EXPECT_EQ(ggml_backend_get_default_buffer_type(backend), ggml_backend_cpu_buffer_type());
    ggml_backend_synchronize(backend);
    ggml_backend_free(backend);
    EXPECT_FALSE(ggml_backend_is_cpu(nullptr));
}

TEST(CpuBackend, SetsAndClampsItsNumberOfThreads) {
    auto set = reinterpret_cast<ggml_backend_set_n_threads_t>(
        ggml_backend_reg_get_proc_address(ggml_backend_cpu_reg(), "ggml_backend_set_n_threads"));
    ASSERT_NE(set, nullptr);
    EXPECT_EQ(ggml_backend_reg_get_proc_address(ggml_backend_cpu_reg(), "no_such_function"), nullptr);
    Bench bench(51);
    for (const int n_threads : {0, -5, 1, 3}) {
        set(bench.backend(), n_threads);
        bench.check(ggml_add(bench.ctx(), bench.random(GGML_TYPE_F32, {300, 300, 1, 1}),
                             bench.random(GGML_TYPE_F32, {300, 1, 1, 1})));
    }
    const LogCapture log;
    set(nullptr, 2);
    ggml_backend_cpu_set_abort_callback(nullptr, nullptr, nullptr);
    EXPECT_FALSE(log.text.empty());
}

TEST(CpuBackend, ComputesWithAsManyThreadsAsItIsAllowed) {
    Bench bench(52, 1 << 20, 32u << 20); // clamped to GGML_MAX_N_THREADS; a run uses what its work is worth
    bench.check(ggml_add(bench.ctx(), bench.random(GGML_TYPE_F32, {1024, 1024, 1, 1}),
                         bench.random(GGML_TYPE_F32, {1, 1, 1, 1})));
}

TEST(CpuBackend, TheAbortCallbackStopsBetweenNodes) {
    Bench bench(53);
    ggml_tensor * first = ggml_scale(bench.ctx(), bench.random(GGML_TYPE_F32, {8, 1, 1, 1}), 2.0f);
    ggml_tensor * second = ggml_scale(bench.ctx(), first, 3.0f);
    std::memset(first->data, 0, ggml_nbytes(first));
    std::memset(second->data, 0, ggml_nbytes(second));
    int calls = 0;
    const auto stop_at_second = [](void * data) { return ++*static_cast<int *>(data) == 2; };
    ggml_backend_cpu_set_abort_callback(bench.backend(), stop_at_second, &calls);
    EXPECT_EQ(bench.compute(second), GGML_STATUS_ABORTED);
    EXPECT_NE(ggml_get_data_f32(first)[0], 0.0f);
    EXPECT_EQ(ggml_get_data_f32(second)[0], 0.0f);
    ggml_backend_cpu_set_abort_callback(bench.backend(), nullptr, nullptr);
    EXPECT_EQ(bench.compute(second), GGML_STATUS_SUCCESS);
    EXPECT_NE(ggml_get_data_f32(second)[0], 0.0f);
}

TEST(CpuBackend, NodesThatNobodyAskedForAreSkipped) {
    Bench bench(54);
    ggml_tensor * node = ggml_scale(bench.ctx(), bench.random(GGML_TYPE_F32, {8, 1, 1, 1}), 2.0f);
    std::memset(node->data, 0, ggml_nbytes(node));
    ggml_cgraph * graph = ggml_new_graph_custom(bench.ctx(), 8, false);
    ggml_graph_add_node(graph, node);
    node->flags &= ~GGML_TENSOR_FLAG_COMPUTE;
    EXPECT_EQ(ggml_backend_graph_compute(bench.backend(), graph), GGML_STATUS_SUCCESS);
    EXPECT_EQ(ggml_get_data_f32(node)[0], 0.0f);
    node->flags |= GGML_TENSOR_FLAG_COMPUTE;
    EXPECT_EQ(ggml_backend_graph_compute(bench.backend(), graph), GGML_STATUS_SUCCESS);
    EXPECT_NE(ggml_get_data_f32(node)[0], 0.0f);
}

TEST(CpuBackend, EmptyTensorsAndEmptyGraphsAreNoWork) {
    Bench bench(55);
    ggml_tensor * a = bench.random(GGML_TYPE_F32, {8, 0, 1, 1});
    EXPECT_EQ(bench.compute(ggml_silu(bench.ctx(), a)), GGML_STATUS_SUCCESS);
    EXPECT_EQ(bench.compute(a), GGML_STATUS_SUCCESS);
}

TEST(CpuBackend, AProductOverNoElementsIsZero) {
    Bench bench(56);
    ggml_tensor * a = bench.random(GGML_TYPE_F32, {8, 3, 1, 1});
    ggml_tensor * b = bench.random(GGML_TYPE_F32, {8, 2, 1, 1});
    ggml_tensor * node = ggml_mul_mat(bench.ctx(), a, b);
    a->ne[0] = b->ne[0] = 0;
    ASSERT_EQ(bench.compute(node), GGML_STATUS_SUCCESS);
    for (int i = 0; i < 6; ++i) {
        EXPECT_EQ(ggml_get_data_f32(node)[i], 0.0f);
    }
}

TEST(CpuBackend, TensorsWithoutMemoryFailWithAMessage) {
    const LogCapture log;
    std::unique_ptr<ggml_context, void (*)(ggml_context *)> ctx(ggml_init({1u << 20, nullptr, true}), ggml_free);
    Bench bench(57);
    ggml_tensor * node = ggml_silu(ctx.get(), ggml_new_tensor_1d(ctx.get(), GGML_TYPE_F32, 8));
    EXPECT_EQ(bench.compute(node), GGML_STATUS_FAILED);
    EXPECT_NE(log.text.find("host memory"), std::string::npos) << log.text;
}

TEST(CpuBackend, AGraphThatIsTooSmallForItsNodesFails) {
    const LogCapture log;
    Bench bench(58);
    ggml_tensor * t = bench.random(GGML_TYPE_F32, {8, 1, 1, 1});
    ggml_cgraph * graph = ggml_new_graph_custom(bench.ctx(), 2, false);
    for (int i = 0; i < 5; ++i) {
        t = ggml_silu(bench.ctx(), t);
    }
    ggml_build_forward_expand(graph, t);
    EXPECT_EQ(ggml_backend_graph_compute(bench.backend(), graph), GGML_STATUS_FAILED);
    EXPECT_FALSE(log.text.empty());
}

TEST(CpuBackend, ABackendThatNeverComputedIsFreed) {
    ggml_backend_t backend = ggml_backend_cpu_init();
    ggml_backend_cpu_set_n_threads(backend, 8);
    ggml_backend_free(backend);
}

TEST(CpuBackend, TwoBackendsComputeOnTwoThreadsAtOnce) {
    const auto work = [](uint32_t seed) {
        for (int i = 0; i < 5; ++i) {
            Bench bench(seed, 3, 8u << 20);
            bench.check(ggml_mul_mat(bench.ctx(), bench.random(GGML_TYPE_F16, {128, 64, 1, 1}),
                                     bench.random(GGML_TYPE_F32, {128, 100, 1, 1})));
        }
    };
    std::thread other(work, 59);
    work(60);
    other.join();
}
