// Graphs that are split as the last one and differ in sizes: they are placed where that was, if that is right for them.

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <functional>
#include <initializer_list>
#include <vector>

#include "ggml-backend-impl.h"
#include "reuse/rows.h"

namespace ggml_sched::test {
namespace {

// 2x * 3y + 2x; the product takes the place of 3y where y has as many rows as x.
struct Product {
    ContextPtr context = make_context();
    ggml_tensor * x;
    ggml_tensor * y;
    ggml_tensor * a;
    ggml_tensor * b;
    ggml_tensor * product;
    ggml_tensor * result;

    Product(int64_t x_rows, int64_t y_rows) {
        ggml_context * ctx = context.get();
        x = new_input(ctx, x_rows);
        y = new_input(ctx, y_rows);
        a = ggml_scale(ctx, x, 2.0f);
        b = ggml_scale(ctx, y, 3.0f);
        product = ggml_mul(ctx, a, b);
        result = ggml_add(ctx, product, a);
    }
    std::vector<float> run_on(ggml_backend_sched_t sched, ggml_backend_t backend = nullptr) const {
        return run(sched, context.get(), result, {x, y}, backend);
    }
    void reserve_on(ggml_backend_sched_t sched, ggml_backend_t backend = nullptr) const {
        ggml_set_output(result);
        ggml_cgraph * graph = ggml_new_graph(context.get());
        ggml_build_forward_expand(graph, result);
        for (int i = 0; backend && i < ggml_graph_n_nodes(graph); i++) {
            ggml_backend_sched_set_tensor_backend(sched, ggml_graph_node(graph, i), backend);
        }
        EXPECT_TRUE(ggml_backend_sched_reserve(sched, graph));
    }
};

std::vector<float> run_product(const Rig & rig, int64_t x_rows, int64_t y_rows) {
    const Product graph(x_rows, y_rows);
    std::vector<float> values = graph.run_on(rig.sched());
    EXPECT_EQ(graph.product->data == graph.b->data, x_rows == y_rows) << x_rows << " and " << y_rows << " rows";
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

TEST(GraphsOfOtherSizes, DoNotWorkInPlaceOfABroadcastOperand) {
    Rig rig(one_device());
    for (const int64_t y_rows : {4, 1, 4, 2, 4}) {
        EXPECT_EQ(run_product(rig, 4, y_rows), product(4, y_rows)) << y_rows;
    }
}

// 6x from that element on: the second product may take the place of the first one only if it begins there.
ggml_tensor * six_fold(ggml_context * ctx, ggml_tensor * x, int64_t first) {
    ggml_tensor * doubled = ggml_scale(ctx, x, 2.0f);
    return ggml_scale(ctx, ggml_view_1d(ctx, doubled, kSize, static_cast<size_t>(first) * sizeof(float)), 3.0f);
}

TEST(GraphsWithMovingViews, DoNotWorkInPlaceOfAMovedView) {
    for (const int64_t moved : {16, 48}) {
        const Rig rig(one_device());
        for (const int64_t first : {int64_t{0}, moved}) {
            const ContextPtr context = make_context();
            ggml_tensor * x = new_input(context.get(), 2);
            ggml_tensor * result = six_fold(context.get(), x, first);
            std::vector<float> expected = numbers(2, 1.0f);
            expected = std::vector<float>(expected.begin() + first, expected.begin() + first + kSize);
            std::for_each(expected.begin(), expected.end(), [](float & value) { value *= 6.0f; });
            EXPECT_EQ(run(rig.sched(), context.get(), result, {x}, rig.device(0)), expected) << first;
            const auto * begin = static_cast<const char *>(result->data);
            const auto * read = static_cast<const char *>(result->src[0]->data);
            const bool overlaps = begin < read + ggml_nbytes(result) && read < begin + ggml_nbytes(result);
            EXPECT_EQ(overlaps, first == 0) << "from element " << first << " on";
        }
    }
}

// ggml_cast() names the result as its own operand. Nothing reads it before it is written, wherever it lies.
TEST(ResultsThatAreTheirOwnOperand, MayLieWhereOthersHaveLain) {
    Rig rig(one_device());
    ggml_sched_set_verify(rig.sched(), true);
    for (int run = 0; run < 3; run++) {
        const ContextPtr context = make_context();
        ggml_context * ctx = context.get();
        ggml_tensor * x = new_input(ctx, 2);
        ggml_tensor * result = x;
        std::vector<ggml_tensor *> casts;
        for (int i = 0; i < 5; i++) {
            casts.push_back(ggml_cont(ctx, result));
            result = ggml_add(ctx, ggml_scale(ctx, casts.back(), 2.0f), result);
        }
        ggml_set_output(result);
        ggml_cgraph * graph = ggml_new_graph(ctx);
        ggml_build_forward_expand(graph, result);
        for (ggml_tensor * cast : casts) {
            cast->src[1] = cast;
        }
        ggml_backend_sched_reset(rig.sched());
        ASSERT_TRUE(ggml_backend_sched_alloc_graph(rig.sched(), graph)) << ggml_sched_get_error(rig.sched());
        const bool is_used_again = std::any_of(casts.begin(), casts.end(), [&](const ggml_tensor * cast) {
            return cast != casts.front() && std::any_of(casts.begin(), casts.end(), [&](const ggml_tensor * other) {
                       return other != cast && other->data == cast->data;
                   });
        });
        EXPECT_TRUE(is_used_again) << "the casts lie where nothing has lain";
        write_floats(x, numbers(2, 1.0f));
        ASSERT_EQ(ggml_backend_sched_graph_compute(rig.sched(), graph), GGML_STATUS_SUCCESS);
        EXPECT_EQ(read_floats(result)[0], 243.0f * numbers(2, 1.0f)[0]);
    }
}

TEST(GraphsOfOtherSizes, GrowAndShrink) {
    Rig rig(one_device());
    for (const int64_t rows : {2, 1, 3, 2, 100, 99, 100, 101, 1}) {
        EXPECT_EQ(run_product(rig, rows, rows), product(rows, rows)) << rows;
    }
}

// Host memory that is not used again after it has been freed
class Cemetery {
  public:
    Cemetery() {
        type_ = *ggml_backend_cpu_buffer_type();
        type_.context = this;
        type_.iface.alloc_buffer = [](ggml_backend_buffer_type_t type, size_t size) {
            ggml_backend_buffer_t buffer = ggml_backend_buft_alloc_buffer(ggml_backend_cpu_buffer_type(), size);
            static_cast<Cemetery *>(type->context)->buffers_.push_back({*buffer, true});
            buffer->buft = type;
            buffer->iface.free_buffer = [](ggml_backend_buffer_t dead) {
                for (Buffer & known : static_cast<Cemetery *>(dead->buft->context)->buffers_) {
                    known.is_alive = known.is_alive && known.buffer.context != dead->context;
                }
            };
            return buffer;
        };
    }
    ~Cemetery() {
        for (Buffer & known : buffers_) {
            known.buffer.iface.free_buffer(&known.buffer);
        }
    }
    Cemetery(const Cemetery &) = delete;
    Cemetery & operator=(const Cemetery &) = delete;

    ggml_backend_buffer_type_t type() { return &type_; }
    bool is_alive(const ggml_tensor * tensor) {
        const char * data = static_cast<const char *>(tensor->data);
        return std::any_of(buffers_.begin(), buffers_.end(), [&](Buffer & known) {
            const char * base = static_cast<const char *>(ggml_backend_buffer_get_base(&known.buffer));
            return known.is_alive && data >= base && data < base + known.buffer.size;
        });
    }

  private:
    struct Buffer {
        ggml_backend_buffer buffer;
        bool is_alive;
    };
    ggml_backend_buffer_type type_;
    std::vector<Buffer> buffers_;
};

// The allocator of one buffer makes a larger one when it places a graph; nobody tells it to. Each size runs in another
// turn of the rotating copies than when it ran last, and must not get the old buffer there.
TEST(GraphsOfOtherSizes, GrowAndShrinkInOneBufferWhereCopiesRotate) {
    Cemetery memory;
    const BackendPtr cpu(ggml_backend_cpu_init());
    ggml_backend_t backend = cpu.get();
    ggml_backend_buffer_type_t type = memory.type();
    const SchedPtr sched(ggml_backend_sched_new(&backend, &type, 1, GGML_DEFAULT_GRAPH_SIZE, true, false));
    const LogCapture log;
    for (int i = 0; i < 20; i++) {
        const int64_t rows = i % 5 == 4 ? 10 * i : 1 + i % 5;
        const Product graph(rows, rows);
        EXPECT_EQ(graph.run_on(sched.get()), product(rows, rows)) << i;
        for (const ggml_tensor * tensor : {graph.x, graph.y, graph.a, graph.b, graph.product, graph.result}) {
            EXPECT_TRUE(memory.is_alive(tensor)) << tensor->name << " in graph " << i;
        }
    }
    EXPECT_EQ(log.text(), "");
}

// Only the copy grows: the tensor is in memory of the caller's, and what is computed from it stays as small.
TEST(GraphsOfOtherSizes, HaveRoomForLargerCopies) {
    const Rig rig(one_device());
    constexpr int64_t kMost = 40;
    const ContextPtr own_context = make_context(4);
    ggml_tensor * own = ggml_new_tensor_1d(own_context.get(), GGML_TYPE_F32, kSize * kMost);
    const BufferPtr buffer(ggml_backend_alloc_ctx_tensors(own_context.get(), rig.cpu()));
    write_floats(own, std::vector<float>(kSize * kMost, 1.0f));
    for (const int64_t n : {int64_t{1}, kMost, int64_t{2}, kMost}) {
        const ContextPtr context = make_context();
        ggml_context * ctx = context.get();
        ggml_tensor * x = ggml_new_tensor_1d(ctx, GGML_TYPE_F32, kSize * n);
        ASSERT_EQ(ggml_backend_tensor_alloc(buffer.get(), x, own->data), GGML_STATUS_SUCCESS);
        ggml_tensor * y = new_input(ctx, 1);
        ggml_tensor * sum = ggml_add(ctx, ggml_cont(ctx, y), ggml_sum_rows(ctx, x));
        std::vector<float> expected = numbers(1, 1.0f);
        for (float & value : expected) {
            value += static_cast<float>(kSize * n);
        }
        EXPECT_EQ(run(rig.sched(), ctx, sum, {y}, rig.device(0)), expected) << n;
    }
}

// What a plan orders are bytes. The allocator gives other ones where it has planned anew in between, for the same
// graph.
TEST(GraphsOfTheSameSize, ArePlannedAnewWhereTheyLieElsewhere) {
    const Rig rig(one_device());
    Product(100, 100).reserve_on(rig.sched());
    std::vector<const void *> places;
    for (int i = 0; i < 4; i++) {
        const Product graph(3, 3);
        EXPECT_EQ(graph.run_on(rig.sched()), product(3, 3));
        places.push_back(graph.b->data);
    }
    EXPECT_EQ(rig.stats().plans, 1u) << "nothing is in flight before each run";

    Product(150, 150).reserve_on(rig.sched());
    const Product graph(3, 3);
    EXPECT_EQ(graph.run_on(rig.sched()), product(3, 3));
    EXPECT_NE(graph.b->data, places.back()) << "the test needs that the allocator moves it";
    EXPECT_EQ(rig.stats().plans, 2u);
}

// The places of what was reserved are large enough for all, but no copy is.
TEST(GraphsOfOtherSizes, AreCopiedWholeWhenTheyGrowInPlace) {
    Rig rig(one_device());
    Product(100, 100).reserve_on(rig.sched(), rig.device(0));
    for (const int64_t rows : {3, 50, 1, 100, 2}) {
        ggml_sched_reset_stats(rig.sched());
        EXPECT_EQ(Product(rows, rows).run_on(rig.sched(), rig.device(0)), product(rows, rows)) << rows;
        EXPECT_EQ(rig.stats().bytes_copied, 2 * static_cast<size_t>(rows * kSize) * sizeof(float))
            << "x and y, no more";
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

// The device computes the second node of a split after the third, while that is switched on.
class Reordering {
  public:
    Reordering()
        : devices_(one_device()) {
        is_on = false;
        device()->iface.graph_optimize = [](ggml_backend_t, ggml_cgraph * graph, ggml_backend_graph_optimize_params *) {
            if (is_on && ggml_graph_n_nodes(graph) > 2) {
                std::swap(ggml_graph_nodes(graph)[1], ggml_graph_nodes(graph)[2]);
            }
        };
        std::array<ggml_backend_t, 2> backends = {device(), devices_.cpu()};
        sched_.reset(ggml_backend_sched_new(backends.data(), nullptr, 2, GGML_DEFAULT_GRAPH_SIZE, false, false));
    }

    ggml_backend_t device() const { return devices_.device(0); }
    ggml_backend_sched_t sched() const { return sched_.get(); } // knows that the device orders nodes

    static inline bool is_on = false;

  private:
    const Rig devices_;
    SchedPtr sched_;
};

// x + y, by way of copies: that of y may take the place of the first one of x only where the second has been made.
TEST(GraphsInAnotherOrder, AreNotPlacedWhereTheLastOneWas) {
    const Reordering reordering;
    for (const bool is_on : {false, true, true, false, false, true, false}) {
        Reordering::is_on = is_on;
        const ContextPtr context = make_context();
        ggml_context * ctx = context.get();
        ggml_tensor * x = new_input(ctx, 1);
        ggml_tensor * y = new_input(ctx, 1);
        ggml_tensor * first = ggml_cont(ctx, x);
        ggml_tensor * kept = ggml_cont(ctx, first);
        ggml_tensor * other = ggml_cont(ctx, y);
        ggml_tensor * sum = ggml_add(ctx, kept, other);
        std::vector<float> expected = numbers(1, 1.0f);
        const std::vector<float> second = numbers(1, 3.0f);
        std::transform(expected.begin(), expected.end(), second.begin(), expected.begin(), std::plus<>());
        EXPECT_EQ(run(reordering.sched(), ctx, sum, {x, y}, reordering.device()), expected) << is_on;
    }
}

TEST(GraphsInAnotherOrder, ArePlacedWhereTheLastOneOfThisOrderWas) {
    const Reordering reordering;
    const auto new_plans = [&](bool is_on) {
        Reordering::is_on = is_on;
        ggml_sched_stats stats;
        ggml_sched_get_stats(reordering.sched(), &stats, sizeof(stats));
        const uint64_t before = stats.plans;
        const ContextPtr context = make_context();
        ggml_context * ctx = context.get();
        ggml_tensor * x = new_input(ctx, 1);
        ggml_tensor * sum = ggml_add(ctx, ggml_cont(ctx, ggml_cont(ctx, x)), ggml_cont(ctx, x));
        std::vector<float> expected = numbers(1, 1.0f);
        std::transform(expected.begin(), expected.end(), expected.begin(), expected.begin(), std::plus<>());
        EXPECT_EQ(run(reordering.sched(), ctx, sum, {x}, reordering.device()), expected);
        ggml_sched_get_stats(reordering.sched(), &stats, sizeof(stats));
        return stats.plans - before;
    };
    for (const bool is_on : {true, false, true}) {
        EXPECT_GT(new_plans(is_on), 0u);
        new_plans(is_on); // one more plan for a run behind another
        EXPECT_EQ(new_plans(is_on), 0u);
        EXPECT_EQ(new_plans(is_on), 0u);
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
        run(rig.sched(), ctx, written, {x});
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

TEST(MemoryThatOnlyViewsAreReadOf, IsPlacedAndReadOnEveryBackend) {
    for (const int device : {0, 1}) {
        Rig rig(one_device());
        const ContextPtr context = make_context();
        ggml_tensor * viewed = ggml_new_tensor_2d(context.get(), GGML_TYPE_F32, kSize, 2); // neither input nor result
        ggml_tensor * view = ggml_view_tensor(context.get(), viewed);                      // no operation, so no node
        ggml_tensor * result = ggml_scale(context.get(), view, 2.0f);
        ggml_set_output(result);
        ggml_cgraph * graph = ggml_new_graph(context.get());
        ggml_build_forward_expand(graph, result);
        ggml_backend_sched_set_tensor_backend(rig.sched(), result, device == 0 ? rig.device(0) : rig.cpu());
        ASSERT_TRUE(ggml_backend_sched_alloc_graph(rig.sched(), graph));
        ASSERT_NE(viewed->buffer, nullptr);
        write_floats(viewed, numbers(2, 1.0f));
        ASSERT_EQ(ggml_backend_sched_graph_compute(rig.sched(), graph), GGML_STATUS_SUCCESS);
        std::vector<float> expected;
        for (const float number : numbers(2, 1.0f)) {
            expected.push_back(2.0f * number);
        }
        EXPECT_EQ(read_floats(result), expected);
    }
}

} // namespace
} // namespace ggml_sched::test
