// A caller changes settings, or a device refuses memory for a while, between graphs and runs. Each run moves the
// tensors of its own graph, and refused memory is asked for again.

#include <gtest/gtest.h>

#include <algorithm>

#include "handle.h"
#include "support/rig.h"

namespace ggml_sched::test {
namespace {

constexpr int64_t kWidth = 64;

RigOptions on_a_device(size_t stream, bool parallel = false) {
    RigOptions options;
    options.devices = {GGML_SIM_PROFILE_CUDA};
    options.stream = stream;
    options.parallel = parallel;
    return options;
}

// x * 2 on the device, described in memory that its end spoils
class Doubled {
  public:
    explicit Doubled(const Rig & rig)
        : rig_(rig)
        , context_(ggml_init({memory_.size(), memory_.data(), true})) {
        x_ = ggml_new_tensor_1d(context_.get(), GGML_TYPE_F32, kWidth);
        ggml_set_input(x_);
        result_ = ggml_scale(context_.get(), x_, 2.0f);
        ggml_set_output(result_);
        graph_ = ggml_new_graph(context_.get());
        ggml_build_forward_expand(graph_, result_);
        ggml_backend_sched_reset(rig.sched());
        ggml_backend_sched_set_tensor_backend(rig.sched(), x_, rig.cpu());
        ggml_backend_sched_set_tensor_backend(rig.sched(), result_, rig.device(0));
        EXPECT_TRUE(ggml_backend_sched_alloc_graph(rig.sched(), graph_)) << ggml_sched_get_error(rig.sched());
    }
    ~Doubled() {
        ggml_backend_sched_reset(rig_.sched());
        ggml_backend_sched_synchronize(rig_.sched()); // the next graph gets the same copies
        context_.reset();
        std::fill(memory_.begin(), memory_.end(), char{0});
    }
    Doubled(const Doubled &) = delete;
    Doubled & operator=(const Doubled &) = delete;

    void expect_right(float first) {
        write_floats(x_, ramp(kWidth, first));
        ASSERT_EQ(ggml_backend_sched_graph_compute(rig_.sched(), graph_), GGML_STATUS_SUCCESS)
            << ggml_sched_get_error(rig_.sched());
        EXPECT_EQ(read_floats(result_), ramp(kWidth, 2 * first, 2));
    }

  private:
    const Rig & rig_;
    std::vector<char> memory_ = std::vector<char>(size_t{1} << 20);
    ContextPtr context_;
    ggml_tensor * x_;
    ggml_tensor * result_;
    ggml_cgraph * graph_;
};

class KeptPrograms : public testing::TestWithParam<bool> {}; // verified?

TEST_P(KeptPrograms, RunOnTheNewGraphsTensorsAfterAModeChange) {
    const Rig rig(on_a_device(0, true));
    ggml_sched_set_verify(rig.sched(), GetParam());
    Doubled(rig).expect_right(1);
    Doubled second(rig);
    ggml_sched_set_sync_mode(rig.sched(), GGML_SCHED_SYNC_SERIAL);
    second.expect_right(5);
    ggml_sched_set_sync_mode(rig.sched(), GGML_SCHED_SYNC_AUTO); // as for the first graph
    second.expect_right(7);
}

TEST_P(KeptPrograms, RunOnTheNewGraphsTensorsAfterACallback) {
    const Rig rig(on_a_device(0, true));
    ggml_sched_set_verify(rig.sched(), GetParam());
    Doubled(rig).expect_right(1);
    Doubled second(rig);
    ggml_backend_sched_set_eval_callback(
        rig.sched(), [](ggml_tensor *, bool, void *) { return true; }, nullptr);
    second.expect_right(5);
    ggml_backend_sched_set_eval_callback(rig.sched(), nullptr, nullptr);
    second.expect_right(7);
}

INSTANTIATE_TEST_SUITE_P(Verified, KeptPrograms, testing::Bool());

BufferPtr on_host(ggml_context * ctx, ggml_backend_buffer_usage usage) {
    BufferPtr buffer(ggml_backend_alloc_ctx_tensors_from_buft(ctx, ggml_backend_cpu_buffer_type()));
    ggml_backend_buffer_set_usage(buffer.get(), usage);
    return buffer;
}

// A graph adds to a cache on the host, in rows of other lengths each time, and reads it on the device or the CPU.
class RowsOfACache {
  public:
    explicit RowsOfACache(const Rig & rig)
        : rig_(rig) {
        write_floats(weight_, ramp(kWidth * kWidth, 0, 1.0f / 4096));
        write_floats(cache_, ramp(kCells));
    }

