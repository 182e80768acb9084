// Graphs that are split as the last one and differ in sizes: they are placed where that was, if that is right for them.

#include <gtest/gtest.h>

#include <cstring>
#include <initializer_list>
#include <vector>

#include "ggml-backend-impl.h"
#include "support/rig.h"

namespace ggml_sched::test {
namespace {

constexpr int64_t kSize = 64;

RigOptions one_device() {
    RigOptions options;
    options.devices = {GGML_SIM_PROFILE_CUDA};
    return options;
}

std::vector<float> numbers(int64_t rows, float first) {
    return ramp(static_cast<size_t>(kSize * rows), first, 0.25f);
}

// Allocates, fills the inputs, runs, and gives the values of `result`.
std::vector<float> run(Rig & rig, ggml_context * ctx, ggml_tensor * result, const std::vector<ggml_tensor *> & inputs) {
    ggml_set_output(result);
    ggml_cgraph * graph = ggml_new_graph(ctx);
    ggml_build_forward_expand(graph, result);
    ggml_backend_sched_reset(rig.sched());
    EXPECT_TRUE(ggml_backend_sched_alloc_graph(rig.sched(), graph));
    float first = 1.0f;
    for (ggml_tensor * input : inputs) {
        write_floats(input, numbers(input->ne[1], first));
        first += 2.0f;
    }
    EXPECT_EQ(ggml_backend_sched_graph_compute(rig.sched(), graph), GGML_STATUS_SUCCESS);
    return read_floats(result);
}

ggml_tensor * new_input(ggml_context * ctx, int64_t rows) {
    ggml_tensor * input = ggml_new_tensor_2d(ctx, GGML_TYPE_F32, kSize, rows);
    ggml_set_input(input);
    return input;
}

// 2x * 3y + 2x; the product takes the place of 3y where y has as many rows as x.
std::vector<float> run_product(Rig & rig, int64_t x_rows, int64_t y_rows) {
    const ContextPtr context = make_context();
    ggml_context * ctx = context.get();
    ggml_tensor * x = new_input(ctx, x_rows);
    ggml_tensor * y = new_input(ctx, y_rows);
    ggml_tensor * a = ggml_scale(ctx, x, 2.0f);
    ggml_tensor * b = ggml_scale(ctx, y, 3.0f);
    ggml_tensor * product = ggml_mul(ctx, a, b);
    const std::vector<float> values = run(rig, ctx, ggml_add(ctx, product, a), {x, y});
    EXPECT_EQ(product->data == b->data, x_rows == y_rows) << x_rows << " and " << y_rows << " rows";
    return values;
}

std::vector<float> product(int64_t x_rows, int64_t y_rows) {
    const std::vector<float> x = numbers(x_rows, 1.0f);
    const std::vector<float> y = numbers(y_rows, 3.0f);
    std::vector<float> result;
    for (size_t i = 0; i < x.size(); i++) {
        result.push_back(2.0f * x[i] * (3.0f * y[i % y.size()]) + 2.0f * x[i]);
    }
    return result;
}

TEST(GraphsOfOtherSizes, DoNotWorkInPlaceWhereAnOperandIsBroadcastNow) {
    Rig rig(one_device());
    for (const int64_t y_rows : {4, 1, 4, 2, 4}) {
        EXPECT_EQ(run_product(rig, 4, y_rows), product(4, y_rows)) << y_rows;
    }
}

TEST(GraphsOfOtherSizes, GrowAndShrink) {
    Rig rig(one_device());
    for (const int64_t rows : {2, 1, 3, 2, 100, 99, 100, 101, 1}) {
        EXPECT_EQ(run_product(rig, rows, rows), product(rows, rows)) << rows;
    }
}

// The allocator of one buffer makes a larger one when it places a graph; nobody tells it to. Each size runs in another
// turn of the rotating copies than when it ran last, and must not get the old buffer there (a sanitizer sees it).
TEST(GraphsOfOtherSizes, GrowAndShrinkInOneBufferWhereCopiesRotate) {
    RigOptions options;
    options.parallel = true;
    Rig rig(options);
    for (int i = 0; i < 20; i++) {
        const int64_t rows = i % 5 == 4 ? 10 * i : 1 + i % 5;
        EXPECT_EQ(run_product(rig, rows, rows), product(rows, rows)) << i;
    }
}

TEST(GraphsOfOtherSizes, GrowAndShrinkWhereCopiesRotate) {
    RigOptions options = one_device();
    options.parallel = true;
    Rig rig(options);
    for (int i = 0; i < 20; i++) {
        const int64_t rows = i % 5 == 4 ? 10 * i : 1 + i % 5;
        EXPECT_EQ(run_product(rig, rows, rows), product(rows, rows)) << i;
    }
}

// As an engine appends to its cache: the view begins elsewhere each time.
TEST(GraphsWithMovingViews, ReadAndWriteWhereTheViewIsNow) {
    Rig rig(one_device());
    const ContextPtr cache_context = make_context(4);
    constexpr int64_t kRows = 6;
    ggml_tensor * cache = ggml_new_tensor_2d(cache_context.get(), GGML_TYPE_F32, kSize, kRows);
    const BufferPtr buffer(ggml_backend_alloc_ctx_tensors(cache_context.get(), rig.device(0)));
    write_floats(cache, std::vector<float>(static_cast<size_t>(kSize * kRows), 0.0f));
    for (int64_t row = 0; row < kRows; row++) {
        const ContextPtr context = make_context();
        ggml_context * ctx = context.get();
        ggml_tensor * x = new_input(ctx, 1);
        ggml_tensor * place = ggml_view_1d(ctx, cache, kSize, static_cast<size_t>(row) * cache->nb[1]);
        ggml_tensor * written = ggml_cpy(ctx, ggml_scale(ctx, x, 1.0f + static_cast<float>(row)), place);
        const uint64_t plans = rig.stats().plans;
        run(rig, ctx, written, {x});
        EXPECT_GT(rig.stats().plans, plans) << "the plan of row " << row - 1 << " orders other bytes";
    }
    std::vector<float> expected;
    for (int64_t row = 0; row < kRows; row++) {
        for (const float value : numbers(1, 1.0f)) {
            expected.push_back(value * (1.0f + static_cast<float>(row)));
        }
    }
    EXPECT_EQ(read_floats(cache), expected);
}

// Device 0 does not scale by 5, for as long as this exists.
class Refusal {
  public:
    explicit Refusal(const Rig & rig)
        : device_(ggml_backend_get_device(rig.device(0)))
        , supports_op_(device_->iface.supports_op) {
        supports_all_but = supports_op_;
        device_->iface.supports_op = [](ggml_backend_dev_t device, const ggml_tensor * op) {
            float factor = 0.0f;
            std::memcpy(&factor, op->op_params, sizeof(factor));
            return !(op->op == GGML_OP_SCALE && factor == 5.0f) && supports_all_but(device, op);
        };
    }
    ~Refusal() { device_->iface.supports_op = supports_op_; }
    Refusal(const Refusal &) = delete;
    Refusal & operator=(const Refusal &) = delete;

  private:
    using SupportsOp = bool (*)(ggml_backend_dev_t, const ggml_tensor *);
    static inline SupportsOp supports_all_but = nullptr;
    ggml_backend_dev_t device_;
    SupportsOp supports_op_;
};

TEST(GraphsWithOtherParameters, AreAssignedAnewWhereABackendSupportsThemNoMore) {
    Rig rig(one_device());
    const Refusal refusal(rig);
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
        const std::vector<float> values = run(rig, ctx, ggml_mul(ctx, scaled, weight), {x});
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

} // namespace
} // namespace ggml_sched::test
