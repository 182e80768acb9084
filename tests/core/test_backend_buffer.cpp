#include "test_backend_fakes.h"

using fakes::Buffer;
using fakes::FakeMemory;
using fakes::LogCapture;

TEST(Buffer, KnowsItsTypeSizeAndUsage) {
    FakeMemory memory;
    const Buffer buffer(ggml_backend_buft_alloc_buffer(&memory.buft, 100));
    ASSERT_NE(buffer, nullptr);
    EXPECT_EQ(ggml_backend_buffer_get_type(buffer.get()), &memory.buft);
    EXPECT_EQ(ggml_backend_buffer_get_size(buffer.get()), 100U);
    EXPECT_EQ(ggml_backend_buffer_get_alignment(buffer.get()), memory.alignment);
    EXPECT_STREQ(ggml_backend_buffer_name(buffer.get()), "FAKE");
    EXPECT_EQ(ggml_backend_buffer_get_usage(buffer.get()), GGML_BACKEND_BUFFER_USAGE_ANY);
    ggml_backend_buffer_set_usage(buffer.get(), GGML_BACKEND_BUFFER_USAGE_WEIGHTS);
    EXPECT_EQ(ggml_backend_buffer_get_usage(buffer.get()), GGML_BACKEND_BUFFER_USAGE_WEIGHTS);
    EXPECT_FALSE(ggml_backend_buffer_is_host(buffer.get()));
    ggml_backend_buffer_clear(buffer.get(), 7);
    EXPECT_EQ(static_cast<char *>(ggml_backend_buffer_get_base(buffer.get()))[99], 7);
    ggml_backend_buffer_reset(buffer.get());
    EXPECT_EQ(memory.n_resets, 1);
}

TEST(Buffer, OfNoBytesIsValidAndAsksTheBackendForNothing) {
    FakeMemory memory;
    const Buffer buffer(ggml_backend_buft_alloc_buffer(&memory.buft, 0));
    ASSERT_NE(buffer, nullptr);
    EXPECT_EQ(memory.n_allocations, 0);
    EXPECT_EQ(ggml_backend_buffer_get_size(buffer.get()), 0U);
    EXPECT_EQ(ggml_backend_buffer_get_base(buffer.get()), nullptr);
    ggml_backend_buffer_clear(buffer.get(), 1);
    ggml_backend_buffer_reset(buffer.get());
}

TEST(Buffer, LargerThanTheGreatestSizeIsRefused) {
    const LogCapture log;
    FakeMemory memory;
    memory.max_size = 1000;
    EXPECT_EQ(ggml_backend_buft_alloc_buffer(&memory.buft, 1001), nullptr);
    EXPECT_EQ(memory.n_allocations, 0);
    EXPECT_EQ(log.n_errors(), 1);
    const Buffer buffer(ggml_backend_buft_alloc_buffer(&memory.buft, 1000));
    EXPECT_NE(buffer, nullptr);
}

TEST(Buffer, OfSizeMaxIsRefusedByCpuAndFakeMemory) {
    const LogCapture log;
    FakeMemory memory;
    EXPECT_EQ(ggml_backend_buft_alloc_buffer(&memory.buft, SIZE_MAX), nullptr);
    EXPECT_EQ(ggml_backend_buft_alloc_buffer(ggml_backend_cpu_buffer_type(), SIZE_MAX), nullptr);
    EXPECT_EQ(ggml_backend_buft_alloc_buffer(ggml_backend_cpu_buffer_type(), SIZE_MAX / 2 + 1), nullptr);
    EXPECT_EQ(memory.n_allocations, 0);
    EXPECT_EQ(log.n_errors(), 3);
}

TEST(Buffer, NullArgumentsAreLoggedAndHarmless) {
    const LogCapture log;
    EXPECT_NE(ggml_backend_buft_name(nullptr), nullptr);
    EXPECT_EQ(ggml_backend_buft_alloc_buffer(nullptr, 1), nullptr);
    EXPECT_EQ(ggml_backend_buft_get_alignment(nullptr), 1U);
    EXPECT_EQ(ggml_backend_buft_get_max_size(nullptr), 0U);
    EXPECT_EQ(ggml_backend_buft_get_alloc_size(nullptr, nullptr), 0U);
    EXPECT_FALSE(ggml_backend_buft_is_host(nullptr));
    EXPECT_EQ(ggml_backend_buft_get_device(nullptr), nullptr);
    EXPECT_NE(ggml_backend_buffer_name(nullptr), nullptr);
    EXPECT_EQ(ggml_backend_buffer_get_base(nullptr), nullptr);
    EXPECT_EQ(ggml_backend_buffer_get_size(nullptr), 0U);
    EXPECT_EQ(ggml_backend_buffer_init_tensor(nullptr, nullptr), GGML_STATUS_FAILED);
    EXPECT_EQ(ggml_backend_buffer_get_alignment(nullptr), 1U);
    EXPECT_EQ(ggml_backend_buffer_get_max_size(nullptr), 0U);
    EXPECT_EQ(ggml_backend_buffer_get_alloc_size(nullptr, nullptr), 0U);
    ggml_backend_buffer_clear(nullptr, 0);
    EXPECT_FALSE(ggml_backend_buffer_is_host(nullptr));
    ggml_backend_buffer_set_usage(nullptr, GGML_BACKEND_BUFFER_USAGE_ANY);
    EXPECT_EQ(ggml_backend_buffer_get_usage(nullptr), GGML_BACKEND_BUFFER_USAGE_ANY);
    EXPECT_EQ(ggml_backend_buffer_get_type(nullptr), nullptr);
    ggml_backend_buffer_reset(nullptr);
    EXPECT_EQ(ggml_backend_tensor_alloc(nullptr, nullptr, nullptr), GGML_STATUS_FAILED);
    EXPECT_EQ(ggml_backend_view_init(nullptr), GGML_STATUS_FAILED);
    EXPECT_EQ(log.n_errors(), 22);
    ggml_backend_buffer_free(nullptr);
    EXPECT_EQ(log.n_errors(), 22);
}

