// Caches in pageable memory are registered with a driver that can do so. The device then reads them by itself.

#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "host/registered_buffers.h"
#include "session/test_hooks.h"
#include "stream/attention.h"

namespace ggml_sched::test {
namespace {

RigOptions registering(uint64_t seed = 0) {
    RigOptions options = on(GGML_SIM_PROFILE_CUDA, seed);
    options.registers_memory = true;
    return options;
}

size_t count(const std::string & text, const std::string & part) {
    size_t n = 0;
    for (size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) {
        n++;
    }
    return n;
}

// Memory of the test for the caches of one Attention
struct Memory {
    std::vector<float> values = std::vector<float>(kLayers * kCacheBytes / sizeof(float) + 64);

    AttentionOptions options() {
        AttentionOptions result;
        const auto begin = reinterpret_cast<uintptr_t>(values.data());
        result.memory = reinterpret_cast<void *>((begin + 127) / 128 * 128);
        return result;
    }
};

bool is_registered(const Rig & rig, void * memory) {
    ggml_backend_buffer_t buffer =
        ggml_backend_dev_buffer_from_host_ptr(ggml_backend_get_device(rig.device(0)), memory, kCacheBytes, kCacheBytes);
    ggml_backend_buffer_free(buffer);
    return buffer == nullptr; // The simulator does not pin memory twice.
}

TEST(RegisteredCaches, AreReadByTheDeviceFromTheFirstRunOn) {
    for (const bool registers : {false, true}) {
        RigOptions options = registering();
        options.registers_memory = registers;
        const CacheRig rig(options);
        Attention streamed(rig, AttentionOptions{});
        Attention reference(rig, AttentionOptions{});
        for (int64_t first = 0; first < 4 * kTokens; first += kTokens) {
            ASSERT_EQ(streamed.run(rig, first, rows_from(first)), reference.run(rig, first, rows_from(first), true));
        }
        EXPECT_EQ(rig.stats().staged_bytes == 0, registers);
        EXPECT_GT(rig.stats().cache_bytes, 0U);
    }
}

TEST(RegisteredCaches, AreRegisteredWhenTheSchedulerReserves) {
    const CacheRig rig(registering());
    Memory memory;
    Attention streamed(rig, memory.options());
    streamed.build(rig, 0, false);
    EXPECT_FALSE(is_registered(rig, memory.options().memory));
    ASSERT_TRUE(ggml_backend_sched_reserve(rig.sched(), streamed.graph));
    EXPECT_TRUE(is_registered(rig, memory.options().memory));
}

TEST(RegisteredCaches, MayBeWrittenAsSoonAsTheCallReturns) {
    for (uint64_t seed = 0; seed < 20; seed++) {
        SCOPED_TRACE("seed " + std::to_string(seed));
        const CacheRig rig(registering(seed));
        Attention streamed(rig, AttentionOptions{});
        Attention reference(rig, AttentionOptions{});
        const std::vector<float> expected = reference.run(rig, 0, rows_from(0), true);
        ggml_backend_sched_reset(rig.sched());
        streamed.build(rig, 0, false);
        ASSERT_TRUE(ggml_backend_sched_alloc_graph(rig.sched(), streamed.graph));
        streamed.start(rig, 0, rows_from(0));
        ggml_backend_buffer_clear(streamed.caches_buffer.get(), 0xff);
        ggml_backend_sched_synchronize(rig.sched());
        EXPECT_EQ(read_floats(streamed.result), expected);
    }
}

TEST(RegisteredCaches, AreUnregisteredWhenTheirBufferIsFreed) {
    const CacheRig rig(registering());
    Memory memory;
    for (int i = 0; i < 3; i++) {
        Attention streamed(rig, memory.options());
        streamed.run(rig, 0, rows_from(0));
        EXPECT_TRUE(is_registered(rig, memory.options().memory));
        streamed.caches_buffer.reset();
        EXPECT_FALSE(is_registered(rig, memory.options().memory));
        EXPECT_EQ(rig.stats().staged_bytes, 0U);
    }
}

TEST(RegisteredCaches, StayRegisteredForOtherSchedulers) {
    LogCapture log;
    Memory memory;
    CacheRig rig(registering());
    Attention streamed(rig, memory.options());
    streamed.run(rig, 0, rows_from(0));
    streamed.build(rig, 0, false);
    rig.free_sched();
    EXPECT_TRUE(is_registered(rig, memory.options().memory));

    ggml_backend_t backends[] = {rig.device(0), rig.cpu()};
    const SchedPtr other(ggml_backend_sched_new(backends, nullptr, 2, 256, false, false));
    set_streaming(other.get(), 16 * kWeightBytes);
    for (int i = 0; i < ggml_graph_n_nodes(streamed.graph); i++) {
        ggml_tensor * node = ggml_graph_node(streamed.graph, i);
        ggml_backend_sched_set_tensor_backend(other.get(), node, backends[node->op == GGML_OP_SET_ROWS ? 1 : 0]);
    }
    ASSERT_TRUE(ggml_backend_sched_alloc_graph(other.get(), streamed.graph));
    write_floats(streamed.input, ramp(kWidth * kTokens));
    ggml_backend_tensor_set(streamed.ids, rows_from(0).data(), 0, ggml_nbytes(streamed.ids));
    ASSERT_EQ(ggml_backend_sched_graph_compute(other.get(), streamed.graph), GGML_STATUS_SUCCESS);
    ggml_sched_stats stats;
    ggml_sched_get_stats(other.get(), &stats, sizeof(stats));
    EXPECT_EQ(stats.staged_bytes, 0U);
    EXPECT_GT(stats.cache_bytes, 0U);
    EXPECT_EQ(count(log.text(), "is pinned"), 1U) << log.text();
}

TEST(RegisteredCaches, OfAnotherSchedulerAreNoticedInAKeptGraph) {
    CacheRig rig(registering());
    change_hooks(rig.sched(), [](TestHooks & hooks) { hooks.registered_from = SIZE_MAX; });
    Memory memory;
    Attention streamed(rig, memory.options());
    Attention reference(rig, AttentionOptions{});
    EXPECT_EQ(streamed.run(rig, 0, rows_from(0)), reference.run(rig, 0, rows_from(0), true));
    EXPECT_GT(rig.stats().staged_bytes, 0U);
    const std::vector<float> expected = reference.run(rig, kTokens, rows_from(kTokens), true);

    ggml_backend_sched_reset(rig.sched());
    streamed.build(rig, kTokens, false);
    ASSERT_TRUE(ggml_backend_sched_alloc_graph(rig.sched(), streamed.graph));
    streamed.start(rig, kTokens, rows_from(kTokens));
    ggml_backend_sched_synchronize(rig.sched());
    const host::Backend device = host::describe(rig.device(0), ggml_backend_get_default_buffer_type(rig.device(0)));
    const host::Backend cpu = host::describe(rig.cpu(), ggml_backend_cpu_buffer_type());
    ASSERT_TRUE(host::register_buffer(streamed.caches_buffer.get(), device, cpu, 0)) << "as another one would";
    streamed.start(rig, kTokens, rows_from(kTokens));
    ggml_backend_sched_synchronize(rig.sched());
    EXPECT_EQ(read_floats(streamed.result), expected);
}

TEST(RegisteredCaches, AreStagedWhereTheDriverRefuses) {
    LogCapture log;
    const CacheRig rig(registering());
    Attention streamed(rig, AttentionOptions{});
    Attention reference(rig, AttentionOptions{});
    ASSERT_TRUE(ggml_backend_sim_fail(0, GGML_SIM_CALL_REGISTER_HOST_BUFFER, 1));
    for (int64_t first = 0; first < 3 * kTokens; first += kTokens) {
        ASSERT_EQ(streamed.run(rig, first, rows_from(first)), reference.run(rig, first, rows_from(first), true));
    }
    EXPECT_GT(rig.stats().staged_bytes, 0U);
    EXPECT_EQ(count(log.text(), "stays pageable: the driver has not registered it"), 1U) << log.text();
}

// Machine - a simulated device of little memory, and the CPU
struct Machine {
    Rig rig = Rig([] {
        RigOptions options = registering();
        options.memory_bytes = 6000;
        return options;
    }());
    host::Backend device = host::describe(rig.device(0), ggml_backend_get_default_buffer_type(rig.device(0)));
    host::Backend cpu = host::describe(rig.cpu(), ggml_backend_cpu_buffer_type());

