// Several devices work on several runs at once, and the host does not stand in the way.

#include <gtest/gtest.h>

#include "support/rig.h"

namespace ggml_sched::test {
namespace {

constexpr int64_t kWidth = 32;
constexpr int64_t kRows = 16;

constexpr int kStages = 4;
constexpr double kFlopsPerUs = 32; // about a millisecond a stage

// One matrix product per stage, the stages spread over the devices. Weights live there.
class Pipeline {
  public:
    Pipeline(int n_devices, bool parallel, ggml_sched_sync_mode mode, double link_bytes_per_us = 0,
             bool one_queue = false)
        : rig_(options(n_devices, parallel, mode, link_bytes_per_us, one_queue)) {
        for (int i = 0; i < kStages; i++) {
            weight_context_.push_back(make_context(4));
            ggml_tensor * weight = ggml_new_tensor_2d(weight_context_.back().get(), GGML_TYPE_F32, kWidth, kWidth);
            weight_buffers_.emplace_back(
                ggml_backend_alloc_ctx_tensors(weight_context_.back().get(), rig_.device(i % n_devices)));
            ggml_backend_buffer_set_usage(weight_buffers_.back().get(), GGML_BACKEND_BUFFER_USAGE_WEIGHTS);
            std::vector<float> identity(kWidth * kWidth, 0.0f);
            for (int64_t j = 0; j < kWidth; j++) {
                identity[static_cast<size_t>(j * kWidth + j)] = 2.0f;
            }
            write_floats(weight, identity);
            weights_.push_back(weight);
        }
    }
    ~Pipeline() { ggml_backend_sched_synchronize(rig_.sched()); }

    Rig & rig() { return rig_; }

    void submit(float value, int64_t n_rows = kRows) {
        const Graph built = build(n_rows);
        ggml_tensor * result = built.result;
        ggml_backend_sched_reset(rig_.sched());
        ASSERT_TRUE(ggml_backend_sched_alloc_graph(rig_.sched(), built.graph));
        write_floats(built.input, std::vector<float>(static_cast<size_t>(kWidth * n_rows), value));
        ASSERT_EQ(ggml_backend_sched_graph_compute_async(rig_.sched(), built.graph), GGML_STATUS_SUCCESS);
        results_.emplace_back(kWidth * n_rows);
        ggml_backend_tensor_get_async(ggml_backend_sched_get_tensor_backend(rig_.sched(), result), result,
                                      results_.back().data(), 0, ggml_nbytes(result));
    }

    void reserve(int64_t n_rows) { ASSERT_TRUE(ggml_backend_sched_reserve(rig_.sched(), build(n_rows).graph)); }

    // Microseconds of the virtual clock for n runs
    double time(int n_runs) {
        ggml_backend_sched_synchronize(rig_.sched());
        ggml_backend_sim_reset_clock();
        results_.clear();
        results_.reserve(static_cast<size_t>(n_runs));
        for (int i = 0; i < n_runs; i++) {
            submit(static_cast<float>(i));
        }
        ggml_backend_sched_synchronize(rig_.sched());
        const float factor = static_cast<float>(1 << weights_.size());
        for (int i = 0; i < n_runs; i++) {
            EXPECT_EQ(results_[static_cast<size_t>(i)],
                      std::vector<float>(kWidth * kRows, static_cast<float>(i) * factor));
        }
        return ggml_backend_sim_time_us();
    }

  private:
    struct Graph {
        ggml_tensor * input;
        ggml_tensor * result;
        ggml_cgraph * graph;
    };

    Graph build(int64_t n_rows) {
        contexts_.push_back(make_context(64));
        ggml_context * ctx = contexts_.back().get();
        Graph built;
        built.input = ggml_new_tensor_2d(ctx, GGML_TYPE_F32, kWidth, n_rows);
        ggml_set_input(built.input);
        built.result = built.input;
        for (ggml_tensor * weight : weights_) {
            built.result = ggml_mul_mat(ctx, weight, built.result);
        }
        ggml_set_output(built.result);
        built.graph = ggml_new_graph_custom(ctx, 64, false);
        ggml_build_forward_expand(built.graph, built.result);
        return built;
    }

    static RigOptions options(int n_devices, bool parallel, ggml_sched_sync_mode mode, double link_bytes_per_us,
                              bool one_queue) {
        RigOptions options;
        options.devices.assign(static_cast<size_t>(n_devices), GGML_SIM_PROFILE_CUDA);
        options.parallel = parallel;
        options.mode = mode;
        options.flops_per_us = kFlopsPerUs;
        options.link_bytes_per_us = link_bytes_per_us;
        options.one_queue = one_queue;
        return options;
    }

