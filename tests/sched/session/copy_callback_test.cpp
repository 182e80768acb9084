// The copy callback: what it is asked for, and an expert cache that is kept by one.

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "handle.h"
#include "support/cached_experts.h"

namespace ggml_sched::test {
namespace {

constexpr size_t kRing = size_t{1} << 20;

using Names = std::vector<std::string>;

// How a graph reads its weights, which lie in host memory
enum WeightUse { kMatrix, kExperts, kTable, kNorm };

// A graph on the first device that reads one weight after the other, and the weights that the callback was asked for.
class WeightGraph {
  public:
    WeightGraph(Rig & rig, const std::vector<WeightUse> & uses, bool callback = true)
        : rig_(rig) {
        ggml_context * ctx = context_.get();
        ggml_context * weights = weights_context_.get();
        ggml_tensor * x = ggml_new_tensor_2d(ctx, GGML_TYPE_F32, kWidth, kRows);
        ids_ = ggml_new_tensor_2d(ctx, GGML_TYPE_I32, 1, kRows);
        ggml_set_input(x);
        ggml_set_input(ids_);
        ggml_tensor * ids = ggml_cont(ctx, ids_);
        ggml_backend_sched_set_tensor_backend(rig.sched(), ids, rig.device(0));
        for (const WeightUse use : uses) {
            x = add(ctx, weights, x, ids, use);
        }
        buffer_.reset(ggml_backend_alloc_ctx_tensors_from_buft(weights, ggml_backend_cpu_buffer_type()));
        ggml_backend_buffer_set_usage(buffer_.get(), GGML_BACKEND_BUFFER_USAGE_WEIGHTS);
        for (ggml_tensor * w = ggml_get_first_tensor(weights); w; w = ggml_get_next_tensor(weights, w)) {
            write_floats(w, ramp(static_cast<size_t>(ggml_nelements(w)), 0.5F, 1.0F / 1024));
        }
        ggml_set_output(x);
        result_ = x;
        graph_ = ggml_new_graph(ctx);
        ggml_build_forward_expand(graph_, x);
        if (callback) {
            set_callback();
        }
        EXPECT_TRUE(ggml_backend_sched_alloc_graph(rig.sched(), graph_)) << ggml_sched_get_error(rig.sched());
        write_floats(inputs().front(), ramp(kWidth * kRows));
    }

    void set_callback() { ggml_backend_sched_set_copy_callback(rig_.sched(), note, this); }
    // Runs the graph. Returns the weights that the callback was asked for.
    const Names & asked() {
        asked_.clear();
        const std::array<int32_t, kRows> ids = {3, 1, 0, 2};
        ggml_backend_tensor_set(ids_, ids.data(), 0, sizeof(ids));
        EXPECT_EQ(ggml_backend_sched_graph_compute(rig_.sched(), graph_), GGML_STATUS_SUCCESS)
            << ggml_sched_get_error(rig_.sched());
        return asked_;
    }
    std::vector<float> result() const { return read_floats(result_); }
    // From now on the callback adds this to each number of a norm that it is asked for.
    void add_to_norms(float number) { added_ = number; }

  private:
    static constexpr int64_t kWidth = 32;
    static constexpr int64_t kRows = 4;

    static bool note(ggml_backend_t, const ggml_tensor * src, ggml_tensor *, ggml_cgraph *, void * self) {
        auto * graph = static_cast<WeightGraph *>(self);
        graph->asked_.emplace_back(src->name);
        for (int64_t i = 0; graph->asked_.back() == "norm" && i < kWidth; i++) {
            static_cast<float *>(src->data)[i] += graph->added_;
        }
        return false;
    }

    std::vector<ggml_tensor *> inputs() const { return {ggml_get_first_tensor(context_.get())}; }