    static BufferPtr allocate(size_t size, bool are_weights = false) {
        BufferPtr buffer(ggml_backend_buft_alloc_buffer(ggml_backend_cpu_buffer_type(), size));
        ggml_backend_buffer_set_usage(buffer.get(),
                                      are_weights ? GGML_BACKEND_BUFFER_USAGE_WEIGHTS : GGML_BACKEND_BUFFER_USAGE_ANY);
        return buffer;
    }
    bool registers(const BufferPtr & buffer) const { return host::register_buffer(buffer.get(), device, cpu, 0); }
};

TEST(RegisteredBuffers, LeaveHalfOfTheMemoryPageable) {
    LogCapture log;
    Machine machine;
    machine.cpu.device = machine.device.device; // It has 6,000 bytes of memory.
    const BufferPtr weights = Machine::allocate(2001, true);
    const BufferPtr few_weights = Machine::allocate(1999, true);
    const BufferPtr more_weights = Machine::allocate(2, true);
    const BufferPtr too_much = Machine::allocate(1002);
    BufferPtr cache = Machine::allocate(1001);
    EXPECT_FALSE(machine.registers(weights)) << "more than a third";
    EXPECT_TRUE(machine.registers(few_weights));
    EXPECT_FALSE(machine.registers(few_weights)) << "it is registered";
    EXPECT_FALSE(machine.registers(more_weights)) << "more than a third together";
    EXPECT_FALSE(machine.registers(too_much)) << "more than half together";
    EXPECT_TRUE(machine.registers(cache));
    EXPECT_EQ(host::registered_as(cache.get()), ggml_backend_dev_host_buffer_type(machine.device.device));
    EXPECT_EQ(host::registered_as(too_much.get()), nullptr);
    EXPECT_EQ(count(log.text(), "too much of the machine's memory would be pinned"), 3U) << log.text();
    cache.reset();
    EXPECT_TRUE(machine.registers(Machine::allocate(1001))) << "the first cache has gone";
    EXPECT_FALSE(machine.registers(too_much)) << "no buffer is tried twice";
}

TEST(RegisteredBuffers, AreNotSmallOnes) {
    const Machine machine;
    const BufferPtr buffer = Machine::allocate(100);
    EXPECT_FALSE(host::register_buffer(buffer.get(), machine.device, machine.cpu, 101));
    EXPECT_TRUE(host::register_buffer(buffer.get(), machine.device, machine.cpu, 100));
}

TEST(RegisteredBuffers, AreMemoryOfTheCpuAlone) {
    const Machine machine;
    ggml_backend_dev_t device = machine.device.device;
    for (ggml_backend_buffer_type_t buft :
         {ggml_backend_dev_buffer_type(device), ggml_backend_dev_host_buffer_type(device)}) {
        EXPECT_FALSE(machine.registers(BufferPtr(ggml_backend_buft_alloc_buffer(buft, 4096))));
    }
    EXPECT_FALSE(host::register_buffer(Machine::allocate(4096).get(), machine.cpu, machine.cpu, 0));
}

TEST(RegisteredBuffers, MayBeTriedAndFreedByManyThreads) {
    const LogCapture restores_the_callback;
    ggml_log_set([](ggml_log_level, const char *, void *) {}, nullptr); // Any thread may call it.
    const Machine machine;
    std::atomic<int> n_registered = 0;
    std::atomic<int> n_pinned = 0;
    std::vector<std::thread> threads;
    for (int i = 0; i < 4; i++) {
        threads.emplace_back([&] {
            for (int k = 0; k < 200; k++) {
                const BufferPtr buffer = Machine::allocate(4096);
                n_registered += machine.registers(buffer);
                n_pinned += host::registered_as(buffer.get()) != nullptr;
            }
        });
    }
    for (std::thread & thread : threads) {
        thread.join();
    }
    EXPECT_EQ(n_registered, 800);
    EXPECT_EQ(n_pinned, 800);
}

} // namespace
} // namespace ggml_sched::test
