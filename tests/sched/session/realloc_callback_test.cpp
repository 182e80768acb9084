// The realloc callback, GGML_SCHED_DEBUG_REALLOC, and graphs that must not need it: who is told of a compute buffer
// that is replaced, and why.

#include <gtest/gtest.h>

#include <cstdlib>
#include <random>
#include <utility>
#include <vector>

#include "host_system.h"
#include "support/rig.h"

namespace ggml_sched::test {
namespace {

constexpr int64_t kWidth = 32;

// Why a buffer was replaced
using Reasons = std::vector<std::pair<bool, bool>>; // backends changed, size changed
const Reasons kGrown = {{false, false}};

class ReallocCallback : public testing::Test {
  protected:
    ~ReallocCallback() override { platform::unset_env("GGML_SCHED_DEBUG_REALLOC"); }

    void make_rig(const char * level = nullptr, int n_devices = 2) {
        if (level) {
            platform::set_env("GGML_SCHED_DEBUG_REALLOC", level);
        }
        RigOptions options;
        options.devices.assign(static_cast<size_t>(n_devices), GGML_SIM_PROFILE_CUDA);
        rig_ = std::make_unique<Rig>(options);
        ggml_backend_sched_set_realloc_callback(sched(), note, this);
    }

    ggml_backend_sched_t sched() const { return rig_->sched(); }

    // n rows of x, doubled as often as told, on one device
    ggml_cgraph * build(int64_t n_rows, int n_nodes = 1, int device = 0) {
        ggml_backend_sched_reset(sched());
        context_ = make_context();
        input_ = ggml_new_tensor_2d(context_.get(), GGML_TYPE_F32, kWidth, n_rows);
        ggml_set_input(input_);
        result_ = input_;
        for (int i = 0; i < n_nodes; i++) {
            result_ = ggml_scale(context_.get(), result_, 2.0F);
            ggml_backend_sched_set_tensor_backend(sched(), result_, rig_->device(device));
        }
        ggml_set_output(result_);
        graph_ = ggml_new_graph(context_.get());
        ggml_build_forward_expand(graph_, result_);
        return graph_;
    }

    bool allocate(ggml_cgraph * graph) {
        told_.clear();
        return ggml_backend_sched_alloc_graph(sched(), graph);
    }

    void expect_runs_right() {
        write_floats(input_, std::vector<float>(static_cast<size_t>(ggml_nelements(input_)), 3.0F));
        ASSERT_EQ(ggml_backend_sched_graph_compute(sched(), graph_), GGML_STATUS_SUCCESS);
        EXPECT_EQ(read_floats(result_)[0], 6.0F);
    }

    static void note(ggml_backend_sched_t sched, ggml_cgraph * graph, bool backends_changed, bool size_changed,
                     void * self) {
        auto * test = static_cast<ReallocCallback *>(self);
        EXPECT_EQ(sched, test->sched());
        EXPECT_EQ(graph, test->graph_);
        test->told_.emplace_back(backends_changed, size_changed);
    }