TEST(CpuBuffer, IsAlignedHostMemoryOfNoDevice) {
    ggml_backend_buffer_type_t cpu = ggml_backend_cpu_buffer_type();
    EXPECT_STREQ(ggml_backend_buft_name(cpu), "CPU");
    EXPECT_TRUE(ggml_backend_buft_is_host(cpu));
    EXPECT_EQ(ggml_backend_buft_get_device(cpu), nullptr);
    EXPECT_EQ(ggml_backend_buft_get_alignment(cpu), 64U);
    for (const size_t size : {1, 63, 64, 1000}) {
        const Buffer buffer(ggml_backend_buft_alloc_buffer(cpu, size));
        ASSERT_NE(buffer, nullptr);
        EXPECT_EQ(reinterpret_cast<uintptr_t>(ggml_backend_buffer_get_base(buffer.get())) % 64, 0U);
    }
}

TEST(CpuBuffer, FromPointerUsesThatMemoryAndLeavesItToTheCaller) {
    alignas(64) float values[16] = {};
    {
        const Buffer buffer(ggml_backend_cpu_buffer_from_ptr(values, sizeof(values)));
        ASSERT_NE(buffer, nullptr);
        EXPECT_EQ(ggml_backend_buffer_get_base(buffer.get()), values);
        ggml_backend_buffer_clear(buffer.get(), 0xFF);
    }
    unsigned char last = 0;
    std::memcpy(&last, reinterpret_cast<char *>(values) + sizeof(values) - 1, 1);
    EXPECT_EQ(last, 0xFF);
    const LogCapture log;
    EXPECT_EQ(ggml_backend_cpu_buffer_from_ptr(nullptr, 4), nullptr);
    EXPECT_EQ(log.n_errors(), 1);
}

class TensorPlace : public ::testing::Test {
  protected:
    FakeMemory memory;
    fakes::Context ctx = fakes::make_context();
    Buffer buffer{ggml_backend_buft_alloc_buffer(&memory.buft, 64)};
    char * base = static_cast<char *>(ggml_backend_buffer_get_base(buffer.get()));
    ggml_tensor * tensor = ggml_new_tensor_1d(ctx.get(), GGML_TYPE_F32, 8); // 32 bytes
};

TEST_F(TensorPlace, MayEndWhereTheBufferEnds) {
    EXPECT_EQ(ggml_backend_tensor_alloc(buffer.get(), tensor, base + 32), GGML_STATUS_SUCCESS);
    EXPECT_EQ(tensor->data, base + 32);
    EXPECT_EQ(tensor->buffer, buffer.get());
}

TEST_F(TensorPlace, OutsideOfTheBufferIsRefused) {
    const LogCapture log;
    EXPECT_EQ(ggml_backend_tensor_alloc(buffer.get(), tensor, base + 33), GGML_STATUS_FAILED);
    EXPECT_EQ(ggml_backend_tensor_alloc(buffer.get(), tensor, base - 1), GGML_STATUS_FAILED);
    EXPECT_EQ(ggml_backend_tensor_alloc(buffer.get(), tensor, base + 64), GGML_STATUS_FAILED);
    EXPECT_EQ(tensor->data, nullptr);
    EXPECT_EQ(tensor->buffer, nullptr);
    EXPECT_EQ(log.n_errors(), 3);
}

TEST_F(TensorPlace, IsGivenOnce) {
    const LogCapture log;
    ASSERT_EQ(ggml_backend_tensor_alloc(buffer.get(), tensor, base), GGML_STATUS_SUCCESS);
    EXPECT_EQ(ggml_backend_tensor_alloc(buffer.get(), tensor, base + 32), GGML_STATUS_FAILED);
    EXPECT_EQ(tensor->data, base);
}

TEST_F(TensorPlace, IsTakenBackWhenTheBufferRefusesTheTensor) {
    memory.refuse_tensor_at = 0;
    EXPECT_EQ(ggml_backend_tensor_alloc(buffer.get(), tensor, base), GGML_STATUS_FAILED);
    EXPECT_EQ(tensor->data, nullptr);
    EXPECT_EQ(tensor->buffer, nullptr);
}

TEST_F(TensorPlace, OfAViewIsThatOfItsSourcePlusTheOffset) {
    const LogCapture log;
    ggml_tensor * view = ggml_view_1d(ctx.get(), tensor, 4, 16);
    EXPECT_EQ(ggml_backend_view_init(view), GGML_STATUS_FAILED) << "the source has no place yet";
    EXPECT_EQ(ggml_backend_view_init(tensor), GGML_STATUS_FAILED) << "no view";
    ASSERT_EQ(ggml_backend_tensor_alloc(buffer.get(), tensor, base), GGML_STATUS_SUCCESS);
    EXPECT_EQ(ggml_backend_tensor_alloc(buffer.get(), view, base), GGML_STATUS_FAILED) << "a view";
    EXPECT_EQ(ggml_backend_view_init(view), GGML_STATUS_SUCCESS);
    EXPECT_EQ(view->data, base + 16);
    EXPECT_EQ(view->buffer, buffer.get());
    EXPECT_EQ(ggml_backend_view_init(view), GGML_STATUS_FAILED) << "twice";
}
