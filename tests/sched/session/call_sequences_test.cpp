// Calls in an order that engines do not use: the results are right, or the call says no and what to do. After any error
// the next valid call is right.

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <string>
#include <vector>

#include "support/rig.h"

namespace ggml_sched::test {
namespace {

constexpr int64_t kSize = 64;

std::vector<float> times(std::vector<float> values, float factor) {
    std::transform(values.begin(), values.end(), values.begin(), [=](float value) { return value * factor; });
    return values;
}

// Scales an input on the CPU, then on a device, then on the CPU: two copies are made.
class CallSequence : public testing::TestWithParam<ggml_sim_profile> {
  protected:
    explicit CallSequence(bool parallel = false)
        : rig_(options(parallel)) {
        ggml_sched_set_verify(sched(), true);
        build();
    }

    static RigOptions options(bool parallel) {
        RigOptions options;
        options.devices = {GetParam()};
        options.parallel = parallel;
        return options;
    }

    void build() {
        context_ = make_context();
        graph_ = ggml_new_graph(context_.get());
        input_ = ggml_new_tensor_1d(context_.get(), GGML_TYPE_F32, kSize);
        ggml_set_name(input_, "x");
        ggml_set_input(input_);
        ggml_tensor * t = input_;
        for (int i = 0; i < 3; i++) {
            t = ggml_scale(context_.get(), t, 2.0f);
            steps_[i] = t;
        }
        ggml_set_output(t);
        ggml_build_forward_expand(graph_, t);
    }

    ggml_backend_sched_t sched() { return rig_.sched(); }
    std::string error() { return ggml_sched_get_error(sched()); }
    bool error_has(const std::string & part) { return error().find(part) != std::string::npos; }

    bool allocate(ggml_cgraph * graph) {
        for (int i = 0; i < 3; i++) {
            ggml_backend_sched_set_tensor_backend(sched(), steps_[i], i == 1 ? rig_.device(0) : rig_.cpu());
        }
        return ggml_backend_sched_alloc_graph(sched(), graph);
    }
    void expect_computes(ggml_cgraph * graph, const ggml_tensor * result, float first, float factor) {
        ASSERT_EQ(ggml_backend_sched_graph_compute(sched(), graph), GGML_STATUS_SUCCESS) << error();
        EXPECT_EQ(read_floats(result), times(ramp(kSize, first), factor));
        EXPECT_EQ(error(), "");
    }
    void expect_runs_right(float first = 1) {
        write_floats(input_, ramp(kSize, first));
        expect_computes(graph_, steps_[2], first, 8);
    }
    // A graph of all nodes of graph_ and one more
    ggml_cgraph * build_longer() {
        longer_ = ggml_scale(context_.get(), steps_[2], 3.0f);
        ggml_set_output(longer_);
        ggml_cgraph * graph = ggml_new_graph(context_.get());
        ggml_build_forward_expand(graph, longer_);
        return graph;
    }

    // A view of a whole tensor is flagged as the input, and stays a view.
    void expect_writes_through_views() {
        ggml_tensor * whole = ggml_new_tensor_1d(context_.get(), GGML_TYPE_F32, kSize);
        for (const bool is_node : {false, true}) {
            ggml_backend_sched_reset(sched());
            ggml_tensor * view =
                is_node ? ggml_view_1d(context_.get(), whole, kSize, 0) : ggml_view_tensor(context_.get(), whole);
            ggml_set_input(view);
            ggml_tensor * sum = ggml_add(context_.get(), view, whole);
            ggml_set_output(sum);
            ggml_cgraph * graph = ggml_new_graph(context_.get());
            ggml_build_forward_expand(graph, sum);
            ggml_backend_sched_set_tensor_backend(sched(), sum, rig_.device(0));
            for (float first = 1; first < 6; first++) {
                ASSERT_TRUE(ggml_backend_sched_alloc_graph(sched(), graph)) << error();
                EXPECT_EQ(view->data, whole->data);
                write_floats(view, ramp(kSize, first));
                ASSERT_EQ(ggml_backend_sched_graph_compute_async(sched(), graph), GGML_STATUS_SUCCESS) << error();
                write_floats(view, ramp(kSize, -1)); // the run has its own
                ggml_backend_sched_synchronize(sched());
                EXPECT_EQ(read_floats(sum), times(ramp(kSize, first), 2));
                ggml_backend_sched_reset(sched());
                ggml_backend_sched_set_tensor_backend(sched(), sum, rig_.device(0));
            }
        }
    }