    std::unique_ptr<Rig> rig_;
    ContextPtr context_;
    ggml_tensor * input_ = nullptr;
    ggml_tensor * result_ = nullptr;
    ggml_cgraph * graph_ = nullptr;
    Reasons told_;
};

TEST_F(ReallocCallback, IsNotCalledWhileBuffersAreLargeEnough) {
    make_rig();
    ASSERT_TRUE(ggml_backend_sched_reserve(sched(), build(64)));
    for (const int64_t rows : {64, 1, 7, 64}) {
        ASSERT_TRUE(allocate(build(rows)));
        EXPECT_EQ(told_, Reasons{}) << rows;
    }
}

TEST_F(ReallocCallback, IsNotCalledByReserve) {
    make_rig();
    ASSERT_TRUE(ggml_backend_sched_reserve(sched(), build(8)));
    ASSERT_TRUE(ggml_backend_sched_reserve(sched(), build(64)));
    EXPECT_EQ(told_, Reasons{});
}

TEST_F(ReallocCallback, NamesNoReasonWhereTensorsHaveGrown) {
    make_rig();
    ASSERT_TRUE(ggml_backend_sched_reserve(sched(), build(8)));
    ASSERT_TRUE(allocate(build(64)));
    EXPECT_EQ(told_, kGrown);
    expect_runs_right();
}

TEST_F(ReallocCallback, NamesTheSizeWhereTheGraphHasMoreTensors) {
    make_rig();
    ASSERT_TRUE(ggml_backend_sched_reserve(sched(), build(8)));
    ASSERT_TRUE(allocate(build(64, 3)));
    EXPECT_EQ(told_, (Reasons{{false, true}}));
}

TEST_F(ReallocCallback, NamesBackendsWhereATensorHasMoved) {
    make_rig();
    ASSERT_TRUE(ggml_backend_sched_reserve(sched(), build(8)));
    ASSERT_TRUE(allocate(build(8, 1, 1)));
    EXPECT_EQ(told_, (Reasons{{true, false}}));
}

TEST_F(ReallocCallback, IsNotCalledOnceItIsTakenAway) {
    make_rig();
    ggml_backend_sched_set_realloc_callback(sched(), nullptr, nullptr);
    ASSERT_TRUE(allocate(build(8)));
    EXPECT_EQ(told_, Reasons{});
}

TEST_F(ReallocCallback, OfLevel1FailsForTensorsThatHaveGrownOnly) {
    make_rig("1");
    ASSERT_TRUE(allocate(build(8))) << "the first graph";
    ASSERT_TRUE(allocate(build(64, 3))) << "more tensors";
    {
        const LogCapture log;
        EXPECT_FALSE(allocate(build(256, 3)));
        EXPECT_TRUE(log.contains("a compute buffer is too small for a graph of 3 nodes, as many as before"))
            << log.text();
        EXPECT_TRUE(log.contains("GGML_SCHED_DEBUG_REALLOC"));
    }
    EXPECT_EQ(told_, kGrown);
    ASSERT_TRUE(allocate(build(64))) << "the scheduler stays usable";
    expect_runs_right();
}

TEST_F(ReallocCallback, OfLevel2FailsForEveryReplacement) {
    make_rig("2");
    ASSERT_TRUE(ggml_backend_sched_reserve(sched(), build(8)));
    const LogCapture log;
    EXPECT_FALSE(allocate(build(64, 3)));
    EXPECT_TRUE(log.contains("a compute buffer is too small for a graph of 3 nodes;")) << log.text();
    EXPECT_FALSE(allocate(build(64, 3)));
    EXPECT_FALSE(log.contains("as many as before")) << "a refused graph is not the graph before: " << log.text();
    EXPECT_TRUE(allocate(build(8)));
}

// Decoding alternates with prompts of all lengths while the caches grow, on two devices and with caches on either side.
class GrowingCaches : public ReallocCallback, public testing::WithParamInterface<bool> {
  protected:
    static constexpr int64_t kContext = 2048;
    static constexpr int64_t kMostTokens = 64;
    static constexpr int64_t kPadding = 32;

    void make_caches(bool on_host) {
        for (int i = 0; i < 2; i++) {
            caches_.push_back(ggml_new_tensor_2d(cache_context_.get(), GGML_TYPE_F32, kWidth, kContext));
            weights_.push_back(ggml_new_tensor_2d(cache_context_.get(), GGML_TYPE_F32, kWidth, kWidth));
        }
        for (int i = 0; i < 2; i++) {
            for (ggml_tensor * tensor : {caches_[i], weights_[i]}) {
                const bool is_cache = tensor == caches_[i];
                const ggml_backend_t backend = is_cache && on_host ? rig_->cpu() : rig_->device(i);
                const ggml_backend_buffer_type_t buft = ggml_backend_get_default_buffer_type(backend);
                buffers_.emplace_back(ggml_backend_buft_alloc_buffer(buft, ggml_nbytes(tensor)));
                ggml_backend_tensor_alloc(buffers_.back().get(), tensor,
                                          ggml_backend_buffer_get_base(buffers_.back().get()));
                ggml_backend_buffer_clear(buffers_.back().get(), 0);
                if (!is_cache) {
                    ggml_backend_buffer_set_usage(buffers_.back().get(), GGML_BACKEND_BUFFER_USAGE_WEIGHTS);
                }
            }
        }
    }

    // Two layers of attention over the first n_kv rows of their caches
    ggml_cgraph * build_step(int64_t n_tokens, int64_t n_kv) {
        ggml_backend_sched_reset(sched());
        context_ = make_context();
        ggml_context * ctx = context_.get();
        input_ = ggml_new_tensor_2d(ctx, GGML_TYPE_F32, kWidth, n_tokens);
        rows_ = ggml_new_tensor_1d(ctx, GGML_TYPE_I64, n_tokens);
        ggml_set_input(input_);
        ggml_set_input(rows_);
        graph_ = ggml_new_graph(ctx);
        result_ = input_;
        for (int i = 0; i < 2; i++) {
            ggml_tensor * q = ggml_mul_mat(ctx, weights_[i], result_);
            ggml_build_forward_expand(graph_, ggml_set_rows(ctx, caches_[i], q, rows_));
            ggml_tensor * k = ggml_view_2d(ctx, caches_[i], kWidth, n_kv, caches_[i]->nb[1], 0);
            ggml_tensor * scores = ggml_soft_max(ctx, ggml_mul_mat(ctx, k, q));
            result_ = ggml_mul_mat(ctx, ggml_cont(ctx, ggml_transpose(ctx, k)), scores);
            for (ggml_tensor * node : {q, scores->src[0], scores, result_->src[0], result_}) {
                ggml_backend_sched_set_tensor_backend(sched(), node, rig_->device(i));
            }
        }
        ggml_set_output(result_);
        ggml_build_forward_expand(graph_, result_);
        return graph_;
    }

