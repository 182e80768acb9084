// Bad input ends in an error that says what to do: no abort, no leak, and a scheduler that can be used again.

#include <gtest/gtest.h>

#include <cstdlib>

#include "host_system.h"
#include "session/chain.h"

namespace ggml_sched::test {
namespace {

TEST(NullScheduler, IsAnErrorForEveryFunction) {
    LogCapture log;
    Chain chain(1);
    size_t size = 7;
    EXPECT_FALSE(ggml_backend_sched_reserve(nullptr, chain.graph));
    EXPECT_FALSE(ggml_backend_sched_alloc_graph(nullptr, chain.graph));
    EXPECT_EQ(ggml_backend_sched_graph_compute(nullptr, chain.graph), GGML_STATUS_FAILED);
    EXPECT_EQ(ggml_backend_sched_get_n_backends(nullptr), 0);
    EXPECT_EQ(ggml_backend_sched_get_backend(nullptr, 0), nullptr);
    EXPECT_EQ(ggml_backend_sched_get_n_splits(nullptr), 0);
    EXPECT_EQ(ggml_backend_sched_get_n_copies(nullptr), 0);
    ggml_backend_sched_reserve_size(nullptr, chain.graph, &size);
    ggml_backend_sched_split_graph(nullptr, chain.graph);
    ggml_backend_sched_reset(nullptr);
    ggml_backend_sched_synchronize(nullptr);
    ggml_backend_sched_set_eval_callback(nullptr, nullptr, nullptr);
    ggml_backend_sched_free(nullptr);
    EXPECT_STREQ(ggml_sched_get_error(nullptr), "the scheduler is NULL");
    EXPECT_TRUE(log.contains("the scheduler is NULL"));
}

TEST(Scheduler, RefusesNullGraphsTensorsAndForeignBackends) {
    LogCapture log;
    Rig rig({{GGML_SIM_PROFILE_CUDA}});
    const BackendPtr foreign(ggml_backend_cpu_init());
    Chain chain(1);
    EXPECT_FALSE(ggml_backend_sched_alloc_graph(rig.sched(), nullptr));
    EXPECT_EQ(ggml_backend_sched_graph_compute_async(rig.sched(), nullptr), GGML_STATUS_FAILED);
    ggml_backend_sched_set_tensor_backend(rig.sched(), chain.result, foreign.get());
    ggml_backend_sched_set_tensor_backend(rig.sched(), nullptr, rig.cpu());
    ggml_backend_sched_reserve_size(rig.sched(), chain.graph, nullptr);
    EXPECT_EQ(ggml_backend_sched_get_backend(rig.sched(), -1), nullptr);
    EXPECT_EQ(ggml_backend_sched_get_backend(rig.sched(), 2), nullptr);
    EXPECT_EQ(ggml_backend_sched_get_buffer_type(rig.sched(), foreign.get()), nullptr);
    EXPECT_EQ(ggml_backend_sched_get_buffer_size(rig.sched(), foreign.get()), 0u);
    EXPECT_TRUE(log.contains("'" + std::string(chain.result->name) + "' cannot be assigned to CPU")) << log.text();
    EXPECT_TRUE(log.contains("set_tensor_backend: the tensor is NULL"));
    EXPECT_EQ(ggml_backend_sched_graph_compute(rig.sched(), chain.graph), GGML_STATUS_SUCCESS);
}

TEST(Scheduler, RefusesAModeThatDoesNotExist) {
    LogCapture log;
    Rig rig({{GGML_SIM_PROFILE_CUDA}});
    ggml_sched_set_sync_mode(rig.sched(), static_cast<ggml_sched_sync_mode>(3));
    EXPECT_EQ(ggml_sched_get_sync_mode(rig.sched()), GGML_SCHED_SYNC_AUTO);
    EXPECT_TRUE(log.contains("no synchronization mode 3"));
}

TEST(Scheduler, GrowsPastItsGraphSize) {
    const BackendPtr cpu(ggml_backend_cpu_init());
    ggml_backend_t backends[] = {cpu.get()};
    const SchedPtr sched(ggml_backend_sched_new(backends, nullptr, 1, 4, false, false));
    Chain chain(3000);
    ASSERT_TRUE(ggml_backend_sched_alloc_graph(sched.get(), chain.graph));
    write_floats(chain.input, ramp(kSize));
    ASSERT_EQ(ggml_backend_sched_graph_compute(sched.get(), chain.graph), GGML_STATUS_SUCCESS);
    EXPECT_EQ(read_floats(chain.result), ramp(kSize));
}

TEST(Scheduler, RefusesAGraphThatLostNodes) {
    LogCapture log;
    Rig rig({{GGML_SIM_PROFILE_CUDA}});
    const ContextPtr context = make_context();
    ggml_tensor * tensor = ggml_new_tensor_1d(context.get(), GGML_TYPE_F32, kSize);
    for (int i = 0; i < 10; i++) {
        tensor = ggml_scale(context.get(), tensor, 2.0f);
    }
    ggml_cgraph * graph = ggml_new_graph_custom(context.get(), 4, false);
    ggml_build_forward_expand(graph, tensor);
    EXPECT_EQ(ggml_backend_sched_graph_compute(rig.sched(), graph), GGML_STATUS_FAILED);
    EXPECT_TRUE(log.contains("too small for its nodes")) << log.text();
}

TEST(Scheduler, NamesTheOperationThatNoBackendSupports) {
    LogCapture log;
    Rig rig({{GGML_SIM_PROFILE_CUDA}});
    const ContextPtr context = make_context();
    ggml_tensor * integers = ggml_new_tensor_2d(context.get(), GGML_TYPE_I64, kSize, 2);
    ggml_tensor * sums = ggml_sum_rows(context.get(), integers);
    ASSERT_NE(sums, nullptr);
    ggml_set_name(sums, "sums of integers");
    ggml_cgraph * graph = ggml_new_graph(context.get());
    ggml_build_forward_expand(graph, sums);
    EXPECT_FALSE(ggml_backend_sched_reserve(rig.sched(), graph));
    EXPECT_EQ(ggml_backend_sched_graph_compute(rig.sched(), graph), GGML_STATUS_ALLOC_FAILED + 1);
    EXPECT_TRUE(log.contains("no backend supports SUM_ROWS 'sums of integers'")) << log.text();
}

TEST(Scheduler, NamesTheTensorWhoseMemoryNoBackendCanUse) {
    LogCapture log;
    const BackendPtr device(ggml_backend_dev_init(ggml_backend_sim_device(0), nullptr));
    const BackendPtr cpu(ggml_backend_cpu_init());
    const ContextPtr context = make_context();
    ggml_tensor * weight = ggml_new_tensor_1d(context.get(), GGML_TYPE_F32, kSize);
    ggml_set_name(weight, "far away");
    const BufferPtr buffer(ggml_backend_alloc_ctx_tensors(context.get(), device.get()));
    ggml_cgraph * graph = ggml_new_graph(context.get());
    ggml_build_forward_expand(graph, ggml_scale_inplace(context.get(), weight, 2.0f));
    const SchedPtr sched(new_sched({cpu.get()}));
    EXPECT_FALSE(ggml_backend_sched_alloc_graph(sched.get(), graph));
    EXPECT_TRUE(log.contains("'far away' lies in memory of type SIM0, which no backend of this scheduler"))
        << log.text();
}

// As with a CPU and a library for its matrix products: the first one that can use the memory takes over.
TEST(BackendsThatShareMemory, LeaveNodesToTheFirstThatSupportsThem) {
    const BackendPtr first(ggml_backend_cpu_init());
    const BackendPtr second(ggml_backend_cpu_init());
    const SchedPtr sched(new_sched({first.get(), second.get()}));
    const Chain chain(3);
    ggml_tensor * start = ggml_graph_node(chain.graph, 0);
    ggml_backend_sched_set_tensor_backend(sched.get(), start, second.get());
    ASSERT_TRUE(ggml_backend_sched_alloc_graph(sched.get(), chain.graph));
    for (int i = 0; i < ggml_graph_n_nodes(chain.graph); i++) {
        EXPECT_EQ(ggml_backend_sched_get_tensor_backend(sched.get(), ggml_graph_node(chain.graph, i)), first.get())
            << "node " << i;
    }
}

class DeviceMemory : public testing::Test {
  protected:
    DeviceMemory()
        : rig_(options()) {}