    Rig rig_;
    ContextPtr context_;
    ggml_cgraph * graph_ = nullptr;
    ggml_tensor * input_ = nullptr;
    ggml_tensor * steps_[3] = {};
    ggml_tensor * longer_ = nullptr;
};

TEST_P(CallSequence, AllocatedTwiceWithoutARun) {
    ASSERT_TRUE(allocate(graph_));
    ASSERT_TRUE(allocate(graph_)) << error();
    expect_runs_right();
}

TEST_P(CallSequence, AllocatedAgainKeepsWhatWasWritten) {
    ASSERT_TRUE(allocate(graph_));
    write_floats(input_, ramp(kSize, 5));
    ASSERT_TRUE(allocate(graph_)) << error();
    expect_computes(graph_, steps_[2], 5, 8);
}

TEST_P(CallSequence, AllocatedAgainAfterAReset) {
    for (int i = 0; i < 4; i++) {
        ASSERT_TRUE(allocate(graph_)) << error();
        expect_runs_right(static_cast<float>(i));
        ggml_backend_sched_reset(sched());
    }
}

TEST_P(CallSequence, AllocatedAgainWhenItWasOnlySplit) {
    ggml_backend_sched_split_graph(sched(), graph_);
    EXPECT_EQ(steps_[1]->src[0], steps_[0]) << "the graph is the caller's";
    ggml_backend_sched_reset(sched());
    ASSERT_TRUE(allocate(graph_));
    expect_runs_right();
}

TEST_P(CallSequence, LeavesTheGraphItsOperands) {
    ASSERT_TRUE(allocate(graph_));
    EXPECT_EQ(steps_[1]->src[0], steps_[0]);
    expect_runs_right();
    EXPECT_EQ(steps_[1]->src[0], steps_[0]);
    EXPECT_EQ(steps_[2]->src[0], steps_[1]);
}

TEST_P(CallSequence, GoesOnFromTheAllocatedGraph) {
    ASSERT_TRUE(allocate(graph_));
    write_floats(input_, ramp(kSize, 2));
    ggml_cgraph * longer = build_longer();
    ASSERT_TRUE(allocate(longer)) << error();
    expect_computes(longer, longer_, 2, 24);
    ggml_backend_sched_reset(sched());
    ASSERT_TRUE(allocate(graph_));
    expect_runs_right(4);
}

TEST_P(CallSequence, AnotherGraphBetweenTwoRuns) {
    ASSERT_TRUE(allocate(graph_));
    expect_runs_right();
    const ContextPtr first = std::move(context_);
    ggml_cgraph * const graph = graph_;
    ggml_tensor * const input = input_;
    const ggml_tensor * result = steps_[2];
    build();
    ASSERT_TRUE(allocate(graph_));
    expect_runs_right(3);
    const LogCapture log;
    EXPECT_EQ(ggml_backend_sched_graph_compute(sched(), graph), GGML_STATUS_FAILED) << "its input is lost";
    EXPECT_TRUE(error_has("'x' has lost its value; call ggml_backend_sched_alloc_graph")) << error();
    ASSERT_TRUE(ggml_backend_sched_alloc_graph(sched(), graph));
    write_floats(input, ramp(kSize, 7));
    expect_computes(graph, result, 7, 8);
}

TEST_P(CallSequence, LostResultOfAnEarlierGraphIsRefused) {
    const LogCapture log;
    ASSERT_TRUE(allocate(graph_));
    expect_runs_right(2);
    ggml_set_output(steps_[0]);
    ggml_tensor * view = ggml_view_tensor(context_.get(), steps_[2]);
    ggml_tensor * inner_view = ggml_view_tensor(context_.get(), steps_[1]);
    ggml_tensor * of_output = ggml_scale(context_.get(), view, 10.0f);
    ggml_tensor * of_inner = ggml_scale(context_.get(), inner_view, 10.0f);
    ggml_set_output(of_output);
    ggml_cgraph * inner = ggml_new_graph(context_.get());
    ggml_build_forward_expand(inner, of_inner);
    ggml_cgraph * outer = ggml_new_graph(context_.get());
    ggml_build_forward_expand(outer, of_output);

    ASSERT_TRUE(ggml_backend_sched_alloc_graph(sched(), outer)) << "an output keeps its value: " << error();
    expect_computes(outer, of_output, 2, 80);
    ggml_backend_sched_reset(sched());
    EXPECT_FALSE(ggml_backend_sched_alloc_graph(sched(), inner));
    EXPECT_TRUE(error_has("a result of an earlier graph, which has lost its memory; flag it as an output")) << error();
    ASSERT_TRUE(allocate(graph_));
    expect_runs_right(4);
}

TEST_P(CallSequence, PlacedByAnotherSchedulerIsRefused) {
    const LogCapture log;
    ggml_backend_t backends[] = {rig_.device(0), rig_.cpu()};
    const SchedPtr other(ggml_backend_sched_new(backends, nullptr, 2, 64, false, false));
    ASSERT_TRUE(ggml_backend_sched_alloc_graph(other.get(), graph_));
    EXPECT_FALSE(allocate(graph_));
    EXPECT_TRUE(error_has("has been placed by another scheduler; call ggml_sched_unalloc_graph there first"))
        << error();
    ggml_sched_unalloc_graph(other.get());
    ASSERT_TRUE(allocate(graph_)) << error();
    expect_runs_right();
}

TEST_P(CallSequence, ReserveOfTheAllocatedGraph) {
    ASSERT_TRUE(allocate(graph_));
    expect_runs_right();
    ASSERT_TRUE(ggml_backend_sched_reserve(sched(), graph_)) << error();
    ASSERT_TRUE(allocate(graph_));
    expect_runs_right(2);
}

// A refused call does not make the next one forget why.
TEST_P(CallSequence, LostInputStaysLostUntilTheGraphIsAllocated) {
    const LogCapture log;
    const std::vector<std::function<void()>> ways_to_lose = {
        [&] { ggml_backend_sched_reset(sched()); },
        [&] { EXPECT_TRUE(ggml_backend_sched_reserve(sched(), graph_)); },
        [&] { ggml_backend_sched_split_graph(sched(), graph_); },
        [&] {
            size_t sizes[2];
            ggml_backend_sched_reserve_size(sched(), graph_, sizes);
        },
        [&] { EXPECT_FALSE(ggml_backend_sched_alloc_graph(sched(), nullptr)); },
    };
    for (const auto & lose : ways_to_lose) {
        ASSERT_TRUE(allocate(graph_));
        expect_runs_right(3);
        lose();
        for (int i = 0; i < 3; i++) {
            EXPECT_EQ(ggml_backend_sched_graph_compute(sched(), graph_), GGML_STATUS_FAILED);
            EXPECT_TRUE(error_has("'x' has lost its value")) << error();
        }
        ASSERT_TRUE(allocate(graph_));
        expect_runs_right(4);
    }
}

TEST_P(CallSequence, LostResultStaysLostWhenTheGraphIsReserved) {
    const LogCapture log;
    ASSERT_TRUE(allocate(graph_));
    expect_runs_right(2);
    ggml_tensor * reader = ggml_scale(context_.get(), ggml_view_tensor(context_.get(), steps_[2]), 10.0f);
    ggml_set_output(reader);
    ggml_cgraph * graph = ggml_new_graph(context_.get());
    ggml_build_forward_expand(graph, reader);
    ggml_backend_sched_reset(sched());
    for (int i = 0; i < 3; i++) {
        EXPECT_FALSE(ggml_backend_sched_reserve(sched(), graph));
        ggml_backend_sched_split_graph(sched(), graph);
        EXPECT_FALSE(ggml_backend_sched_alloc_graph(sched(), graph));
        EXPECT_TRUE(error_has("a result of an earlier graph, which has lost its memory")) << error();
    }
    ASSERT_TRUE(allocate(graph_));
    expect_runs_right();
}

// The memory of what is read is given to another graph, whose inputs the caller writes at once.
TEST_P(CallSequence, ResultOfAnAbortedRunMayBeReadOnItsDevice) {
    ggml_set_output(steps_[1]);
    ASSERT_TRUE(allocate(graph_));
    write_floats(input_, ramp(kSize, 2));
    const auto stop_behind = [](ggml_tensor * node, bool ask, void * last) { return ask ? node == last : false; };
    ggml_backend_sched_set_eval_callback(sched(), stop_behind, steps_[1]);
    ASSERT_EQ(ggml_backend_sched_graph_compute_async(sched(), graph_), GGML_STATUS_ABORTED);
    std::vector<float> seen(kSize);
    ggml_backend_tensor_get_async(rig_.device(0), steps_[1], seen.data(), 0, kSize * sizeof(float));
    ggml_backend_sched_set_eval_callback(sched(), nullptr, nullptr);
    ggml_backend_sched_reset(sched());
    const ContextPtr first = std::move(context_);
    build();
    for (ggml_tensor * step : steps_) {
        ggml_backend_sched_set_tensor_backend(sched(), step, rig_.device(0));
    }
    ggml_backend_sched_set_tensor_backend(sched(), input_, rig_.device(0));
    ASSERT_TRUE(ggml_backend_sched_alloc_graph(sched(), graph_));
    write_floats(input_, ramp(kSize, -70));
    ggml_backend_sched_synchronize(sched());
    EXPECT_EQ(seen, times(ramp(kSize, 2), 4));
}

TEST_P(CallSequence, InputWrittenInPlaceIsReadAsItIsThen) {
    ggml_tensor * x = ggml_new_tensor_1d(context_.get(), GGML_TYPE_F32, kSize);
    ggml_set_input(x);
    ggml_tensor * tripled = ggml_scale_inplace(context_.get(), x, 3.0f);
    ggml_tensor * doubled = ggml_scale(context_.get(), x, 2.0f);
    ggml_set_output(doubled);
    ggml_cgraph * graph = ggml_new_graph(context_.get());
    ggml_build_forward_expand(graph, tripled);
    ggml_build_forward_expand(graph, doubled);
    for (const ggml_sched_sync_mode mode : {GGML_SCHED_SYNC_AUTO, GGML_SCHED_SYNC_BARRIER, GGML_SCHED_SYNC_SERIAL}) {
        ggml_sched_set_sync_mode(sched(), mode);
        ggml_backend_sched_set_tensor_backend(sched(), x, rig_.cpu());
        ggml_backend_sched_set_tensor_backend(sched(), doubled, rig_.device(0));
        ASSERT_TRUE(ggml_backend_sched_alloc_graph(sched(), graph)) << error();
        for (float first = 1; first < 4; first++) {
            write_floats(x, ramp(kSize, first));
            ASSERT_EQ(ggml_backend_sched_graph_compute_async(sched(), graph), GGML_STATUS_SUCCESS) << error();
            write_floats(x, ramp(kSize, -50)); // the run has read it
            ggml_backend_sched_synchronize(sched());
            EXPECT_EQ(read_floats(doubled), times(ramp(kSize, first), 6));
        }
        ggml_backend_sched_reset(sched());
    }
}

TEST_P(CallSequence, TensorsOfReplacedMemoryAreNeitherReadNorWritten) {
    ASSERT_TRUE(allocate(graph_));
    expect_runs_right();
    const ContextPtr context = make_context();
    ggml_tensor * large = ggml_new_tensor_1d(context.get(), GGML_TYPE_F32, 100 * kSize);
    ggml_tensor * result = ggml_scale(context.get(), ggml_scale(context.get(), large, 2.0f), 2.0f);
    ggml_cgraph * graph = ggml_new_graph(context.get());
    ggml_build_forward_expand(graph, result);
    ggml_backend_sched_set_tensor_backend(sched(), result, rig_.device(0));
    ASSERT_TRUE(ggml_backend_sched_alloc_graph(sched(), graph));
    const LogCapture log;
    std::vector<float> values(kSize);
    for (ggml_tensor * tensor : {input_, steps_[1], steps_[2]}) {
        ggml_backend_tensor_set(tensor, values.data(), 0, kSize * sizeof(float));
        ggml_backend_tensor_get(tensor, values.data(), 0, kSize * sizeof(float));
        ggml_backend_tensor_memset(tensor, 0, 0, kSize * sizeof(float));
    }
    EXPECT_TRUE(log.contains("lies in memory that its scheduler has replaced; allocate its graph again"));
    ASSERT_TRUE(allocate(graph_));
    expect_runs_right(2);
}

TEST_P(CallSequence, InputFlaggedOnAViewIsWrittenThroughIt) {
    expect_writes_through_views();
}

INSTANTIATE_TEST_SUITE_P(Profiles, CallSequence,
                         testing::Values(GGML_SIM_PROFILE_CUDA, GGML_SIM_PROFILE_VULKAN, GGML_SIM_PROFILE_NO_EVENTS,
                                         GGML_SIM_PROFILE_NO_ASYNC, GGML_SIM_PROFILE_UMA));

class PipelinedCallSequence : public CallSequence {
  protected:
    PipelinedCallSequence()
        : CallSequence(true) {}
};

TEST_P(PipelinedCallSequence, AllocatedAgainInAnyState) {
    for (int i = 0; i < 12; i++) {
        ASSERT_TRUE(allocate(graph_)) << error();
        if (i % 3 != 0) {
            expect_runs_right(static_cast<float>(i));
        }
        if (i % 2 == 0) {
            ggml_backend_sched_reset(sched());
        }
    }
}

TEST_P(PipelinedCallSequence, InputFlaggedOnAViewIsWrittenThroughIt) {
    expect_writes_through_views();
}

TEST_P(PipelinedCallSequence, KeepsInputsAcrossTurns) {
    ASSERT_TRUE(allocate(graph_));
    write_floats(input_, ramp(kSize, 5));
    for (int i = 0; i < 6; i++) {
        ASSERT_TRUE(allocate(graph_)) << error();
        expect_computes(graph_, steps_[2], 5, 8);
    }
}

INSTANTIATE_TEST_SUITE_P(Profiles, PipelinedCallSequence,
                         testing::Values(GGML_SIM_PROFILE_CUDA, GGML_SIM_PROFILE_VULKAN, GGML_SIM_PROFILE_UMA));

} // namespace
} // namespace ggml_sched::test
