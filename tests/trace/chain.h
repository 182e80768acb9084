// Chain - matrix products one after the other, spread over the devices of a rig; weights live there.

#pragma once

#include <gtest/gtest.h>

#include "support/rig.h"

namespace ggml_sched::test {

class Chain {
  public:
    // Of the rig's scheduler, or of another one over its backends
    explicit Chain(Rig & rig, int n_stages = 4, ggml_backend_sched_t sched = nullptr)
        : rig_(rig)
        , other_sched_(sched) {
        for (int i = 0; i < n_stages; i++) {
            contexts_.push_back(make_context(4));
            weights_.push_back(ggml_new_tensor_2d(contexts_.back().get(), GGML_TYPE_F32, kWidth, kWidth));
            buffers_.emplace_back(
                ggml_backend_alloc_ctx_tensors(contexts_.back().get(), rig.device(i % rig.n_devices())));
            ggml_backend_buffer_set_usage(buffers_.back().get(), GGML_BACKEND_BUFFER_USAGE_WEIGHTS);
            write_floats(weights_.back(), std::vector<float>(kWidth * kWidth, 0.5f));
        }
    }
    ~Chain() {
        if (sched()) {
            ggml_backend_sched_synchronize(sched());
        }
    }

    // A new graph, with memory
    void build(const std::string & input_name = "input") {
        graph_context_ = make_context(64);
        ggml_context * ctx = graph_context_.get();
        input_ = ggml_new_tensor_2d(ctx, GGML_TYPE_F32, kWidth, kRows);
        ggml_set_name(input_, input_name.c_str());
        ggml_set_input(input_);
        ggml_tensor * result = input_;
        for (ggml_tensor * weight : weights_) {
            result = ggml_mul_mat(ctx, weight, result);
        }
        ggml_set_output(result);
        graph_ = ggml_new_graph_custom(ctx, 64, false);
        ggml_build_forward_expand(graph_, result);
        ggml_backend_sched_reset(sched());
        ASSERT_TRUE(ggml_backend_sched_alloc_graph(sched(), graph_));
    }

    ggml_status submit() {
        write_floats(input_, std::vector<float>(kWidth * kRows, 1.0f));
        return ggml_backend_sched_graph_compute_async(sched(), graph_);
    }

    ggml_tensor * input() const { return input_; }
    void forget_graph() { graph_context_.reset(); }

  private:
    static constexpr int64_t kWidth = 32;
    static constexpr int64_t kRows = 8;

    ggml_backend_sched_t sched() const { return other_sched_ ? other_sched_ : rig_.sched(); }

    Rig & rig_;
    ggml_backend_sched_t other_sched_;
    std::vector<ContextPtr> contexts_;
    std::vector<BufferPtr> buffers_;
    std::vector<ggml_tensor *> weights_;
    ContextPtr graph_context_;
    ggml_tensor * input_ = nullptr;
    ggml_cgraph * graph_ = nullptr;
};

} // namespace ggml_sched::test