    void expect_right(int64_t row, bool on_device) {
        contexts_.push_back(make_context());
        ggml_context * ctx = contexts_.back().get();
        const int64_t n = kWritten / row;
        ggml_tensor * x = ggml_new_tensor_1d(ctx, GGML_TYPE_F32, kWidth);
        ggml_tensor * values = ggml_new_tensor_2d(ctx, GGML_TYPE_F32, row, n);
        ggml_tensor * ids = ggml_new_tensor_1d(ctx, GGML_TYPE_I64, n);
        ggml_tensor * product = ggml_mul_mat(ctx, weight_, x); // streamed
        ggml_tensor * stored = ggml_set_rows(ctx, ggml_reshape_2d(ctx, cache_, row, kCells / row), values, ids);
        ggml_tensor * read = ggml_scale(ctx, ggml_reshape_1d(ctx, cache_, kCells), 2.0f);
        ggml_cgraph * graph = ggml_new_graph(ctx);
        ggml_backend_sched_reset(rig_.sched());
        ggml_backend_sched_set_tensor_backend(rig_.sched(), product, rig_.device(0));
        ggml_backend_sched_set_tensor_backend(rig_.sched(), stored, rig_.cpu());
        ggml_backend_sched_set_tensor_backend(rig_.sched(), read, on_device ? rig_.device(0) : rig_.cpu());
        for (ggml_tensor * tensor : {x, values, ids}) {
            ggml_set_input(tensor);
        }
        for (ggml_tensor * tensor : {stored, product, read}) {
            ggml_set_output(tensor);
            ggml_build_forward_expand(graph, tensor);
        }
        ASSERT_TRUE(ggml_backend_sched_alloc_graph(rig_.sched(), graph)) << ggml_sched_get_error(rig_.sched());
        write_floats(x, ramp(kWidth));
        write_floats(values, ramp(kWritten, 1000));
        std::vector<int64_t> rows(static_cast<size_t>(n));
        for (size_t i = 0; i < rows.size(); i++) {
            rows[i] = static_cast<int64_t>(3 + i);
        }
        ggml_backend_tensor_set(ids, rows.data(), 0, ggml_nbytes(ids));
        ASSERT_EQ(ggml_backend_sched_graph_compute(rig_.sched(), graph), GGML_STATUS_SUCCESS)
            << ggml_sched_get_error(rig_.sched());
        std::vector<float> expected = read_floats(cache_);
        std::transform(expected.begin(), expected.end(), expected.begin(), [](float value) { return 2 * value; });
        EXPECT_EQ(read_floats(read), expected);
    }

  private:
    static constexpr int64_t kCells = 1024; // numbers in the cache
    static constexpr int64_t kWritten = 32; // of these by a graph

