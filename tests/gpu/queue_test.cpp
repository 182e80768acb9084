// What a GPU's queue does beyond the conformance suite: captured launches, copies out of host memory, late failures.

#include <gtest/gtest.h>

#include <algorithm>

#include "ggml-backend-impl.h"
#include "ggml-sim.h"
#include "gpu_test.h"

namespace gpu_tests {
namespace {

using ggml_sched::test::LogCapture;

class Queues : public GpuTest {};
INSTANTIATE_TEST_SUITE_P(Vendors, Queues, testing::ValuesIn(vendors()), vendor_name);
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(Queues);

constexpr int64_t kN = 1000;

// y = 2^6 * x in six nodes, all in one buffer
struct Chain {
    explicit Chain(ggml_backend_t backend)
        : ctx(ggml_init({size_t{1} << 16, nullptr, true})) {
        x = ggml_new_tensor_1d(ctx.get(), GGML_TYPE_F32, kN);
        y = x;
        for (int i = 0; i < 6; i++) {
            y = ggml_scale(ctx.get(), y, 2.0f);
        }
        graph = ggml_new_graph_custom(ctx.get(), 16, false);
        ggml_build_forward_expand(graph, y);
        buffer.reset(ggml_backend_alloc_ctx_tensors(ctx.get(), backend));
        set(0.0f);
    }
    void set(float value) const {
        const std::vector<float> values(kN, value);
        ggml_backend_tensor_set(x, values.data(), 0, kN * sizeof(float));
    }
    bool is(float value) const {
        std::vector<float> values(kN);
        ggml_backend_tensor_get(y, values.data(), 0, kN * sizeof(float));
        return std::all_of(values.begin(), values.end(), [value](float v) { return v == value; });
    }

