#include "test_backend_fakes.h"

using fakes::Buffer;
using fakes::FakeBackend;
using fakes::FakeMemory;
using fakes::LogCapture;

class AllocCtx : public ::testing::Test {
  protected:
    FakeMemory memory;
    fakes::Context context = fakes::make_context();
    ggml_context * ctx = context.get();
    ggml_tensor * tensor(int64_t n) { return ggml_new_tensor_1d(ctx, GGML_TYPE_F32, n); }
};

TEST_F(AllocCtx, PlacesAllTensorsAlignedAndApartInOneBuffer) {
    ggml_tensor * a = tensor(1);
    ggml_tensor * b = tensor(9);
    ggml_tensor * view = ggml_view_1d(ctx, b, 2, 28);
    ggml_tensor * c = tensor(8);
    EXPECT_EQ(ggml_backend_alloc_ctx_tensors_from_buft_size(ctx, &memory.buft), 32U + 64U + 32U);
    const Buffer buffer(ggml_backend_alloc_ctx_tensors_from_buft(ctx, &memory.buft));
    ASSERT_NE(buffer, nullptr);
    EXPECT_EQ(ggml_backend_buffer_get_size(buffer.get()), 128U);
    char * base = static_cast<char *>(ggml_backend_buffer_get_base(buffer.get()));
    EXPECT_EQ(a->data, base);
    EXPECT_EQ(b->data, base + 32);
    EXPECT_EQ(view->data, base + 32 + 28);
    EXPECT_EQ(view->buffer, buffer.get());
    EXPECT_EQ(c->data, base + 96);
}

TEST_F(AllocCtx, LeavesTensorsThatHaveAPlaceAndThenHasNothingToDo) {
    ggml_tensor * a = tensor(8);
    const Buffer first(ggml_backend_alloc_ctx_tensors_from_buft(ctx, &memory.buft));
    void * place = a->data;
    ggml_tensor * b = tensor(8);
    ggml_tensor * view = ggml_view_1d(ctx, a, 1, 4);
    const Buffer second(ggml_backend_alloc_ctx_tensors_from_buft(ctx, &memory.buft));
    EXPECT_EQ(a->data, place);
    EXPECT_EQ(a->buffer, first.get());
    EXPECT_EQ(b->buffer, second.get());
    EXPECT_EQ(ggml_backend_buffer_get_size(second.get()), 32U);
    EXPECT_EQ(view->buffer, first.get());
    EXPECT_EQ(ggml_backend_alloc_ctx_tensors_from_buft(ctx, &memory.buft), nullptr);
    EXPECT_EQ(memory.n_allocations, 2);
}

TEST_F(AllocCtx, FailsCleanlyWhenMemoryRunsOut) {
    const LogCapture log;
    ggml_tensor * a = tensor(64);
    memory.budget = 255;
    EXPECT_EQ(ggml_backend_alloc_ctx_tensors_from_buft(ctx, &memory.buft), nullptr);
    memory.budget = SIZE_MAX;
    memory.max_size = 255;
    EXPECT_EQ(ggml_backend_alloc_ctx_tensors_from_buft(ctx, &memory.buft), nullptr);
    memory.max_size = SIZE_MAX;
    memory.extra_per_tensor = SIZE_MAX - 256;
    EXPECT_EQ(ggml_backend_alloc_ctx_tensors_from_buft(ctx, &memory.buft), nullptr);
    EXPECT_GE(log.n_errors(), 3);
    EXPECT_EQ(a->data, nullptr);
    EXPECT_EQ(memory.n_allocations, 0);
    memory.extra_per_tensor = 0;
    const Buffer buffer(ggml_backend_alloc_ctx_tensors_from_buft(ctx, &memory.buft));
    EXPECT_NE(buffer, nullptr);
}