    ggml_tensor * add(ggml_context * ctx, ggml_context * weights, ggml_tensor * x, ggml_tensor * ids, WeightUse use) {
        ggml_tensor * w = use == kNorm ? ggml_new_tensor_1d(weights, GGML_TYPE_F32, kWidth)
                          : use == kExperts
                              ? ggml_new_tensor_3d(weights, GGML_TYPE_F32, kWidth, kWidth, kRows)
                              : ggml_new_tensor_2d(weights, GGML_TYPE_F32, kWidth, use == kTable ? kRows : kWidth);
        const char * names[] = {"matrix", "experts", "table", "norm"};
        ggml_set_name(w, names[use]);
        switch (use) {
        case kMatrix: x = ggml_mul_mat(ctx, w, x); break;
        case kExperts:
            x = ggml_reshape_2d(ctx, ggml_mul_mat_id(ctx, w, ggml_reshape_3d(ctx, x, kWidth, 1, kRows), ids), kWidth,
                                kRows);
            break;
        case kTable: x = ggml_add(ctx, x, ggml_get_rows(ctx, w, ggml_reshape_1d(ctx, ids, kRows))); break;
        case kNorm: x = ggml_mul(ctx, x, w); break;
        }
        for (ggml_tensor * node : {x, x->view_src, x->src[1]}) {
            if (node && node->op != GGML_OP_NONE && node->op != GGML_OP_RESHAPE) {
                ggml_backend_sched_set_tensor_backend(rig_.sched(), node, rig_.device(0));
            }
        }
        return x;
    }