    ContextPtr ctx;
    BufferPtr buffer;
    ggml_tensor * x;
    ggml_tensor * y;
    ggml_cgraph * graph;
};

TEST_P(Queues, ALaunchThatRepeatsBecomesOneCall) {
    const BackendPtr backend = open_backend();
    const Chain chain(backend.get());
    const ggml_gpu_counters before = vendor().counters();
    for (int i = 1; i <= 10; i++) {
        chain.set(static_cast<float>(i));
        ASSERT_EQ(ggml_backend_graph_compute(backend.get(), chain.graph), GGML_STATUS_SUCCESS);
        EXPECT_TRUE(chain.is(64.0f * static_cast<float>(i))) << i;
    }
    const ggml_gpu_counters after = vendor().counters();
    EXPECT_EQ(after.graph_instantiate - before.graph_instantiate, 1u);
    EXPECT_EQ(after.graph_launch - before.graph_launch, 9u);
    EXPECT_EQ(after.kernel_launch - before.kernel_launch, 12u) << "once node by node, once into the capture";
}

// The same graph object, or an equal one: what counts is where the bytes are.
TEST_P(Queues, ALaunchWithOtherAddressesOrParametersIsCapturedAnew) {
    const BackendPtr backend = open_backend();
    const Chain a(backend.get());
    const Chain b(backend.get());
    for (int i = 1; i <= 6; i++) {
        for (const Chain * chain : {&a, &b}) {
            chain->set(static_cast<float>(i));
            ASSERT_EQ(ggml_backend_graph_compute(backend.get(), chain->graph), GGML_STATUS_SUCCESS);
        }
        EXPECT_TRUE(a.is(64.0f * static_cast<float>(i)));
        EXPECT_TRUE(b.is(64.0f * static_cast<float>(i)));
    }
    const float three = 3.0f; // the scale of the first node
    std::copy_n(reinterpret_cast<const int32_t *>(&three), 1, ggml_graph_node(a.graph, 0)->op_params);
    for (int i = 0; i < 3; i++) {
        a.set(1.0f);
        ASSERT_EQ(ggml_backend_graph_compute(backend.get(), a.graph), GGML_STATUS_SUCCESS);
        EXPECT_TRUE(a.is(96.0f)) << i;
    }
}

TEST_P(Queues, MoreDifferentLaunchesThanAreKeptAllGiveTheirResults) {
    const BackendPtr backend = open_backend();
    std::vector<std::unique_ptr<Chain>> chains;
    for (int i = 0; i < 80; i++) {
        chains.push_back(std::make_unique<Chain>(backend.get()));
    }
    for (int round = 0; round < 3; round++) {
        for (const auto & chain : chains) {
            chain->set(static_cast<float>(round));
            ASSERT_EQ(ggml_backend_graph_compute_async(backend.get(), chain->graph), GGML_STATUS_SUCCESS);
            ASSERT_EQ(ggml_backend_graph_compute(backend.get(), chain->graph), GGML_STATUS_SUCCESS);
            EXPECT_TRUE(chain->is(64.0f * static_cast<float>(round)));
        }
    }
}

TEST_P(Queues, CopiesOutOfHostMemoryAreTaken) {
    const BackendPtr backend = open_backend();
    const BackendPtr cpu(ggml_backend_cpu_init());
    for (ggml_backend_buffer_type_t buft :
         {ggml_backend_dev_host_buffer_type(device()), ggml_backend_cpu_buffer_type()}) {
        SCOPED_TRACE(ggml_backend_buft_name(buft));
        const Chain chain(backend.get());
        const ContextPtr ctx(ggml_init({size_t{1} << 16, nullptr, true}));
        ggml_tensor * source = ggml_new_tensor_1d(ctx.get(), GGML_TYPE_F32, kN);
        const BufferPtr buffer(ggml_backend_alloc_ctx_tensors_from_buft(ctx.get(), buft));
        std::fill_n(static_cast<float *>(source->data), kN, 3.0f);
        EXPECT_TRUE(backend->iface.cpy_tensor_async(cpu.get(), backend.get(), source, chain.x));
        EXPECT_EQ(ggml_backend_graph_compute(backend.get(), chain.graph), GGML_STATUS_SUCCESS);
        EXPECT_TRUE(chain.is(192.0f));
    }
}

TEST_P(Queues, MemoryOfTheCallerIsPinnedAndUnpinned) {
    const BackendPtr backend = open_backend();
    const Chain chain(backend.get());
    std::vector<float> memory(1 << 20, 5.0f);
    const ggml_backend_reg_t reg = ggml_backend_dev_backend_reg(device());
    using Register = bool (*)(void *, size_t);
    using Unregister = void (*)(void *);
    const auto pin =
        reinterpret_cast<Register>(ggml_backend_reg_get_proc_address(reg, "ggml_backend_register_host_buffer"));
    const auto unpin =
        reinterpret_cast<Unregister>(ggml_backend_reg_get_proc_address(reg, "ggml_backend_unregister_host_buffer"));
    ASSERT_TRUE(pin != nullptr && unpin != nullptr);
    const auto n_pageable = [&] {
        const uint64_t before = vendor().counters().copy_pageable;
        ggml_backend_tensor_set_async(backend.get(), chain.x, memory.data(), 0, kN * sizeof(float));
        ggml_backend_synchronize(backend.get());
        return vendor().counters().copy_pageable - before;
    };
    EXPECT_EQ(n_pageable(), 1u);
    ASSERT_TRUE(pin(memory.data(), memory.size() * sizeof(float)));
    EXPECT_EQ(n_pageable(), 0u);
    unpin(memory.data());
    EXPECT_EQ(n_pageable(), 1u);
    const LogCapture log;
    EXPECT_FALSE(pin(nullptr, 4096));
    EXPECT_TRUE(log.contains("NULL")) << log.text();
    EXPECT_FALSE(pin(memory.data(), 0));
    EXPECT_TRUE(log.contains("empty")) << log.text();
    EXPECT_FALSE(pin(memory.data(), SIZE_MAX));
    EXPECT_TRUE(log.contains("beyond")) << log.text();
}

TEST_P(Queues, AnIndexOutOfRangeIsToldByTheNextLaunchOnce) {
    const BackendPtr backend = open_backend();
    const ContextPtr ctx(ggml_init({size_t{1} << 16, nullptr, true}));
    ggml_tensor * table = ggml_new_tensor_2d(ctx.get(), GGML_TYPE_F32, 32, 5);
    ggml_tensor * ids = ggml_new_tensor_1d(ctx.get(), GGML_TYPE_I32, 3);
    ggml_tensor * got = ggml_get_rows(ctx.get(), table, ids);
    ggml_cgraph * graph = ggml_new_graph_custom(ctx.get(), 8, false);
    ggml_build_forward_expand(graph, got);
    const BufferPtr buffer(ggml_backend_alloc_ctx_tensors(ctx.get(), backend.get()));
    ggml_backend_buffer_clear(buffer.get(), 0);
    for (const int32_t bad : {5, -1, 1 << 30}) {
        const LogCapture log;
        const int32_t indices[3] = {0, bad, 4};
        ggml_backend_tensor_set(ids, indices, 0, sizeof(indices));
        EXPECT_EQ(ggml_backend_graph_compute(backend.get(), graph), GGML_STATUS_SUCCESS) << "it is told late";
        EXPECT_EQ(ggml_backend_graph_compute(backend.get(), graph), GGML_STATUS_FAILED);
        EXPECT_TRUE(log.contains("an index is not one of the rows")) << log.text();
        const int32_t good[3] = {0, 1, 4};
        ggml_backend_tensor_set(ids, good, 0, sizeof(good));
        EXPECT_EQ(ggml_backend_graph_compute(backend.get(), graph), GGML_STATUS_SUCCESS) << "it is told once";
        EXPECT_EQ(ggml_backend_graph_compute(backend.get(), graph), GGML_STATUS_SUCCESS);
    }
}

// The vendor's own call fails, and the queue goes on.
TEST_P(Queues, RefusedTransferIsToldByTheNextLaunch) {
    const BackendPtr backend = open_backend();
    const Chain chain(backend.get());
    const LogCapture log;
    const std::vector<float> source(kN, 1.0f);
    const size_t below_width = 4; // no pitch can be
    backend->iface.set_tensor_2d_async(backend.get(), chain.x, source.data(), 0, 8, 4, below_width, 8);
    EXPECT_TRUE(log.contains("writing parts of a tensor failed")) << log.text();
    EXPECT_EQ(ggml_backend_graph_compute(backend.get(), chain.graph), GGML_STATUS_FAILED);
    EXPECT_EQ(ggml_backend_graph_compute(backend.get(), chain.graph), GGML_STATUS_SUCCESS);
    EXPECT_TRUE(chain.is(0.0f));
}

TEST_P(Queues, EventsOfOtherVendorsAreRefused) {
    const BackendPtr backend = open_backend();
    const Chain chain(backend.get());
    const ggml_backend_dev_t other = ggml_backend_sim_device(0);
    const ggml_backend_event_t event = ggml_backend_event_new(other);
    ASSERT_NE(event, nullptr);
    const LogCapture log;
    ggml_backend_event_wait(backend.get(), event);
    EXPECT_TRUE(log.contains("SIM0")) << log.text();
    EXPECT_EQ(ggml_backend_graph_compute(backend.get(), chain.graph), GGML_STATUS_FAILED) << "somebody counts on it";
    EXPECT_EQ(ggml_backend_graph_compute(backend.get(), chain.graph), GGML_STATUS_SUCCESS);
    ggml_backend_event_record(event, backend.get());
    EXPECT_EQ(ggml_backend_graph_compute(backend.get(), chain.graph), GGML_STATUS_FAILED);
    ggml_backend_event_free(event);
}

TEST_P(Queues, AGraphInMemoryOfOthersIsRefused) {
    const BackendPtr backend = open_backend();
    const BackendPtr cpu(ggml_backend_cpu_init());
    const Chain chain(cpu.get());
    const LogCapture log;
    EXPECT_EQ(ggml_backend_graph_compute(backend.get(), chain.graph), GGML_STATUS_FAILED);
    EXPECT_TRUE(log.contains("not in this device's memory")) << log.text();
}

TEST_P(Queues, LaunchesFailWhenTheyAreToldTo) {
    const BackendPtr backend = open_backend();
    const Chain chain(backend.get());
    const LogCapture log;
    const ggml_backend_reg_t reg = ggml_backend_dev_backend_reg(device());
    const auto fail = reinterpret_cast<ggml_backend_gpu_fail_launch_t>(
        ggml_backend_reg_get_proc_address(reg, "ggml_backend_gpu_fail_launch"));
    ASSERT_TRUE(fail(device(), 2));
    EXPECT_FALSE(fail(device(), -1));
    EXPECT_FALSE(fail(ggml_backend_sim_device(0), 1));
    EXPECT_EQ(ggml_backend_graph_compute(backend.get(), chain.graph), GGML_STATUS_SUCCESS);
    EXPECT_EQ(ggml_backend_graph_compute(backend.get(), chain.graph), GGML_STATUS_FAILED);
    EXPECT_EQ(ggml_backend_graph_compute(backend.get(), chain.graph), GGML_STATUS_SUCCESS);
}

// Peers that cannot reach each other, or may not (GGML_SCHED_GPU_NO_PEER), copy through the host.
TEST_P(Queues, CopiesGoBetweenAllPairsOfDevices) {
    for (size_t from = 0; from < vendor().devices.size(); from++) {
        for (size_t to = 0; to < vendor().devices.size(); to++) {
            SCOPED_TRACE(std::to_string(from) + " to " + std::to_string(to));
            const BackendPtr src = open_backend(from);
            const BackendPtr dst = open_backend(to);
            const Chain a(src.get());
            const Chain b(dst.get());
            a.set(1.0f);
            b.set(0.0f);
            ASSERT_EQ(ggml_backend_graph_compute_async(src.get(), a.graph), GGML_STATUS_SUCCESS);
            EXPECT_TRUE(dst->iface.cpy_tensor_async(src.get(), dst.get(), a.y, b.x));
            ASSERT_EQ(ggml_backend_graph_compute(dst.get(), b.graph), GGML_STATUS_SUCCESS);
            EXPECT_TRUE(b.is(4096.0f));
        }
    }
}

} // namespace
} // namespace gpu_tests
