// Callbacks that call the scheduler back: what would disturb the running call is refused with a sentence, and the run
// is right all the same.

#include <gtest/gtest.h>

#include <cstdio>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "support/rig.h"

namespace ggml_sched::test {
namespace {

constexpr int64_t kSize = 32;

// A chain of additions over a device and the CPU
class CallingCallback : public testing::Test {
  protected:
    CallingCallback() {
        input_ = ggml_new_tensor_1d(context_.get(), GGML_TYPE_F32, kSize);
        ggml_set_input(input_);
        result_ = input_;
        for (int i = 0; i < 6; i++) {
            result_ = ggml_scale_bias(context_.get(), result_, 1.0f, 1.0f);
            ggml_backend_sched_set_tensor_backend(sched(), result_, i % 2 ? rig_.device(0) : rig_.cpu());
        }
        ggml_set_output(result_);
        graph_ = ggml_new_graph(context_.get());
        ggml_build_forward_expand(graph_, result_);
        ggml_sched_set_verify(sched(), true);
    }

    ggml_backend_sched_t sched() { return rig_.sched(); }
    std::string error() { return ggml_sched_get_error(sched()); }

    static bool on_node(ggml_tensor * /*node*/, bool ask, void * self) {
        auto * test = static_cast<CallingCallback *>(self);
        if (!ask && test->during_) {
            test->during_();
        }
        return true;
    }
    static void on_reallocation(ggml_backend_sched_t /*sched*/, ggml_cgraph * /*graph*/, bool /*backends_changed*/,
                                bool /*size_changed*/, void * self) {
        static_cast<CallingCallback *>(self)->during_();
    }
    void call_during_runs(std::function<void()> call) {
        during_ = std::move(call);
        ggml_backend_sched_set_eval_callback(sched(), on_node, this);
    }
    void expect_runs_right(float first) {
        write_floats(input_, ramp(kSize, first));
        ASSERT_EQ(ggml_backend_sched_graph_compute(sched(), graph_), GGML_STATUS_SUCCESS) << error();
        EXPECT_EQ(read_floats(result_), ramp(kSize, first + 6));
        EXPECT_EQ(error(), "");
    }