    static RigOptions options() {
        RigOptions options;
        options.devices = {GGML_SIM_PROFILE_CUDA};
        options.memory_bytes = 64 * 1024;
        return options;
    }

    Chain on_device(int64_t size) {
        Chain chain(3, size);
        for (int i = 0; i < ggml_graph_n_nodes(chain.graph); i++) {
            ggml_backend_sched_set_tensor_backend(rig_.sched(), ggml_graph_node(chain.graph, i), rig_.device(0));
        }
        return chain;
    }

    void expect_usable() {
        ggml_backend_sched_reset(rig_.sched());
        Chain chain = on_device(kSize);
        ASSERT_TRUE(ggml_backend_sched_alloc_graph(rig_.sched(), chain.graph));
        write_floats(chain.input, ramp(kSize));
        ASSERT_EQ(ggml_backend_sched_graph_compute(rig_.sched(), chain.graph), GGML_STATUS_SUCCESS);
        EXPECT_EQ(read_floats(chain.result)[2], 1.0f);
    }

    Rig rig_;
};

TEST_F(DeviceMemory, ThatRunsOutDuringReserveIsReported) {
    LogCapture log;
    Chain chain = on_device(1 << 20);
    EXPECT_FALSE(ggml_backend_sched_reserve(rig_.sched(), chain.graph));
    EXPECT_TRUE(log.contains("not enough memory to allocate")) << log.text();
    expect_usable();
}

TEST_F(DeviceMemory, ThatRunsOutDuringComputeIsReported) {
    LogCapture log;
    expect_usable();
    ggml_backend_sched_reset(rig_.sched());
    Chain chain = on_device(1 << 20);
    EXPECT_EQ(ggml_backend_sched_graph_compute(rig_.sched(), chain.graph), GGML_STATUS_ALLOC_FAILED);
    EXPECT_TRUE(log.contains("not enough memory to allocate")) << log.text();
    expect_usable();
}

TEST_F(DeviceMemory, IsMeasuredWithoutAllocatingIt) {
    Chain chain = on_device(1 << 20);
    size_t sizes[2] = {0, 0};
    ggml_backend_sched_reserve_size(rig_.sched(), chain.graph, sizes);
    EXPECT_GE(sizes[0], size_t{4} << 20);
    EXPECT_EQ(ggml_backend_sched_get_buffer_size(rig_.sched(), rig_.device(0)), 0u);
}

TEST_F(DeviceMemory, ReservedIsWhatWasMeasured) {
    Chain chain = on_device(1024);
    size_t sizes[2] = {0, 0};
    ggml_backend_sched_reserve_size(rig_.sched(), chain.graph, sizes);
    Chain again = on_device(1024);
    ASSERT_TRUE(ggml_backend_sched_reserve(rig_.sched(), again.graph));
    EXPECT_EQ(ggml_backend_sched_get_buffer_size(rig_.sched(), rig_.device(0)), sizes[0]);
    EXPECT_EQ(ggml_backend_sched_get_buffer_size(rig_.sched(), rig_.cpu()), sizes[1]);
}

TEST_F(DeviceMemory, TheGraphThatWasMeasuredReservedAndSplitCanBeRun) {
    Chain chain(3);
    const auto assign = [&] {
        for (int i = 0; i < 3; i++) {
            ggml_backend_sched_set_tensor_backend(rig_.sched(), ggml_graph_node(chain.graph, i),
                                                  i == 1 ? rig_.device(0) : rig_.cpu());
        }
    };
    size_t sizes[2];
    assign();
    ggml_backend_sched_reserve_size(rig_.sched(), chain.graph, sizes);
    assign();
    ASSERT_TRUE(ggml_backend_sched_reserve(rig_.sched(), chain.graph));
    assign();
    ggml_backend_sched_split_graph(rig_.sched(), chain.graph);
    EXPECT_EQ(ggml_backend_sched_get_n_splits(rig_.sched()), 3);
    ASSERT_TRUE(ggml_backend_sched_alloc_graph(rig_.sched(), chain.graph));
    EXPECT_EQ(ggml_backend_sched_get_n_splits(rig_.sched()), 3);
    write_floats(chain.input, ramp(kSize));
    ASSERT_EQ(ggml_backend_sched_graph_compute(rig_.sched(), chain.graph), GGML_STATUS_SUCCESS);
    EXPECT_EQ(read_floats(chain.result)[2], 1.0f);
}

TEST(FailedLaunch, NamesItsSplitAndTheNextRunWorks) {
    LogCapture log;
    Rig rig({{GGML_SIM_PROFILE_CUDA, GGML_SIM_PROFILE_CUDA}});
    Chain chain(2);
    ggml_backend_sched_set_tensor_backend(rig.sched(), ggml_graph_node(chain.graph, 0), rig.device(0));
    ggml_backend_sched_set_tensor_backend(rig.sched(), ggml_graph_node(chain.graph, 1), rig.device(1));
    ASSERT_TRUE(ggml_backend_sched_alloc_graph(rig.sched(), chain.graph));
    write_floats(chain.input, ramp(kSize));
    ASSERT_TRUE(ggml_backend_sim_fail_launch(1, 1));
    EXPECT_EQ(ggml_backend_sched_graph_compute_async(rig.sched(), chain.graph), GGML_STATUS_FAILED);
    EXPECT_TRUE(log.contains("split 1 (nodes") && log.contains("failed on SIM1")) << log.text();
    EXPECT_STRNE(ggml_sched_get_error(rig.sched()), "");
    EXPECT_EQ(ggml_backend_sched_graph_compute(rig.sched(), chain.graph), GGML_STATUS_SUCCESS);
    EXPECT_EQ(read_floats(chain.result), ramp(kSize));
}

TEST(AnotherGraph, GivenToComputeIsNoticed) {
    Rig rig({{GGML_SIM_PROFILE_CUDA}});
    Chain first(2);
    Chain second(4);
    ASSERT_EQ(ggml_backend_sched_graph_compute(rig.sched(), first.graph), GGML_STATUS_SUCCESS);
    ASSERT_EQ(ggml_backend_sched_graph_compute(rig.sched(), second.graph), GGML_STATUS_SUCCESS);
    EXPECT_NE(second.result->buffer, nullptr);
}

TEST(AnotherGraph, AtTheSameAddressIsNoticed) {
    Rig rig({{GGML_SIM_PROFILE_CUDA}});
    const size_t bytes = 16 * ggml_tensor_overhead() + ggml_graph_overhead_custom(8, false);
    const ContextPtr context(ggml_init({bytes, nullptr, true}));
    const ggml_cgraph * first = nullptr;
    for (const float factor : {2.0f, 3.0f}) {
        ggml_reset(context.get());
        ggml_cgraph * graph = ggml_new_graph_custom(context.get(), 8, false);
        ggml_tensor * input = ggml_new_tensor_1d(context.get(), GGML_TYPE_F32, kSize);
        ggml_set_input(input);
        ggml_tensor * result = ggml_scale(context.get(), input, factor);
        ggml_set_output(result);
        ggml_build_forward_expand(graph, result);
        first = first ? first : graph;
        EXPECT_EQ(graph, first);
        ASSERT_EQ(ggml_backend_sched_graph_compute(rig.sched(), graph), GGML_STATUS_SUCCESS);
        ASSERT_NE(input->buffer, nullptr) << "it was allocated anew";
        write_floats(input, ramp(kSize));
        ASSERT_EQ(ggml_backend_sched_graph_compute(rig.sched(), graph), GGML_STATUS_SUCCESS);
        EXPECT_EQ(read_floats(result), ramp(kSize, 0.0f, factor));
    }
}

// The caller synchronizes, enqueues a read of a result on its device, and starts the next run, whose copies come from
// another device and land in the same memory.
TEST(ReadOfAResult, AfterSynchronizeIsProtectedFromTheNextRun) {
    Rig rig({{GGML_SIM_PROFILE_CUDA, GGML_SIM_PROFILE_CUDA}});
    const auto run = [&](const Chain & chain, int first, int last, float value) {
        ggml_backend_sched_reset(rig.sched());
        for (int i = 0; i < ggml_graph_n_nodes(chain.graph); i++) {
            ggml_backend_sched_set_tensor_backend(rig.sched(), ggml_graph_node(chain.graph, i),
                                                  rig.device(i == 0 ? first : last));
        }
        ASSERT_TRUE(ggml_backend_sched_alloc_graph(rig.sched(), chain.graph));
        write_floats(chain.input, std::vector<float>(kSize, value));
        ASSERT_EQ(ggml_backend_sched_graph_compute_async(rig.sched(), chain.graph), GGML_STATUS_SUCCESS);
    };
    const Chain first(1);
    run(first, 1, 1, 8.0f); // its result is at the beginning of the second device's memory
    ggml_backend_sched_synchronize(rig.sched());
    std::vector<float> result(kSize);
    ggml_backend_tensor_get_async(rig.device(1), first.result, result.data(), 0, kSize * sizeof(float));
    const Chain second(2);
    run(second, 0, 1, 1.0f); // the first device sends its part to the second
    ggml_backend_sched_synchronize(rig.sched());
    EXPECT_EQ(result, std::vector<float>(kSize, 4.0f));
}

TEST(DebugListing, NamesSplitsInputsAndTheCauseOfEachAssignment) {
    for (const char * level : {"1", "2"}) {
        LogCapture log;
        ASSERT_TRUE(platform::set_env("GGML_SCHED_DEBUG", level));
        Rig rig({{GGML_SIM_PROFILE_CUDA}});
        platform::unset_env("GGML_SCHED_DEBUG");
        Chain chain(2);
        ggml_backend_sched_set_tensor_backend(rig.sched(), ggml_graph_node(chain.graph, 0), rig.device(0));
        ASSERT_TRUE(ggml_backend_sched_alloc_graph(rig.sched(), chain.graph));
        EXPECT_TRUE(log.contains("## SPLIT #0: SIM0 # 1 inputs: [input (0K)]")) << log.text();
        const bool with_nodes = std::string(level) == "2";
        EXPECT_EQ(log.contains("[SIM0 usr]: input (0K) [CPU 1.inp]"), with_nodes) << log.text();
        EXPECT_EQ(log.contains("[SIM0 2.sup]"), with_nodes) << log.text();
        EXPECT_EQ(log.contains("2.sup a neighbour is there"), with_nodes) << log.text();
        EXPECT_TRUE(log.contains("## STREAMING: nothing is streamed: no device needs")) << log.text();
    }
}

TEST(EmptyGraph, Runs) {
    Rig rig({{GGML_SIM_PROFILE_CUDA}});
    const ContextPtr context = make_context();
    ggml_cgraph * graph = ggml_new_graph(context.get());
    EXPECT_EQ(ggml_backend_sched_graph_compute(rig.sched(), graph), GGML_STATUS_SUCCESS);
    EXPECT_EQ(ggml_backend_sched_get_n_splits(rig.sched()), 0);
}

// Devices of these profiles, with events that are recorded at once or only when something waits for them
std::vector<RigOptions> rigs_of(const std::vector<ggml_sim_profile> & profiles) {
    std::vector<RigOptions> result(2);
    for (RigOptions & options : result) {
        options.devices = profiles;
    }
    result.back().one_queue = true;
    return result;
}

TEST(Freeing, TheSchedulerWithWorkInFlightWaitsForIt) {
    for (const RigOptions & options : rigs_of({GGML_SIM_PROFILE_CUDA, GGML_SIM_PROFILE_VULKAN})) {
        for (int n_runs = 1; n_runs <= 4; n_runs++) {
            Rig rig(options);
            Chain chain(2);
            ggml_backend_sched_set_tensor_backend(rig.sched(), ggml_graph_node(chain.graph, 0), rig.device(0));
            ggml_backend_sched_set_tensor_backend(rig.sched(), ggml_graph_node(chain.graph, 1), rig.device(1));
            for (int i = 0; i < n_runs; i++) {
                ASSERT_EQ(ggml_backend_sched_graph_compute_async(rig.sched(), chain.graph), GGML_STATUS_SUCCESS);
            }
            rig.free_sched(); // the rig checks that no device saw its memory freed under it
        }
    }
}

// Then nothing can be waited for, and the device sees its memory freed.
TEST(Freeing, ASchedulerWithoutMemoryForAWaitSaysSo) {
    RigOptions options = rigs_of({GGML_SIM_PROFILE_CUDA}).back();
    options.expect_violations = true;
    Rig rig(options);
    Chain chain(2);
    ggml_backend_sched_set_tensor_backend(rig.sched(), ggml_graph_node(chain.graph, 0), rig.device(0));
    ASSERT_EQ(ggml_backend_sched_graph_compute_async(rig.sched(), chain.graph), GGML_STATUS_SUCCESS);
    ggml_backend_sim_fail(0, GGML_SIM_CALL_INIT_BACKEND, 1);
    const LogCapture log;
    rig.free_sched();
    EXPECT_TRUE(log.contains("could not be waited for")) << log.text();
}

TEST(Freeing, TheBackendsFirstIsAllowed) {
    for (const auto profile : {GGML_SIM_PROFILE_CUDA, GGML_SIM_PROFILE_NO_EVENTS, GGML_SIM_PROFILE_UMA}) {
        for (const RigOptions & options : rigs_of({profile})) {
            for (int n_runs = 1; n_runs <= 4; n_runs++) {
                Rig rig(options);
                Chain chain(2);
                ggml_backend_sched_set_tensor_backend(rig.sched(), ggml_graph_node(chain.graph, 0), rig.device(0));
                for (int i = 0; i < n_runs; i++) {
                    ASSERT_EQ(ggml_backend_sched_graph_compute_async(rig.sched(), chain.graph), GGML_STATUS_SUCCESS);
                }
                rig.free_backends();
                rig.free_sched();
            }
        }
    }
}

} // namespace
} // namespace ggml_sched::test
