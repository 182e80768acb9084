#include "core_test.h"

#include <cstdint>

using namespace core_test;

namespace {

bool is_aligned(const void * p) {
    return reinterpret_cast<uintptr_t>(p) % GGML_MEM_ALIGN == 0;
}

} // namespace

TEST(Context, TheOverheadOfTensorsAndAGraphSufficesExactly) {
    for (const size_t size : {0u, 1u, 7u, 8u, 100u, 2048u}) {
        const size_t n = 37;
        const size_t mem_size = n * ggml_tensor_overhead() + ggml_graph_overhead_custom(size, false);
        ggml_context * ctx = ggml_init({mem_size, nullptr, true});
        for (size_t i = 0; i < n; i++) {
            ASSERT_NE(ggml_new_tensor_3d(ctx, GGML_TYPE_F32, 5, 6, 7), nullptr);
        }
        ASSERT_NE(ggml_new_graph_custom(ctx, size, false), nullptr);
        EXPECT_EQ(ggml_used_mem(ctx), mem_size);
        LogCapture log;
        EXPECT_EQ(ggml_new_tensor_1d(ctx, GGML_TYPE_F32, 1), nullptr);
        ggml_free(ctx);
    }
}

TEST(Context, TheDefaultGraphOverheadIsThatOfTheDefaultSize) {
    EXPECT_EQ(ggml_graph_overhead(), ggml_graph_overhead_custom(GGML_DEFAULT_GRAPH_SIZE, false));
}

TEST(Context, ExhaustionIsRefusedAndLeavesTheContextUsable) {
    ggml_context * ctx = ggml_init({4 * ggml_tensor_overhead(), nullptr, true});
    ggml_tensor * a = ggml_set_name(ggml_new_tensor_1d(ctx, GGML_TYPE_F32, 8), "a");
    const size_t used = ggml_used_mem(ctx);
    {
        LogCapture log;
        EXPECT_EQ(ggml_new_graph(ctx), nullptr);
        EXPECT_EQ(log.errors.size(), 1u);
    }
    EXPECT_EQ(ggml_used_mem(ctx), used);
    ggml_tensor * b = ggml_add(ctx, a, a);
    ggml_tensor * c = ggml_mul(ctx, b, a);
    ggml_tensor * d = ggml_view_1d(ctx, c, 4, 0);
    ASSERT_NE(d, nullptr);
    LogCapture log;
    EXPECT_EQ(ggml_add(ctx, c, a), nullptr);
    EXPECT_EQ(ggml_add_inplace(ctx, c, a), nullptr);
    EXPECT_EQ(ggml_cpy(ctx, c, a), nullptr);
    EXPECT_EQ(ggml_cast(ctx, c, GGML_TYPE_F16), nullptr);
    EXPECT_EQ(ggml_permute(ctx, c, 1, 0, 2, 3), nullptr);
    EXPECT_EQ(ggml_reshape_2d(ctx, c, 2, 4), nullptr);
    EXPECT_EQ(ggml_view_1d(ctx, c, 2, 0), nullptr);
    EXPECT_EQ(ggml_rms_norm(ctx, c, 1e-5f), nullptr);
    EXPECT_EQ(ggml_argsort_top_k(ctx, c, 2), nullptr);
    EXPECT_EQ(ggml_cont(ctx, c), nullptr);
    EXPECT_EQ(log.errors.size(), 10u);
    std::vector<ggml_tensor *> all;
    for (auto * t = ggml_get_first_tensor(ctx); t; t = ggml_get_next_tensor(ctx, t)) {
        all.push_back(t);
    }
    EXPECT_EQ(all, (std::vector<ggml_tensor *>{a, b, c, d}));
    EXPECT_STREQ(a->name, "a");
    ggml_free(ctx);
}

TEST(Context, TensorsAreEnumeratedInOrderAndGraphsSkipped) {
    ggml_context * ctx = ggml_init({1 << 20, nullptr, true});
    EXPECT_EQ(ggml_get_first_tensor(ctx), nullptr);
    ggml_new_graph_custom(ctx, 4, false);
    ggml_tensor * a = ggml_new_tensor_1d(ctx, GGML_TYPE_F32, 1);
    ggml_new_graph_custom(ctx, 4, false);
    ggml_new_graph_custom(ctx, 4, false);
    ggml_tensor * b = ggml_set_name(ggml_new_tensor_1d(ctx, GGML_TYPE_I32, 1), "b");
    EXPECT_EQ(ggml_get_first_tensor(ctx), a);
    EXPECT_EQ(ggml_get_next_tensor(ctx, a), b);
    EXPECT_EQ(ggml_get_next_tensor(ctx, b), nullptr);
    EXPECT_EQ(ggml_get_tensor(ctx, "b"), b);
    EXPECT_EQ(ggml_get_tensor(ctx, "c"), nullptr);
    EXPECT_EQ(ggml_get_tensor(ctx, nullptr), nullptr);
    ggml_free(ctx);
}

TEST(Context, WithAllocTensorsHaveAlignedMemoryOfTheirOwn) {
    ggml_context * ctx = ggml_init({1 << 16, nullptr, false});
    std::vector<ggml_tensor *> tensors;
    for (int64_t n = 1; n < 40; n++) {
        tensors.push_back(ggml_new_tensor_1d(ctx, GGML_TYPE_I8, n));
        ASSERT_NE(tensors.back(), nullptr);
        ASSERT_TRUE(is_aligned(tensors.back()->data));
        std::memset(tensors.back()->data, static_cast<int>(n), static_cast<size_t>(n));
    }
    for (const ggml_tensor * t : tensors) {
        EXPECT_EQ(t->ne[0], static_cast<const int8_t *>(t->data)[0]);
        EXPECT_EQ(t->ne[0], static_cast<const int8_t *>(t->data)[t->ne[0] - 1]);
    }
    EXPECT_EQ(ggml_get_max_tensor_size(ctx), 39u);
    ggml_free(ctx);
}

