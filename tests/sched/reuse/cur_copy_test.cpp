// Where copies rotate, each graph runs in another turn than the one like it before: what was kept must be right for it.

#include <gtest/gtest.h>

#include <array>

#include "support/rig.h"

namespace ggml_sched::test {
namespace {

constexpr int64_t kSize = 64;

RigOptions one_device(size_t ring = SIZE_MAX, uint64_t seed = 0) {
    RigOptions options;
    options.devices = {GGML_SIM_PROFILE_CUDA};
    options.parallel = true;
    options.n_copies = 2;
    options.stream = ring;
    options.seed = seed;
    return options;
}

// All of it is on `backend`, but `x` only if it is given.
ggml_cgraph * allocate(const Rig & rig, ggml_context * ctx, ggml_tensor * result, ggml_backend_t backend,
                       ggml_tensor * x = nullptr) {
    ggml_set_output(result);
    ggml_cgraph * graph = ggml_new_graph(ctx);
    ggml_build_forward_expand(graph, result);
    ggml_backend_sched_reset(rig.sched());
    for (int i = 0; i < ggml_graph_n_nodes(graph); i++) {
        ggml_backend_sched_set_tensor_backend(rig.sched(), ggml_graph_node(graph, i), backend);
    }
    if (x) {
        ggml_backend_sched_set_tensor_backend(rig.sched(), x, backend);
    }
    EXPECT_TRUE(ggml_backend_sched_alloc_graph(rig.sched(), graph)) << ggml_sched_get_error(rig.sched());
    return graph;
}

// x is on the device, where each turn has one of its own. Only x grows, and no copy or result does.
TEST(Turns, HaveRoomForLargerInputsEach) {
    const Rig rig(one_device());
    for (const int64_t n : {1, 1, 40, 40, 2, 41, 41, 3}) {
        const ContextPtr context = make_context();
        ggml_tensor * x = ggml_new_tensor_1d(context.get(), GGML_TYPE_F32, kSize * n);
        ggml_set_input(x);
        ggml_tensor * sum = ggml_scale(context.get(), ggml_sum_rows(context.get(), x), 2.0F);
        ggml_cgraph * graph = allocate(rig, context.get(), sum, rig.device(0), x);
        write_floats(x, std::vector<float>(static_cast<size_t>(kSize * n), 1.0F));
        ASSERT_EQ(ggml_backend_sched_graph_compute_async(rig.sched(), graph), GGML_STATUS_SUCCESS);
        std::vector<float> value(1);
        ggml_backend_tensor_get_async(rig.device(0), sum, value.data(), 0, sizeof(float));
        ggml_backend_synchronize(rig.device(0)); // and not the scheduler, whose turns would begin again
        EXPECT_EQ(value[0], 2.0F * static_cast<float>(kSize * n)) << n;
    }
}

// x = w * x / 64 for each weight; the weights are in host memory, and a ring has room for some of them.
class StreamedChain {
  public:
    static constexpr int kWeights = 8;
    static constexpr size_t kRing = 3 * kSize * kSize * sizeof(float);

    explicit StreamedChain(const Rig & rig) {
        for (ggml_tensor *& weight : weights_) {
            weight = ggml_new_tensor_2d(weights_context_.get(), GGML_TYPE_F32, kSize, kSize);
        }
        const ggml_backend_dev_t device = ggml_backend_get_device(rig.device(0));
        buffer_.reset(ggml_backend_alloc_ctx_tensors_from_buft(weights_context_.get(),
                                                               ggml_backend_dev_host_buffer_type(device)));
        ggml_backend_buffer_set_usage(buffer_.get(), GGML_BACKEND_BUFFER_USAGE_WEIGHTS);
        for (int i = 0; i < kWeights; i++) {
            write_floats(weights_[i], ramp(kSize * kSize, static_cast<float>(i), 1.0F / 4096));
        }
    }

    // Waits for nothing. The values of the result are there after a synchronize.
    void start(const Rig & rig, ggml_backend_t backend, float first, std::vector<float> & values) {
        contexts_.push_back(make_context());
        ggml_context * ctx = contexts_.back().get();
        ggml_tensor * x = ggml_new_tensor_2d(ctx, GGML_TYPE_F32, kSize, kSize);
        ggml_set_input(x);
        ggml_tensor * result = x;
        for (ggml_tensor * weight : weights_) {
            result = ggml_scale(ctx, ggml_mul_mat(ctx, weight, result), 1.0F / 64);
        }
        ggml_cgraph * graph = allocate(rig, ctx, result, backend);
        write_floats(x, ramp(kSize * kSize, first, 1.0F / 512));
        ASSERT_EQ(ggml_backend_sched_graph_compute_async(rig.sched(), graph), GGML_STATUS_SUCCESS)
            << ggml_sched_get_error(rig.sched());
        values.resize(kSize * kSize);
        ggml_backend_tensor_get_async(backend, result, values.data(), 0, ggml_nbytes(result));
    }

  private:
    ContextPtr weights_context_ = make_context();
    std::array<ggml_tensor *, kWeights> weights_ = {};
    BufferPtr buffer_;
    std::vector<ContextPtr> contexts_;
};

// Setting what is set already gives the ring back, and another one is made. A turn that ran with the old one must not
// use its name while another turn uses the new one: nothing would order the two.
TEST(Turns, AreOrderedInARingThatIsNew) {
    for (uint64_t seed = 0; seed < 24; seed++) {
        SCOPED_TRACE("seed " + std::to_string(seed));
        std::array<std::vector<float>, 2> expected;
        std::array<std::vector<float>, 3> values;
        const Rig rig(one_device(StreamedChain::kRing, seed));
        StreamedChain chain(rig);
        for (size_t i = 0; i < expected.size(); i++) {
            chain.start(rig, rig.cpu(), static_cast<float>(i), expected[i]);
        }
        ggml_backend_sched_reset(rig.sched());
        ggml_backend_sched_synchronize(rig.sched());
        chain.start(rig, rig.device(0), 0.0F, values[0]); // in the first turn

        set_streaming(rig.sched(), StreamedChain::kRing);
        std::array<BufferPtr, 32> others; // so that the new ring is not where the old one was
        for (size_t i = 0; i < others.size(); i++) {
            others[i].reset(ggml_backend_alloc_buffer(rig.device(0), i % 2 == 0 ? 16 : StreamedChain::kRing));
        }
        chain.start(rig, rig.device(0), 0.0F, values[1]); // in the second
        chain.start(rig, rig.device(0), 1.0F, values[2]); // in the first again
        ggml_backend_sched_synchronize(rig.sched());
        EXPECT_EQ(values[0], expected[0]);
        EXPECT_EQ(values[1], expected[0]);
        EXPECT_EQ(values[2], expected[1]);
        EXPECT_GT(rig.stats().streamed_bytes, 0U);
    }
}

} // namespace
} // namespace ggml_sched::test
