// Graphs that are split as the last one, but with a node that its backend does not support any more.

#include <gtest/gtest.h>

#include <cstring>
#include <vector>

#include "ggml-backend-impl.h"
#include "reuse/rows.h"

namespace ggml_sched::test {
namespace {

// Device 0 does not support these, for as long as this exists.
class Refusal {
  public:
    using Refuses = bool (*)(const ggml_tensor * op);

    Refusal(const Rig & rig, Refuses refused)
        : device_(ggml_backend_get_device(rig.device(0)))
        , supports_op_(device_->iface.supports_op) {
        supports_all_but = supports_op_;
        refuses = refused;
        device_->iface.supports_op = [](ggml_backend_dev_t device, const ggml_tensor * op) {
            return !refuses(op) && supports_all_but(device, op);
        };
    }
    ~Refusal() { device_->iface.supports_op = supports_op_; }
    Refusal(const Refusal &) = delete;
    Refusal & operator=(const Refusal &) = delete;

  private:
    using SupportsOp = bool (*)(ggml_backend_dev_t, const ggml_tensor *);
    static inline SupportsOp supports_all_but = nullptr;
    static inline Refuses refuses = nullptr;
    ggml_backend_dev_t device_;
    SupportsOp supports_op_;
};

TEST(GraphsWithOtherParameters, AreAssignedAnewWhenUnsupported) {
    Rig rig(one_device());
    const Refusal refusal(rig, [](const ggml_tensor * op) {
        float factor = 0.0f;
        std::memcpy(&factor, op->op_params, sizeof(factor));
        return op->op == GGML_OP_SCALE && factor == 5.0f;
    });
    const ContextPtr weights = make_context(4);
    ggml_tensor * weight = ggml_new_tensor_2d(weights.get(), GGML_TYPE_F32, kSize, 1);
    const BufferPtr buffer(ggml_backend_alloc_ctx_tensors(weights.get(), rig.device(0)));
    ggml_backend_buffer_set_usage(buffer.get(), GGML_BACKEND_BUFFER_USAGE_WEIGHTS);
    write_floats(weight, std::vector<float>(kSize, 2.0f));
    for (const float factor : {4.0f, 5.0f, 3.0f, 5.0f, 5.0f, 4.0f}) {
        const ContextPtr context = make_context();
        ggml_context * ctx = context.get();
        ggml_tensor * x = new_input(ctx, 1);
        ggml_tensor * scaled = ggml_scale(ctx, ggml_mul(ctx, x, weight), factor);
        const std::vector<float> values = run(rig.sched(), ctx, ggml_mul(ctx, scaled, weight), {x});
        std::vector<float> expected = numbers(1, 1.0f);
        for (float & value : expected) {
            value *= 4.0f * factor;
        }
        EXPECT_EQ(values, expected) << factor;
        EXPECT_EQ(ggml_backend_sched_get_tensor_backend(rig.sched(), scaled),
                  factor == 5.0f ? rig.cpu() : rig.device(0))
            << factor;
    }
}

// The node is the same; what it is computed from, or what that views, is not.
TEST(GraphsWithOtherOperands, AreAssignedAnewWhenUnsupported) {
    Rig rig(one_device());
    const Refusal refusal(rig, [](const ggml_tensor * op) {
        const ggml_tensor * operand = op->src[0];
        return (op->op == GGML_OP_SUM_ROWS && operand->ne[0] > kSize) ||
               (op->op == GGML_OP_SCALE && operand->view_src && operand->view_src->ne[1] > 2);
    });
    const ContextPtr weights = make_context(4);
    ggml_tensor * weight = ggml_new_tensor_1d(weights.get(), GGML_TYPE_F32, 1);
    const BufferPtr buffer(ggml_backend_alloc_ctx_tensors(weights.get(), rig.device(0)));
    ggml_backend_buffer_set_usage(buffer.get(), GGML_BACKEND_BUFFER_USAGE_WEIGHTS);
    write_floats(weight, {2.0f});
    struct Shape {
        int64_t width;
        int64_t rows;
    };
    for (const Shape & shape : {Shape{kSize, 2},
                                {kSize + 1, 2},
                                {kSize, 2},
                                {kSize - 1, 2},
                                {kSize - 1, 3},
                                {kSize + 1, 3},
                                {kSize + 1, 3},
                                {kSize + 1, 2}}) {
        const ContextPtr context = make_context();
        ggml_context * ctx = context.get();
        ggml_tensor * x = ggml_new_tensor_2d(ctx, GGML_TYPE_F32, shape.width, 1);
        ggml_tensor * y = ggml_new_tensor_2d(ctx, GGML_TYPE_F32, 1, shape.rows);
        for (ggml_tensor * input : {x, y}) {
            ggml_set_input(input);
        }
        ggml_tensor * sum = ggml_sum_rows(ctx, x);
        ggml_tensor * scaled = ggml_scale(ctx, ggml_view_1d(ctx, y, 1, 0), 3.0f);
        ggml_tensor * result = ggml_add(ctx, ggml_mul(ctx, sum, weight), ggml_mul(ctx, scaled, weight));
        ggml_set_output(result);
        ggml_cgraph * graph = ggml_new_graph(ctx);
        ggml_build_forward_expand(graph, result);
        ggml_backend_sched_reset(rig.sched());
        ASSERT_TRUE(ggml_backend_sched_alloc_graph(rig.sched(), graph));
        write_floats(x, std::vector<float>(static_cast<size_t>(shape.width), 1.0f));
        write_floats(y, std::vector<float>(static_cast<size_t>(shape.rows), 5.0f));
        ASSERT_EQ(ggml_backend_sched_graph_compute(rig.sched(), graph), GGML_STATUS_SUCCESS);
        EXPECT_EQ(read_floats(result), std::vector<float>{2.0f * static_cast<float>(shape.width) + 30.0f});
        const auto backend = [&](bool refused) { return refused ? rig.cpu() : rig.device(0); };
        EXPECT_EQ(ggml_backend_sched_get_tensor_backend(rig.sched(), sum), backend(shape.width > kSize));
        EXPECT_EQ(ggml_backend_sched_get_tensor_backend(rig.sched(), scaled), backend(shape.rows > 2));
    }
}

} // namespace
} // namespace ggml_sched::test
