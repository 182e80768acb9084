// GGML_OP_CUSTOM: the function is called once for each task.

#include "bench.h"

#include <algorithm>
#include <mutex>

using namespace bench;

namespace {

struct Calls {
    std::mutex mutex;
    std::vector<int> tasks;
    std::vector<int> totals;
    std::vector<ggml_tensor *> results;
};

void note(ggml_tensor * dst, int ith, int nth, void * userdata) {
    auto * calls = static_cast<Calls *>(userdata);
    const std::lock_guard<std::mutex> lock(calls->mutex);
    calls->tasks.push_back(ith);
    calls->totals.push_back(nth);
    calls->results.push_back(dst);
}

// The part of the elements that belongs to one task
void add_ids(ggml_tensor * dst, int ith, int nth, void * userdata) {
    const int64_t n = ggml_nelements(dst);
    for (int64_t i = n * ith / nth; i < n * (ith + 1) / nth; ++i) {
        static_cast<float *>(dst->data)[i] = static_cast<float *>(dst->src[0]->data)[i] +
                                             static_cast<float>(static_cast<int32_t *>(dst->src[1]->data)[i]) +
                                             *static_cast<float *>(userdata);
    }
}

void count_up(ggml_tensor * dst, int, int, void *) {
    for (int64_t i = 0; i < ggml_nelements(dst); ++i) {
        static_cast<int32_t *>(dst->data)[i] = static_cast<int32_t>(i);
    }
}

ggml_tensor * noting(Bench & bench, int n_tasks, Calls & calls) {
    return ggml_custom_4d(bench.ctx(), GGML_TYPE_F32, 8, 1, 1, 1, nullptr, 0, note, n_tasks, &calls);
}

} // namespace

TEST(Custom, IsCalledOnceForEachTask) {
    struct Row {
        int n_threads, n_tasks, expected;
    };
    const Row rows[] = {{1, 1, 1},
                        {3, 1, 1},
                        {3, 2, 2},
                        {3, 3, 3},
                        {3, 8, 3},
                        {1, 8, 1},
                        {4, GGML_N_TASKS_MAX, 4},
                        {1, GGML_N_TASKS_MAX, 1}};
    for (const Row & row : rows) {
        SCOPED_TRACE(std::to_string(row.n_tasks) + " tasks, " + std::to_string(row.n_threads) + " threads");
        Bench bench(71, row.n_threads);
        Calls calls;
        ggml_tensor * node = noting(bench, row.n_tasks, calls);
        EXPECT_EQ(bench.compute(node), GGML_STATUS_SUCCESS);
        std::sort(calls.tasks.begin(), calls.tasks.end());
        ASSERT_EQ(calls.tasks.size(), static_cast<size_t>(row.expected));
        for (int i = 0; i < row.expected; ++i) {
            const auto at = static_cast<size_t>(i);
            EXPECT_EQ(calls.tasks[at], i);
            EXPECT_EQ(calls.totals[at], row.expected);
            EXPECT_EQ(calls.results[at], node);
        }
    }
}

TEST(Custom, ComputesFromOperandsAndUserData) {
    for (const int n_threads : {1, 3}) {
        Bench bench(72, n_threads);
        ggml_tensor * args[] = {bench.random(GGML_TYPE_F32, {100, 3, 1, 1}),
                                bench.random_indices({100, 3, 1, 1}, 1000)};
        float bias = 0.5f;
        ggml_tensor * node =
            ggml_custom_4d(bench.ctx(), GGML_TYPE_F32, 100, 3, 1, 1, args, 2, add_ids, GGML_N_TASKS_MAX, &bias);
        // Between nodes of the CPU backend's own
        ggml_tensor * twice = ggml_scale(bench.ctx(), node, 2.0f);
        ASSERT_EQ(bench.compute(twice), GGML_STATUS_SUCCESS);
        for (int i = 0; i < 300; ++i) {
            const float sum =
                ggml_get_data_f32(args[0])[i] + static_cast<float>(static_cast<int32_t *>(args[1]->data)[i]) + bias;
            ASSERT_EQ(ggml_get_data_f32(twice)[i], 2 * sum);
        }
    }
}

TEST(Custom, NeedsNoOperands) {
    Bench bench(73);
    ggml_tensor * node = ggml_custom_4d(bench.ctx(), GGML_TYPE_I32, 5, 1, 1, 1, nullptr, 0, count_up, 1, nullptr);
    ASSERT_EQ(bench.compute(node), GGML_STATUS_SUCCESS);
    for (int32_t i = 0; i < 5; ++i) {
        EXPECT_EQ(static_cast<int32_t *>(node->data)[i], i);
    }
}

TEST(Custom, IsNotCalledForAnEmptyResult) {
    Bench bench(74);
    Calls calls;
    ggml_tensor * node = ggml_custom_4d(bench.ctx(), GGML_TYPE_F32, 8, 0, 1, 1, nullptr, 0, note, 1, &calls);
    EXPECT_EQ(bench.compute(node), GGML_STATUS_SUCCESS);
    EXPECT_TRUE(calls.tasks.empty());
}

TEST(Custom, TakesEveryTypeAndLayout) {
    for (const ggml_type type : {GGML_TYPE_F32, GGML_TYPE_Q4_0, GGML_TYPE_I64, GGML_TYPE_I8, GGML_TYPE_F64}) {
        Bench bench(75);
        Calls calls;
        ggml_tensor * arg = ggml_new_tensor_3d(bench.ctx(), type, 32, 3, 2);
        ggml_tensor * args[] = {arg, ggml_permute(bench.ctx(), arg, 0, 2, 1, 3)};
        ggml_tensor * node = ggml_custom_4d(bench.ctx(), type, 32, 1, 1, 1, args, 2, note, 1, &calls);
        EXPECT_TRUE(ggml_backend_supports_op(bench.backend(), node));
        EXPECT_EQ(bench.compute(node), GGML_STATUS_SUCCESS);
        EXPECT_EQ(calls.tasks.size(), 1u);
    }
}

TEST(Custom, FailsIfItHasNoFunctionOrNoTasks) {
    for (const bool has_function : {false, true}) {
        Bench bench(76);
        const LogCapture log;
        Calls calls;
        ggml_tensor * node = noting(bench, 1, calls);
        if (has_function) {
            node->op_params[sizeof(ggml_custom_op_t) / sizeof(int32_t)] = 0; // n_tasks
        } else {
            std::fill(node->op_params, node->op_params + sizeof(ggml_custom_op_t) / sizeof(int32_t), 0);
        }
        EXPECT_FALSE(ggml_backend_supports_op(bench.backend(), node));
        EXPECT_EQ(bench.compute(node), GGML_STATUS_FAILED);
        EXPECT_TRUE(calls.tasks.empty());
        EXPECT_NE(log.text.find("ggml_backend_supports_op"), std::string::npos) << log.text;
    }
}

TEST(Custom, FailsIfAnOperandIsNotInHostMemory) {
    Bench bench(77);
    const LogCapture log;
    Calls calls;
    ggml_tensor * arg = bench.random(GGML_TYPE_F32, {8, 1, 1, 1});
    arg->data = nullptr;
    ggml_tensor * node = ggml_custom_4d(bench.ctx(), GGML_TYPE_F32, 8, 1, 1, 1, &arg, 1, note, 1, &calls);
    EXPECT_EQ(bench.compute(node), GGML_STATUS_FAILED);
    EXPECT_TRUE(calls.tasks.empty());
    EXPECT_NE(log.text.find("host memory"), std::string::npos) << log.text;
}