    Rig rig_{{{GGML_SIM_PROFILE_CUDA}}};
    ContextPtr context_ = make_context();
    ggml_tensor * input_ = nullptr;
    ggml_tensor * result_ = nullptr;
    ggml_cgraph * graph_ = nullptr;
    std::function<void()> during_;
};

TEST_F(CallingCallback, MayTakeItselfAway) {
    ASSERT_TRUE(ggml_backend_sched_alloc_graph(sched(), graph_));
    int n_calls = 0;
    call_during_runs([&] {
        n_calls++;
        ggml_backend_sched_set_eval_callback(sched(), nullptr, nullptr);
    });
    expect_runs_right(1);
    EXPECT_EQ(n_calls, 6) << "the run keeps what it began with";
    expect_runs_right(2);
    EXPECT_EQ(n_calls, 6);
}

TEST_F(CallingCallback, IsRefusedWhatWouldDisturbTheRun) {
    const LogCapture log;
    ASSERT_TRUE(ggml_backend_sched_alloc_graph(sched(), graph_));
    size_t sizes[2] = {};
    const std::vector<std::function<bool()>> refused = {
        [&] { return ggml_backend_sched_alloc_graph(sched(), graph_); },
        [&] { return ggml_backend_sched_reserve(sched(), graph_); },
        [&] { return ggml_backend_sched_graph_compute(sched(), graph_) == GGML_STATUS_SUCCESS; },
        [&] { return ggml_backend_sched_graph_compute_async(sched(), graph_) == GGML_STATUS_SUCCESS; },
        [&] { return ggml_sched_trace_start(sched(), "never-written.json"); },
        [&] { return ggml_sched_trace_stop(sched()); },
    };
    const std::vector<std::function<void()>> without_result = {
        [&] { ggml_backend_sched_reserve_size(sched(), graph_, sizes); },
        [&] { ggml_backend_sched_split_graph(sched(), graph_); },
        [&] { ggml_backend_sched_set_tensor_backend(sched(), result_, rig_.cpu()); },
        [&] { ggml_backend_sched_reset(sched()); },
        [&] { ggml_sched_unalloc_graph(sched()); },
        [&] { set_streaming(sched(), GGML_SCHED_STREAM_OFF); },
        [&] { ggml_sched_keep_weights(sched(), true); },
        [&] { ggml_sched_set_reuse(sched(), false); },
        [&] { ggml_sched_set_debug(sched(), 1); },
        [&] { ggml_sched_set_debug_realloc(sched(), 2); },
        [&] { ggml_backend_sched_free(sched()); },
    };
    for (size_t i = 0; i < refused.size() + without_result.size(); i++) {
        call_during_runs([&] {
            if (i < refused.size()) {
                EXPECT_FALSE(refused[i]());
            } else {
                without_result[i - refused.size()]();
            }
        });
        expect_runs_right(static_cast<float>(i));
    }
    EXPECT_TRUE(log.contains("ggml_backend_sched_alloc_graph was called while ggml_backend_sched_graph_compute runs"));
    EXPECT_TRUE(log.contains("ggml_backend_sched_free was called while")) << log.text();
}

TEST_F(CallingCallback, MayWaitAskAndSetWhatTheNextRunTakes) {
    ASSERT_TRUE(ggml_backend_sched_alloc_graph(sched(), graph_));
    call_during_runs([&] {
        ggml_backend_sched_synchronize(sched());
        EXPECT_EQ(ggml_backend_sched_get_n_backends(sched()), 2);
        EXPECT_GT(ggml_backend_sched_get_n_splits(sched()), 1);
        EXPECT_EQ(ggml_backend_sched_get_tensor_backend(sched(), result_), rig_.device(0));
        EXPECT_NE(rig_.plan(), "");
        ggml_sched_set_sync_mode(sched(), GGML_SCHED_SYNC_SERIAL);
        ggml_sched_set_verify(sched(), true);
        ggml_backend_sched_set_copy_callback(sched(), nullptr, nullptr);
        ggml_backend_sched_set_realloc_callback(sched(), nullptr, nullptr);
    });
    for (int i = 0; i < 4; i++) {
        expect_runs_right(static_cast<float>(i));
    }
}

TEST_F(CallingCallback, OfReallocationsIsRefusedToo) {
    const LogCapture log;
    int n_calls = 0;
    during_ = [&] {
        n_calls++;
        EXPECT_FALSE(ggml_backend_sched_alloc_graph(sched(), graph_));
        ggml_backend_sched_reset(sched());
        ggml_backend_sched_set_realloc_callback(sched(), nullptr, nullptr);
    };
    ggml_backend_sched_set_realloc_callback(sched(), on_reallocation, this);
    ASSERT_TRUE(ggml_backend_sched_alloc_graph(sched(), graph_)) << error();
    EXPECT_EQ(n_calls, 1);
    expect_runs_right(3);
}

// The log may call what logs: one refused call is told, the others are only refused.
TEST_F(CallingCallback, OfTheLogDoesNotCallItselfForEver) {
    struct State {
        ggml_backend_sched_t sched;
        ggml_cgraph * graph;
        int n_calls;
    } state = {sched(), graph_, 0};
    ggml_log_callback previous = nullptr;
    void * previous_data = nullptr;
    ggml_log_get(&previous, &previous_data);
    ggml_log_set(
        [](ggml_log_level, const char *, void * data) {
            auto * state = static_cast<State *>(data);
            if (state->n_calls++ < 1000) {
                ggml_backend_sched_alloc_graph(state->sched, state->graph);
            }
        },
        &state);
    EXPECT_FALSE(ggml_backend_sched_alloc_graph(sched(), nullptr));
    ggml_log_set(previous, previous_data);
    EXPECT_GE(state.n_calls, 1);
    EXPECT_LT(state.n_calls, 10);
    ASSERT_TRUE(ggml_backend_sched_alloc_graph(sched(), graph_));
    expect_runs_right(1);
}

TEST_F(CallingCallback, IsToldOfEachRefusedCall) {
    const LogCapture log;
    ASSERT_TRUE(ggml_backend_sched_alloc_graph(sched(), graph_));
    call_during_runs([&] {
        ggml_backend_sched_reset(sched());
        ggml_sched_unalloc_graph(sched());
        ggml_backend_sched_set_tensor_backend(sched(), result_, rig_.cpu());
    });
    expect_runs_right(1);
    for (const char * call :
         {"ggml_backend_sched_reset", "ggml_sched_unalloc_graph", "ggml_backend_sched_set_tensor_backend"}) {
        EXPECT_TRUE(log.contains(std::string(call) + " was called while ggml_backend_sched_graph_compute runs"));
    }
}

// The last lines of a trace cannot be written; the log calls the scheduler that is being freed.
TEST(LogWhileASchedulerIsFreed, MayCallIt) {
    if (!std::filesystem::exists("/dev/full")) {
        GTEST_SKIP() << "there is no /dev/full here";
    }
    Rig rig({{GGML_SIM_PROFILE_CUDA}});
    struct State {
        ggml_backend_sched_t sched;
        int n_calls;
    } state = {rig.sched(), 0};
    ASSERT_TRUE(ggml_sched_trace_start(rig.sched(), "/dev/full"));
    ggml_log_callback previous = nullptr;
    void * previous_data = nullptr;
    ggml_log_get(&previous, &previous_data);
    ggml_log_set(
        [](ggml_log_level, const char *, void * data) {
            auto * state = static_cast<State *>(data);
            if (state->n_calls++ < 4) {
                ggml_backend_sched_free(state->sched);
                ggml_backend_sched_reset(state->sched);
                ggml_backend_sched_synchronize(state->sched);
                EXPECT_EQ(ggml_backend_sched_get_n_backends(state->sched), 2);
            }
        },
        &state);
    rig.free_sched();
    ggml_log_set(previous, previous_data);
    EXPECT_GE(state.n_calls, 1);
}

TEST_F(CallingCallback, MayRunAnotherScheduler) {
    ASSERT_TRUE(ggml_backend_sched_alloc_graph(sched(), graph_));
    ggml_backend_t backends[] = {rig_.device(0), rig_.cpu()};
    const SchedPtr other(ggml_backend_sched_new(backends, nullptr, 2, 64, false, false));
    const ContextPtr context = make_context();
    ggml_tensor * input = ggml_new_tensor_1d(context.get(), GGML_TYPE_F32, kSize);
    ggml_set_input(input);
    ggml_tensor * result = ggml_scale(context.get(), input, 3.0f);
    ggml_set_output(result);
    ggml_cgraph * graph = ggml_new_graph(context.get());
    ggml_build_forward_expand(graph, result);
    ggml_backend_sched_set_tensor_backend(other.get(), result, rig_.device(0));
    ASSERT_TRUE(ggml_backend_sched_alloc_graph(other.get(), graph));
    int n = 0;
    call_during_runs([&] {
        write_floats(input, std::vector<float>(kSize, static_cast<float>(++n)));
        ASSERT_EQ(ggml_backend_sched_graph_compute(other.get(), graph), GGML_STATUS_SUCCESS);
        EXPECT_EQ(read_floats(result), std::vector<float>(kSize, static_cast<float>(3 * n)));
    });
    expect_runs_right(1);
    expect_runs_right(2);
    EXPECT_EQ(n, 12);
}

} // namespace
} // namespace ggml_sched::test