    Rig rig_;
    std::vector<ContextPtr> weight_context_;
    std::vector<BufferPtr> weight_buffers_;
    std::vector<ggml_tensor *> weights_;
    std::vector<ContextPtr> contexts_;
    std::vector<std::vector<float>> results_;
};

TEST(PipelineOfFour, KeepsAllDevicesBusy) {
    constexpr int kRuns = 64;
    const double pipelined = Pipeline(4, true, GGML_SCHED_SYNC_AUTO).time(kRuns);
    const double on_one_device = Pipeline(1, true, GGML_SCHED_SYNC_AUTO).time(kRuns);
    EXPECT_GE(on_one_device / pipelined, 3.2);
}

TEST(PipelineOfFour, NeverBlocksTheHostButToBoundTheRunsInFlight) {
    Pipeline four(4, true, GGML_SCHED_SYNC_AUTO);
    four.time(32);
    const ggml_sched_stats stats = four.rig().stats();
    EXPECT_EQ(stats.host_waits, 0u) << four.rig().plan();
    EXPECT_GT(stats.throttle_waits, 0u);
    EXPECT_EQ(stats.blocking_copies, 0u);
    EXPECT_EQ(ggml_backend_sched_get_n_copies(four.rig().sched()), 4);
}

// ggml's Vulkan keeps an object for each record until the host waits for the event.
TEST(PipelineOfFour, ReleasesRecordsWithoutWaiting) {
    constexpr int kRuns = 64;
    const auto run = [](bool one_queue, double & us) {
        Pipeline four(4, true, GGML_SCHED_SYNC_AUTO, 0, one_queue);
        us = four.time(kRuns);
        ggml_sim_counters counters;
        ggml_backend_sim_get_counters(&counters);
        return counters.most_kept_records;
    };
    double us = 0;
    double us_released = 0;
    EXPECT_GT(run(false, us), 4u);
    EXPECT_EQ(run(true, us_released), 1u);
    EXPECT_EQ(us_released, us);
}

// ggml's Vulkan submits a record by itself, which costs a percent of a small token.
TEST(OneDevice, RecordsNothingWhereTheCallerWaitsForEachRun) {
    constexpr int kRuns = 5;
    const auto n_records = [](bool one_queue, bool caller_waits) {
        Pipeline one(1, true, GGML_SCHED_SYNC_AUTO, 0, one_queue);
        for (int i = 0; i < kRuns; i++) {
            one.submit(1.0f);
            if (caller_waits) {
                ggml_backend_sched_synchronize(one.rig().sched());
            }
        }
        ggml_sim_counters counters;
        ggml_backend_sim_get_counters(&counters);
        return counters.event_record_calls;
    };
    EXPECT_EQ(n_records(true, true), 0u);
    EXPECT_GE(n_records(true, false), kRuns - 1u) << "later runs wait for the end of earlier ones";
    EXPECT_GE(n_records(false, true), kRuns * 1u) << "other devices record at once";
}

// On the queue that computes they would wait for the run before, and the next one for them.
TEST(OneDevice, GetsLargeInputsWhileItComputesTheRunBefore) {
    constexpr int64_t kManyRows = 4096;
    constexpr int kRuns = 8;
    const double compute_us = kStages * 2.0 * kWidth * kWidth * kManyRows / kFlopsPerUs;
    const double input_bytes = kWidth * kManyRows * sizeof(float);
    Pipeline one(1, true, GGML_SCHED_SYNC_AUTO, input_bytes / (0.5 * compute_us));
    one.submit(1.0f, kManyRows);
    ggml_backend_sched_synchronize(one.rig().sched());
    ggml_backend_sim_reset_clock();
    const double begin = ggml_backend_sim_time_us();
    for (int i = 0; i < kRuns; i++) {
        one.submit(1.0f, kManyRows);
    }
    ggml_backend_sched_synchronize(one.rig().sched());
    // The results are as large as the inputs and go back on the queue that computes: 1.5, and 2 if inputs did, too.
    EXPECT_LT((ggml_backend_sim_time_us() - begin) / kRuns, 1.75 * compute_us);
    EXPECT_EQ(one.rig().stats().host_waits, 0u);
}

// Masks and positions grow with the context: their snapshots need more and more room.
TEST(PipelineOfFour, IsNotEmptiedByInputsThatGrow) {
    Pipeline four(4, true, GGML_SCHED_SYNC_AUTO);
    four.reserve(64);
    ggml_backend_sim_reset_counters();
    for (int64_t n_rows = 1; n_rows <= 64; n_rows++) {
        four.submit(1.0f, n_rows);
    }
    ggml_sim_counters counters;
    ggml_backend_sim_get_counters(&counters);
    EXPECT_EQ(counters.synchronize_calls, 0u);
    EXPECT_EQ(four.rig().stats().host_waits, 0u);
    ggml_backend_sched_synchronize(four.rig().sched());
    ggml_backend_sim_get_counters(&counters);
    EXPECT_EQ(counters.contract_violations, 0u);
}

TEST(PipelineOfFour, IsRightInEveryMode) {
    for (const auto mode : {GGML_SCHED_SYNC_AUTO, GGML_SCHED_SYNC_BARRIER, GGML_SCHED_SYNC_SERIAL}) {
        for (const bool parallel : {false, true}) {
            SCOPED_TRACE(std::to_string(mode) + (parallel ? " parallel" : ""));
            Pipeline pipeline(4, parallel, mode);
            pipeline.time(12);
        }
    }
}

} // namespace
} // namespace ggml_sched::test