TEST(Context, NoAllocCanBeSwitched) {
    ggml_context * ctx = ggml_init({1 << 16, nullptr, false});
    EXPECT_FALSE(ggml_get_no_alloc(ctx));
    EXPECT_NE(ggml_new_tensor_1d(ctx, GGML_TYPE_F32, 4)->data, nullptr);
    ggml_set_no_alloc(ctx, true);
    EXPECT_TRUE(ggml_get_no_alloc(ctx));
    EXPECT_EQ(ggml_new_tensor_1d(ctx, GGML_TYPE_F32, 4)->data, nullptr);
    ggml_free(ctx);
}

TEST(Context, DataLargerThanTheContextIsRefused) {
    ggml_context * ctx = ggml_init({1 << 12, nullptr, false});
    for (const int64_t n : {int64_t{1} << 10, int64_t{1} << 40, INT64_MAX / 4}) {
        LogCapture log;
        EXPECT_EQ(ggml_new_tensor_1d(ctx, GGML_TYPE_F32, n), nullptr);
        EXPECT_EQ(log.errors.size(), 1u);
    }
    EXPECT_NE(ggml_new_tensor_1d(ctx, GGML_TYPE_F32, 16), nullptr);
    ggml_free(ctx);
}

TEST(Context, ResetForgetsEveryObjectAndKeepsTheMemory) {
    ggml_context * ctx = ggml_init({2 * ggml_tensor_overhead(), nullptr, true});
    void * memory = ggml_get_mem_buffer(ctx);
    for (int round = 0; round < 3; round++) {
        EXPECT_EQ(ggml_get_first_tensor(ctx), nullptr);
        EXPECT_EQ(ggml_used_mem(ctx), 0u);
        ggml_tensor * a = ggml_new_tensor_1d(ctx, GGML_TYPE_F32, 1);
        ASSERT_NE(a, nullptr);
        EXPECT_STREQ(a->name, "") << "old content shows";
        ggml_set_name(ggml_add(ctx, a, a), "sum");
        ggml_set_name(a, "a");
        ggml_reset(ctx);
    }
    EXPECT_EQ(ggml_get_mem_buffer(ctx), memory);
    ggml_free(ctx);
}

TEST(Context, UsesTheCallersMemoryAndNotAByteOutside) {
    for (size_t shift = 0; shift < GGML_MEM_ALIGN; shift++) {
        alignas(GGML_MEM_ALIGN) static char memory[4096];
        std::memset(memory, 0x5a, sizeof(memory));
        const size_t size = 1500;
        ggml_context * ctx = ggml_init({size, memory + shift, false});
        ASSERT_NE(ctx, nullptr);
        EXPECT_EQ(ggml_get_mem_buffer(ctx), memory + shift);
        EXPECT_EQ(ggml_get_mem_size(ctx), size);
        LogCapture log;
        while (ggml_tensor * t = ggml_new_tensor_1d(ctx, GGML_TYPE_F32, 3)) {
            ASSERT_TRUE(is_aligned(t) && is_aligned(t->data));
            std::memset(t->data, 0, ggml_nbytes(t));
        }
        EXPECT_NE(ggml_get_first_tensor(ctx), nullptr);
        for (size_t i = 0; i < shift; i++) {
            ASSERT_EQ(memory[i], 0x5a);
        }
        for (size_t i = shift + size; i < sizeof(memory); i++) {
            ASSERT_EQ(memory[i], 0x5a);
        }
        ggml_free(ctx);
    }
}

TEST(Context, MemoryTooSmallForAnythingIsNoProblem) {
    char byte = 0;
    for (const size_t size : {0u, 1u}) {
        ggml_context * ctx = ggml_init({size, &byte, true});
        ASSERT_NE(ctx, nullptr);
        LogCapture log;
        EXPECT_EQ(ggml_new_tensor_1d(ctx, GGML_TYPE_F32, 1), nullptr);
        EXPECT_EQ(ggml_new_graph_custom(ctx, 0, false), nullptr);
        EXPECT_EQ(log.errors.size(), 2u);
        ggml_free(ctx);
    }
    ggml_free(ggml_init({0, nullptr, true}));
}

TEST(Context, ImpossibleSizesAreRefused) {
    for (const size_t size : {SIZE_MAX, SIZE_MAX - 15, SIZE_MAX / 2}) {
        LogCapture log;
        EXPECT_EQ(ggml_init({size, nullptr, true}), nullptr);
        EXPECT_EQ(log.errors.size(), 1u);
    }
}

TEST(Context, NullIsAllowedWhereNothingIsReturned) {
    ggml_free(nullptr);
    ggml_reset(nullptr);
    ggml_set_no_alloc(nullptr, true);
    EXPECT_FALSE(ggml_get_no_alloc(nullptr));
    EXPECT_EQ(ggml_used_mem(nullptr), 0u);
    EXPECT_EQ(ggml_get_mem_size(nullptr), 0u);
    EXPECT_EQ(ggml_get_mem_buffer(nullptr), nullptr);
    EXPECT_EQ(ggml_get_max_tensor_size(nullptr), 0u);
    EXPECT_EQ(ggml_get_first_tensor(nullptr), nullptr);
    EXPECT_EQ(ggml_get_next_tensor(nullptr, nullptr), nullptr);
    EXPECT_EQ(ggml_get_tensor(nullptr, "x"), nullptr);
}