    Rig & rig_;
    ContextPtr context_ = make_context();
    ContextPtr weights_context_ = make_context();
    BufferPtr buffer_;
    ggml_tensor * ids_ = nullptr;
    ggml_tensor * result_ = nullptr;
    ggml_cgraph * graph_ = nullptr;
    Names asked_;
    float added_ = 0.0F;
};

RigOptions one_device(size_t stream) {
    RigOptions options;
    options.devices = {GGML_SIM_PROFILE_CUDA};
    options.stream = stream;
    return options;
}

TEST(CopyCallbackIsAsked, ForTablesAndNormsButNotForWhatIsStreamed) {
    Rig rig(one_device(kRing));
    WeightGraph graph(rig, {kMatrix, kNorm, kExperts, kTable, kMatrix});
    EXPECT_EQ(graph.asked(), (Names{"norm", "table"}));
    EXPECT_EQ(graph.asked(), (Names{"norm", "table"})) << "in each run";
    EXPECT_GT(rig.stats().streamed_bytes, 0U);
}

TEST(CopyCallbackIsAsked, ForEveryWeightWithoutStreaming) {
    Rig rig(one_device(0));
    WeightGraph graph(rig, {kMatrix, kNorm, kExperts, kTable});
    EXPECT_EQ(graph.asked(), (Names{"matrix", "norm", "experts", "table"}));
}

TEST(CopyCallbackIsAsked, ForAMatrixThatIsTooLargeToBeStreamed) {
    Rig rig(one_device(size_t{2} << 10)); // the matrix has 4 KiB
    WeightGraph graph(rig, {kMatrix});
    EXPECT_EQ(graph.asked(), Names{"matrix"});
}

TEST(CopyCallbackIsAsked, InOrderOfTheSplitsThatBeginAtTables) {
    Rig rig(one_device(kRing));
    WeightGraph graph(rig, {kMatrix, kTable, kMatrix, kNorm});
    EXPECT_EQ(graph.asked(), (Names{"table", "norm"}));
    EXPECT_EQ(ggml_backend_sched_get_n_splits(rig.sched()), 3);
}

TEST(CopyCallbackThatIsSetLate, IsAskedInTheNextRun) {
    for (const bool computed : {false, true}) {
        Rig rig(one_device(kRing));
        WeightGraph graph(rig, {kMatrix, kNorm, kTable}, false);
        std::vector<float> before;
        if (computed) {
            EXPECT_EQ(graph.asked(), Names{});
            before = graph.result();
        }
        graph.set_callback();
        EXPECT_EQ(graph.asked(), (Names{"norm", "table"}));
        before = computed ? before : graph.result();
        EXPECT_EQ(graph.asked(), (Names{"norm", "table"}));
        EXPECT_EQ(graph.result(), before) << "the input is written once, before the callback is set";
    }
}

TEST(CopyCallbackThatIsTakenAway, LeavesWholeCopies) {
    Rig rig(one_device(kRing));
    WeightGraph graph(rig, {kMatrix, kNorm, kTable});
    EXPECT_EQ(graph.asked(), (Names{"norm", "table"}));
    const std::vector<float> before = graph.result();
    ggml_backend_sched_set_copy_callback(rig.sched(), nullptr, nullptr);
    EXPECT_EQ(graph.asked(), Names{});
    EXPECT_EQ(graph.result(), before);
}

TEST(CopyCallbackThatDeclines, ChangesNoBit) {
    for (const size_t stream : {size_t{0}, kRing}) {
        std::vector<std::vector<float>> results;
        for (const bool callback : {false, true}) {
            Rig rig(one_device(stream));
            WeightGraph graph(rig, {kMatrix, kNorm, kExperts, kTable, kNorm, kMatrix}, callback);
            (void) graph.asked();
            results.push_back(graph.result());
        }
        EXPECT_EQ(results[0], results[1]) << "stream " << stream;
    }
}

TEST(SmallTable, IsSentAheadAndSentAgainOnlyIfItHasChanged) {
    Rig rig(one_device(kRing));
    WeightGraph graph(rig, {kMatrix, kNorm, kMatrix, kNorm});
    const auto bytes_of_a_run = [&] {
        ggml_sched_reset_stats(rig.sched());
        (void) graph.asked();
        return rig.stats().bytes_copied;
    };
    const uint64_t bytes = bytes_of_a_run();
    EXPECT_EQ(rig.stats().streamed_bytes, uint64_t{2} * (4096 + 128));
    EXPECT_EQ(bytes_of_a_run(), bytes);
    graph.add_to_norms(1.0F);
    EXPECT_EQ(bytes_of_a_run(), bytes + uint64_t{2} * 128);
}

// The norm that is asked for first is written again by each call, so its next copy has been sent ahead in vain.
TEST(SmallTable, HasWhatTheCallbackHasWritten) {
    std::vector<std::vector<std::vector<float>>> results;
    for (const size_t stream : {size_t{0}, kRing}) {
        for (const bool keep : {false, true}) {
            RigOptions options = one_device(stream);
            options.keep_weights = keep;
            Rig rig(options);
            WeightGraph graph(rig, {kMatrix, kNorm, kNorm, kMatrix});
            results.emplace_back();
            for (const float added : {0.0F, 0.5F, 0.0F, 0.25F}) {
                graph.add_to_norms(added);
                (void) graph.asked();
                results.back().push_back(graph.result());
            }
            EXPECT_EQ(results.back(), results.front()) << "stream " << stream << ", keep " << keep;
        }
    }
    EXPECT_NE(results[0][0], results[0][1]);
    EXPECT_EQ(results[0][1], results[0][2]);
}

TEST(CopyCallback, IsNamedInThePlanAndTheTrace) {
    Rig rig(one_device(kRing));
    WeightGraph graph(rig, {kNorm});
    const std::string path = testing::TempDir() + "copy_callback_trace.json";
    ASSERT_TRUE(ggml_sched_trace_start(rig.sched(), path.c_str()));
    (void) graph.asked();
    ASSERT_TRUE(ggml_sched_trace_stop(rig.sched()));
    EXPECT_NE(rig.plan().find("offer norm#0 to the copy callback, or copy it from host, 128 bytes"), std::string::npos)
        << rig.plan();
    std::ifstream file(path);
    const std::string trace((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
    EXPECT_NE(trace.find("to the copy callback"), std::string::npos);
    std::remove(path.c_str());
}

class CachedByCallback : public testing::TestWithParam<ggml_sim_profile> {
  protected:
    static RigOptions options(int n_copies, size_t stream, uint64_t seed) {
        RigOptions options;
        options.devices = {GetParam()};
        options.parallel = n_copies > 1;
        options.n_copies = n_copies > 1 ? n_copies : 0;
        options.stream = stream;
        options.seed = seed;
        return options;
    }
};

// Runs the cache, several runs in flight at times, and compares each result with the CPU's.
void run_and_compare(Rig & rig, CachedExperts & experts, int n_rounds) {
    change_hooks(rig.sched(), [](TestHooks & hooks) { hooks.refuses_superfluous_waits = true; });
    for (int round = 0; round < n_rounds; round++) {
        experts.build();
        const uint64_t seed = 1000 * static_cast<uint64_t>(round);
        for (uint64_t run = 0; run < 3; run++) {
            experts.run(seed + 10 * run);
            if (testing::Test::HasFailure()) {
                return;
            }
        }
        ggml_backend_sched_synchronize(rig.sched());
        ASSERT_EQ(experts.result(), experts.expected(seed + 20)) << "round " << round;
    }
}

TEST_P(CachedByCallback, KeepsAnExpertCacheWithTheBitsOfTheCpu) {
    for (const int n_copies : {1, 2, 3, 4}) {
        for (const size_t stream : {size_t{0}, kRing}) {
            for (const uint64_t seed : {0, 1, 2, 3}) {
                SCOPED_TRACE(std::to_string(n_copies) + " copies, stream " + std::to_string(stream) + ", adversary " +
                             std::to_string(seed));
                Rig rig(options(n_copies, stream, seed));
                CachedExperts experts(rig);
                run_and_compare(rig, experts, 4);
                EXPECT_GT(experts.n_uploaded(), 8) << "of 5 slots for 3 layers of 8";
            }
        }
    }
}

TEST_P(CachedByCallback, MayRewriteWhatTheSchedulerCopies) {
    for (const int64_t padding : {int64_t{0}, int64_t{40000}}) { // the larger table is not copied aside
        for (const bool pinned : {false, true}) {
            for (const uint64_t seed : {0, 1, 2, 3}) {
                SCOPED_TRACE("padding " + std::to_string(padding) + (pinned ? ", pinned" : "") + ", adversary " +
                             std::to_string(seed));
                Rig rig(options(3, kRing, seed));
                CacheOptions cache;
                cache.pinned = pinned;
                cache.table_padding = padding;
                cache.declines_tables = true;
                CachedExperts experts(rig, cache);
                run_and_compare(rig, experts, 4);
            }
        }
    }
}

// These tests look in the plan for the tasks that an offer is ordered with, apart from the copies of the weight.
class OfferInPlan : public testing::Test {
  protected:
    ggml_tensor * weight(ggml_backend_t backend, const char * name) {
        ggml_tensor * tensor = ggml_new_tensor_1d(weights_context_.get(), GGML_TYPE_F32, kWidth);
        ggml_set_name(tensor, name);
        buffers_.emplace_back(ggml_backend_alloc_buffer(backend, ggml_nbytes(tensor)));
        ggml_backend_buffer_set_usage(buffers_.back().get(), GGML_BACKEND_BUFFER_USAGE_WEIGHTS);
        ggml_backend_tensor_alloc(buffers_.back().get(), tensor, ggml_backend_buffer_get_base(buffers_.back().get()));
        write_floats(tensor, ramp(kWidth));
        return tensor;
    }

    ggml_tensor * find_weight(const char * name) { return ggml_get_tensor(weights_context_.get(), name); }

    static std::string plan_of(ggml_backend_sched_t sched, ggml_cgraph * graph, ggml_tensor * input,
                               ggml_tensor * result) {
        const auto decline = [](ggml_backend_t, const ggml_tensor *, ggml_tensor *, ggml_cgraph *, void *) {
            return false;
        };
        ggml_backend_sched_set_copy_callback(sched, decline, nullptr);
        ggml_set_output(result);
        ggml_build_forward_expand(graph, result);
        EXPECT_TRUE(ggml_backend_sched_alloc_graph(sched, graph));
        write_floats(input, ramp(static_cast<size_t>(ggml_nelements(input))));
        EXPECT_EQ(ggml_backend_sched_graph_compute(sched, graph), GGML_STATUS_SUCCESS) << ggml_sched_get_error(sched);
        std::string text(ggml_sched_get_plan_text(sched, nullptr, 0), '\0');
        ggml_sched_get_plan_text(sched, text.data(), text.size() + 1);
        return text;
    }

    static constexpr int64_t kWidth = 32;
    ContextPtr context_ = make_context();
    ContextPtr weights_context_ = make_context();
    std::vector<BufferPtr> buffers_;
};

// The callback may keep a bank in any buffer of weights of its device.
TEST_F(OfferInPlan, WaitsForAnotherReaderOfTheWeights) {
    RigOptions options;
    options.devices = {GGML_SIM_PROFILE_CUDA};
    Rig rig(options);
    const BackendPtr other(ggml_backend_dev_init(ggml_backend_get_device(rig.device(0)), nullptr));
    ggml_backend_t backends[] = {rig.device(0), other.get(), rig.cpu()};
    const SchedPtr sched(ggml_backend_sched_new(backends, nullptr, 3, GGML_DEFAULT_GRAPH_SIZE, false, false));
    ggml_context * ctx = context_.get();
    ggml_tensor * input = ggml_new_tensor_1d(ctx, GGML_TYPE_F32, kWidth);
    ggml_set_input(input);
    ggml_tensor * by_other = ggml_add(ctx, input, weight(rig.device(0), "bank"));
    ggml_tensor * result = ggml_mul(ctx, input, weight(rig.cpu(), "norm"));
    ggml_backend_sched_set_tensor_backend(sched.get(), by_other, other.get());
    ggml_backend_sched_set_tensor_backend(sched.get(), result, rig.device(0));
    // The device holds the bank, so its first backend has to read it, too.
    ggml_tensor * last = ggml_add(ctx, result, ggml_add(ctx, input, find_weight("bank")));
    ggml_cgraph * graph = ggml_new_graph(ctx);
    ggml_build_forward_expand(graph, by_other);
    ggml_set_output(by_other);
    const std::string plan = plan_of(sched.get(), graph, input, last);
    EXPECT_NE(plan.find("SIM0     wait for SIM0 event 0  (WAR: overwrites what launch split 0 reads"),
              std::string::npos)
        << plan;
}

TEST_F(OfferInPlan, ComesBehindInputsThatAnotherQueueCopies) {
    RigOptions options;
    options.devices = {GGML_SIM_PROFILE_CUDA};
    options.parallel = true;
    options.n_copies = 2;
    options.stream_lane_from = 0;
    Rig rig(options);
    ggml_context * ctx = context_.get();
    ggml_tensor * input = ggml_new_tensor_1d(ctx, GGML_TYPE_F32, kWidth);
    ggml_set_input(input);
    ggml_tensor * result = ggml_mul(ctx, input, weight(rig.cpu(), "norm"));
    ggml_backend_sched_set_tensor_backend(rig.sched(), result, rig.device(0));
    const std::string plan = plan_of(rig.sched(), ggml_new_graph(ctx), input, result);
    const size_t wait = plan.find("SIM0     wait for SIM0 stream event");
    ASSERT_NE(wait, std::string::npos) << plan;
    EXPECT_LT(wait, plan.find("offer norm#0")) << plan;
}

// Such a device reads tables where they are; like ggml, the scheduler copies nothing then.
TEST(CopyCallbackOnUma, IsNotAskedForWhatTheDeviceReadsInPlace) {
    RigOptions options;
    options.devices = {GGML_SIM_PROFILE_UMA};
    Rig rig(options);
    WeightGraph graph(rig, {kTable});
    EXPECT_EQ(graph.asked(), Names{});
}

INSTANTIATE_TEST_SUITE_P(Profiles, CachedByCallback,
                         testing::Values(GGML_SIM_PROFILE_CUDA, GGML_SIM_PROFILE_VULKAN, GGML_SIM_PROFILE_NO_EVENTS,
                                         GGML_SIM_PROFILE_NO_ASYNC),
                         [](const testing::TestParamInfo<ggml_sim_profile> & info) {
                             std::string name = ggml_sim_profile_name(info.param);
                             std::replace(name.begin(), name.end(), '-', '_');
                             return name;
                         });

} // namespace
} // namespace ggml_sched::test