    void run_step(int64_t first, int64_t n_tokens) {
        write_floats(input_, ramp(static_cast<size_t>(ggml_nelements(input_)), 0.0F, 1.0F / 4096));
        std::vector<int64_t> rows(static_cast<size_t>(n_tokens));
        for (int64_t i = 0; i < n_tokens; i++) {
            rows[static_cast<size_t>(i)] = first + i;
        }
        ggml_backend_tensor_set(rows_, rows.data(), 0, rows.size() * sizeof(int64_t));
        ASSERT_EQ(ggml_backend_sched_graph_compute_async(sched(), graph_), GGML_STATUS_SUCCESS);
    }

    ContextPtr cache_context_ = make_context();
    std::vector<ggml_tensor *> caches_;
    std::vector<ggml_tensor *> weights_;
    std::vector<BufferPtr> buffers_;
    ggml_tensor * rows_ = nullptr;
};

TEST_P(GrowingCaches, NeedNoReallocationIn2000StepsAfterAReserve) {
    make_rig();
    ggml_sched_set_verify(sched(), false); // takes time that grows with the number of different plans
    make_caches(GetParam());
    ASSERT_TRUE(ggml_backend_sched_reserve(sched(), build_step(kMostTokens, kContext)));
    std::mt19937 random(1);
    int64_t used = 0;
    int n_told = 0;
    for (int step = 0; step < 2000; step++) {
        const int64_t wanted = step % 20 == 19 ? 1 + static_cast<int64_t>(random() % kMostTokens) : 1;
        used = used + wanted > kContext ? 0 : used; // the engine begins another sequence
        const int64_t n_kv = std::min(kContext, (used + wanted + kPadding - 1) / kPadding * kPadding);
        ASSERT_TRUE(allocate(build_step(wanted, n_kv)));
        n_told += static_cast<int>(told_.size());
        run_step(used, wanted);
        used += wanted;
    }
    ggml_backend_sched_synchronize(sched());
    EXPECT_EQ(n_told, 0);
}

INSTANTIATE_TEST_SUITE_P(Caches, GrowingCaches, testing::Values(false, true),
                         [](const testing::TestParamInfo<bool> & info) { return info.param ? "OnHost" : "OnDevices"; });

// An allocated graph can be made what it was.
class UnallocGraph : public ReallocCallback {};

TEST_F(UnallocGraph, LetsTheSameGraphBeAllocatedAgain) {
    make_rig();
    for (int i = 0; i < 3; i++) {
        ggml_cgraph * graph = i == 0 ? build(8) : graph_;
        ggml_backend_sched_set_tensor_backend(sched(), result_, rig_->device(0));
        ASSERT_TRUE(allocate(graph));
        expect_runs_right();
        ggml_sched_unalloc_graph(sched());
        EXPECT_EQ(input_->buffer, nullptr);
        EXPECT_EQ(result_->data, nullptr);
    }
}

TEST_F(UnallocGraph, LeavesTensorsOfTheCallerWhereTheyAre) {
    make_rig();
    const ContextPtr own_context = make_context();
    ggml_tensor * own = ggml_new_tensor_1d(own_context.get(), GGML_TYPE_F32, kWidth);
    const BufferPtr own_buffer(ggml_backend_alloc_ctx_tensors(own_context.get(), rig_->device(0)));
    context_ = make_context();
    ggml_tensor * view = ggml_view_1d(context_.get(), own, kWidth / 2, 0);
    ggml_tensor * node = ggml_scale(context_.get(), view, 2.0F);
    ggml_tensor * part = ggml_view_1d(context_.get(), node, 2, 4);
    graph_ = ggml_new_graph(context_.get());
    ggml_build_forward_expand(graph_, part);
    const void * data = own->data;
    ASSERT_TRUE(ggml_backend_sched_alloc_graph(sched(), graph_));
    ASSERT_NE(part->data, nullptr);
    ggml_sched_unalloc_graph(sched());
    EXPECT_EQ(own->data, data);
    EXPECT_EQ(own->buffer, own_buffer.get());
    EXPECT_EQ(node->data, nullptr);
    EXPECT_EQ(part->data, nullptr) << "a view of what has no memory any more";
}

TEST_F(UnallocGraph, WithoutAnAllocatedGraphOnlyResets) {
    make_rig();
    ggml_sched_unalloc_graph(sched());
    ASSERT_TRUE(allocate(build(8)));
    expect_runs_right();
    const LogCapture log;
    ggml_sched_unalloc_graph(nullptr);
    EXPECT_TRUE(log.contains("the scheduler is NULL"));
}

} // namespace
} // namespace ggml_sched::test