TEST_F(AllocCtx, TakesEverythingBackWhenTheBufferRefusesATensor) {
    const LogCapture log;
    ggml_tensor * a = tensor(8);
    ggml_tensor * b = tensor(8);
    ggml_tensor * view = ggml_view_1d(ctx, b, 4, 0);
    for (int n = 0; n < 3; n++) {
        memory.refuse_tensor_at = n;
        EXPECT_EQ(ggml_backend_alloc_ctx_tensors_from_buft(ctx, &memory.buft), nullptr);
        EXPECT_EQ(memory.n_buffers, 0);
        for (const ggml_tensor * t : {a, b, view}) {
            EXPECT_EQ(t->data, nullptr);
            EXPECT_EQ(t->buffer, nullptr);
        }
    }
    memory.refuse_tensor_at = -1;
    const Buffer buffer(ggml_backend_alloc_ctx_tensors_from_buft(ctx, &memory.buft));
    EXPECT_NE(buffer, nullptr);
    EXPECT_NE(view->data, nullptr);
}

TEST_F(AllocCtx, UsesTheBackendsDefaultMemory) {
    FakeBackend backend;
    ggml_tensor * a = tensor(8);
    const Buffer buffer(ggml_backend_alloc_ctx_tensors(ctx, &backend.backend));
    ASSERT_NE(buffer, nullptr);
    EXPECT_EQ(a->buffer->buft, &backend.device.memory.buft);
}

TEST_F(AllocCtx, NullsAreLoggedAndHarmless) {
    const LogCapture log;
    EXPECT_EQ(ggml_backend_alloc_ctx_tensors(ctx, nullptr), nullptr);
    EXPECT_EQ(ggml_backend_alloc_ctx_tensors(nullptr, nullptr), nullptr);
    EXPECT_EQ(ggml_backend_alloc_ctx_tensors_from_buft(ctx, nullptr), nullptr);
    EXPECT_EQ(ggml_backend_alloc_ctx_tensors_from_buft_size(nullptr, &memory.buft), 0U);
    EXPECT_EQ(log.n_errors(), 4);
}

TEST_F(AllocCtx, LinearAllocatorFillsItsBufferExactly) {
    const LogCapture log;
    const Buffer buffer(ggml_backend_buft_alloc_buffer(&memory.buft, 32 + 4));
    ggml_tallocr allocator = ggml_tallocr_new(buffer.get());
    ggml_tensor * a = tensor(8);
    ggml_tensor * large = tensor(2);
    ggml_tensor * last = tensor(1);
    EXPECT_EQ(ggml_tallocr_alloc(&allocator, a), GGML_STATUS_SUCCESS);
    EXPECT_EQ(ggml_tallocr_alloc(&allocator, large), GGML_STATUS_ALLOC_FAILED);
    EXPECT_EQ(large->data, nullptr);
    EXPECT_EQ(ggml_tallocr_alloc(&allocator, last), GGML_STATUS_SUCCESS);
    EXPECT_EQ(ggml_tallocr_alloc(&allocator, large), GGML_STATUS_ALLOC_FAILED) << "beyond the end";
    EXPECT_EQ(log.n_errors(), 2);
}

TEST_F(AllocCtx, ALinearAllocatorBeginsAtTheFirstAlignedAddress) {
    alignas(64) char bytes[256];
    const Buffer buffer(ggml_backend_cpu_buffer_from_ptr(bytes + 3, 200));
    ggml_tallocr allocator = ggml_tallocr_new(buffer.get());
    ggml_tensor * a = tensor(8);
    ASSERT_EQ(ggml_tallocr_alloc(&allocator, a), GGML_STATUS_SUCCESS);
    EXPECT_EQ(a->data, bytes + 64);
}

TEST_F(AllocCtx, ALinearAllocatorRefusesNulls) {
    const LogCapture log;
    ggml_tallocr allocator = ggml_tallocr_new(nullptr);
    EXPECT_EQ(ggml_tallocr_alloc(&allocator, tensor(1)), GGML_STATUS_FAILED);
    EXPECT_EQ(ggml_tallocr_alloc(nullptr, tensor(1)), GGML_STATUS_FAILED);
    EXPECT_EQ(log.n_errors(), 3);
}