    const Rig & rig_;
    ContextPtr weights_ = make_context(4);
    ggml_tensor * weight_ = ggml_new_tensor_2d(weights_.get(), GGML_TYPE_F32, kWidth, kWidth);
    BufferPtr weight_buffer_ = on_host(weights_.get(), GGML_BACKEND_BUFFER_USAGE_WEIGHTS);
    ContextPtr caches_ = make_context(4);
    ggml_tensor * cache_ = ggml_new_tensor_1d(caches_.get(), GGML_TYPE_F32, kCells);
    BufferPtr cache_buffer_ = on_host(caches_.get(), GGML_BACKEND_BUFFER_USAGE_ANY);
    std::vector<ContextPtr> contexts_;
};

TEST(RowsOfCaches, BecomingTooShortIsSeen) {
    for (const bool verify : {true, false}) {
        for (const bool on_device : {true, false}) {
            for (const int64_t first : {32, 4}) {
                const Rig rig(on_a_device(size_t{1} << 20));
                ggml_sched_set_verify(rig.sched(), verify);
                RowsOfACache rows(rig);
                rows.expect_right(first, on_device);
                rows.expect_right(36 - first, on_device);
                rows.expect_right(first, on_device);
            }
        }
    }
}

// Products with weights of 2 on the diagonal, in pageable memory
class Powers {
  public:
    explicit Powers(const Rig & rig)
        : rig_(rig) {
        std::vector<float> twos(kWidth * kWidth, 0.0f);
        for (size_t i = 0; i < kWidth; i++) {
            twos[i * kWidth + i] = 2.0f;
        }
        std::for_each(weights_.begin(), weights_.end(), [&](ggml_tensor * weight) { write_floats(weight, twos); });
    }

    void run(size_t n) {
        context_ = make_context();
        ggml_tensor * x = ggml_new_tensor_1d(context_.get(), GGML_TYPE_F32, kWidth);
        ggml_set_input(x);
        ggml_tensor * result = x;
        ggml_backend_sched_reset(rig_.sched());
        for (size_t i = 0; i < n; i++) {
            result = ggml_mul_mat(context_.get(), weights_[i], result);
            ggml_backend_sched_set_tensor_backend(rig_.sched(), result, rig_.device(0));
        }
        ggml_set_output(result);
        ggml_cgraph * graph = ggml_new_graph(context_.get());
        ggml_build_forward_expand(graph, result);
        ASSERT_TRUE(ggml_backend_sched_alloc_graph(rig_.sched(), graph)) << ggml_sched_get_error(rig_.sched());
        write_floats(x, ramp(kWidth));
        ASSERT_EQ(ggml_backend_sched_graph_compute(rig_.sched(), graph), GGML_STATUS_SUCCESS)
            << ggml_sched_get_error(rig_.sched());
        EXPECT_EQ(read_floats(result), ramp(kWidth, 0, static_cast<float>(1U << n)));
    }

  private:
    std::vector<ggml_tensor *> make_weights() {
        std::vector<ggml_tensor *> weights(8);
        std::generate(weights.begin(), weights.end(),
                      [this] { return ggml_new_tensor_2d(weights_context_.get(), GGML_TYPE_F32, kWidth, kWidth); });
        return weights;
    }

    const Rig & rig_;
    ContextPtr weights_context_ = make_context();
    std::vector<ggml_tensor *> weights_ = make_weights();
    BufferPtr buffer_ = on_host(weights_context_.get(), GGML_BACKEND_BUFFER_USAGE_WEIGHTS);
    ContextPtr context_;
};

TEST(Staging, IsUsedAgainOnceThereIsPinnedMemory) {
    Rig rig(on_a_device(size_t{1} << 20));
    Powers powers(rig);
    EXPECT_TRUE(ggml_backend_sim_fail(0, GGML_SIM_CALL_ALLOC_HOST_BUFFER, 1));
    powers.run(4);
    EXPECT_TRUE(ggml_backend_sim_fail(0, GGML_SIM_CALL_ALLOC_HOST_BUFFER, 0));
    EXPECT_EQ(rig.stats().staged_bytes, 0U);
    EXPECT_GT(rig.stats().streamed_bytes, 0U);
    powers.run(8);
    EXPECT_GT(rig.stats().staged_bytes, 0U);
}

} // namespace
} // namespace ggml_sched::test
