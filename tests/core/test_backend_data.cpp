#include "test_backend_fakes.h"

#include <array>
#include <numeric>

using fakes::Buffer;
using fakes::FakeBackend;
using fakes::FakeMemory;
using fakes::LogCapture;
using Bytes = std::array<uint8_t, 32>;

namespace {

Bytes counting() {
    Bytes bytes;
    std::iota(bytes.begin(), bytes.end(), uint8_t{1});
    return bytes;
}

// A tensor of 32 bytes in its own buffer
struct Placed {
    FakeMemory memory;
    fakes::Context ctx = fakes::make_context();
    ggml_tensor * tensor = ggml_new_tensor_1d(ctx.get(), GGML_TYPE_F32, 8);
    Buffer buffer{ggml_backend_alloc_ctx_tensors_from_buft(ctx.get(), &memory.buft)};

    Bytes bytes() const {
        Bytes result;
        std::memcpy(result.data(), tensor->data, result.size());
        return result;
    }
    void fill(const Bytes & bytes) { std::memcpy(tensor->data, bytes.data(), bytes.size()); }
};

} // namespace

TEST(TensorData, SetAndGetMoveTheBytesAskedFor) {
    Placed p;
    p.fill({});
    const Bytes data = counting();
    ggml_backend_tensor_set(p.tensor, data.data(), 28, 4);
    Bytes expected = {};
    std::copy_n(data.begin(), 4, expected.begin() + 28);
    EXPECT_EQ(p.bytes(), expected);
    uint8_t read[2] = {};
    ggml_backend_tensor_get(p.tensor, read, 30, 2);
    EXPECT_EQ(read[0], 3);
    EXPECT_EQ(read[1], 4);
    ggml_backend_tensor_memset(p.tensor, 9, 0, 3);
    EXPECT_EQ(p.bytes()[2], 9);
    EXPECT_EQ(p.bytes()[3], 0);
}

TEST(TensorData, OutOfBoundsIsLoggedAndChangesNothing) {
    Placed p;
    FakeBackend backend;
    p.fill(counting());
    Bytes data = {};
    const std::pair<size_t, size_t> ranges[] = {{0, 33}, {32, 1}, {33, 1}, {SIZE_MAX, 1}, {1, SIZE_MAX}, {16, 17}};
    for (const auto & [offset, size] : ranges) {
        const LogCapture log;
        ggml_backend_tensor_set(p.tensor, data.data(), offset, size);
        ggml_backend_tensor_get(p.tensor, data.data(), offset, size);
        ggml_backend_tensor_memset(p.tensor, 0, offset, size);
        ggml_backend_tensor_set_async(&backend.backend, p.tensor, data.data(), offset, size);
        ggml_backend_tensor_get_async(&backend.backend, p.tensor, data.data(), offset, size);
        EXPECT_EQ(log.n_errors(), 5) << offset << " " << size;
    }
    EXPECT_EQ(p.bytes(), counting());
    EXPECT_EQ(data, Bytes{});
    EXPECT_TRUE(p.memory.calls.empty());
}

TEST(TensorData, UnallocatedTensorsAndNullsAreLogged) {
    const LogCapture log;
    const fakes::Context ctx = fakes::make_context();
    ggml_tensor * tensor = ggml_new_tensor_1d(ctx.get(), GGML_TYPE_F32, 8);
    Bytes data = {};
    ggml_backend_tensor_set(tensor, data.data(), 0, 4);
    ggml_backend_tensor_get(tensor, data.data(), 0, 4);
    ggml_backend_tensor_memset(tensor, 0, 0, 4);
    ggml_backend_tensor_copy(tensor, ggml_dup_tensor(ctx.get(), tensor));
    ggml_backend_tensor_set(nullptr, data.data(), 0, 4);
    ggml_backend_tensor_get(nullptr, data.data(), 0, 4);
    ggml_backend_tensor_copy(nullptr, tensor);
    ggml_backend_tensor_copy(tensor, nullptr);
    ggml_backend_tensor_set(tensor, nullptr, 0, 4);
    EXPECT_EQ(log.n_errors(), 9);
}

TEST(TensorData, NoBytesAreMovedWithoutComplaint) {
    const LogCapture log;
    Placed p;
    ggml_backend_tensor_set(p.tensor, nullptr, 0, 0);
    ggml_backend_tensor_get(p.tensor, nullptr, 32, 0);
    ggml_backend_tensor_memset(p.tensor, 0, 0, 0);
    ggml_backend_tensor_set_2d(p.tensor, nullptr, 0, 4, 0, 8, 8);
    EXPECT_EQ(log.n_errors(), 0);
    EXPECT_TRUE(p.memory.calls.empty());
}

TEST(TensorData, TwoDimensionalAccessFallsBackToLoops) {
    Placed p;
    p.fill({});
    const Bytes data = counting();
    ggml_backend_tensor_set_2d(p.tensor, data.data(), 2, 2, 4, 8, 4); // ends exactly at 28
    Bytes expected = {};
    for (int i = 0; i < 4; i++) {
        expected[2 + 8 * i] = static_cast<uint8_t>(1 + 4 * i);
        expected[3 + 8 * i] = static_cast<uint8_t>(2 + 4 * i);
    }
    EXPECT_EQ(p.bytes(), expected);
    EXPECT_EQ(p.memory.calls.size(), 4U);
    Bytes back = {};
    ggml_backend_tensor_get_2d(p.tensor, back.data(), 2, 2, 4, 8, 2);
    EXPECT_EQ(back[6], 13);
    EXPECT_EQ(back[7], 14);
    EXPECT_EQ(back[8], 0);
}

TEST(TensorData, TwoDimensionalAccessOutOfBoundsMovesNothingAtAll) {
    Placed p;
    FakeBackend backend;
    p.fill(counting());
    Bytes data = {};
    struct {
        size_t offset, size, n, stride;
    } const cases[] = {
        {1, 8, 4, 8},       {0, 9, 4, 8}, {0, 1, 2, SIZE_MAX}, {0, 1, SIZE_MAX, 8}, {0, 1, 3, SIZE_MAX / 2 + 1},
        {SIZE_MAX, 1, 2, 1}};
    for (const auto & c : cases) {
        const LogCapture log;
        ggml_backend_tensor_set_2d(p.tensor, data.data(), c.offset, c.size, c.n, c.stride, 0);
        ggml_backend_tensor_get_2d(p.tensor, data.data(), c.offset, c.size, c.n, c.stride, 0);
        ggml_backend_tensor_set_2d_async(&backend.backend, p.tensor, data.data(), c.offset, c.size, c.n, c.stride, 0);
        ggml_backend_tensor_get_2d_async(&backend.backend, p.tensor, data.data(), c.offset, c.size, c.n, c.stride, 0);
        EXPECT_EQ(log.n_errors(), 4) << log.text();
    }
    EXPECT_EQ(p.bytes(), counting());
    EXPECT_EQ(data, Bytes{});
}

TEST(TensorCopy, GoesDirectlyWhereOneSideIsHostMemory) {
    Placed device;
    Placed host;
    host.memory.is_host = true;
    device.fill(counting());
    host.fill({});
    ggml_backend_tensor_copy(device.tensor, host.tensor);
    EXPECT_EQ(host.bytes(), counting());
    device.fill({});
    ggml_backend_tensor_copy(host.tensor, device.tensor);
    EXPECT_EQ(device.bytes(), counting());
    EXPECT_EQ(device.memory.calls, (std::vector<std::string>{"get", "set"}));
    EXPECT_TRUE(host.memory.calls.empty());
}

TEST(TensorCopy, BetweenDevicesFallsBackToHostMemory) {
    Placed a;
    Placed b;
    a.fill(counting());
    b.fill({});
    b.memory.copies = true;
    ggml_backend_tensor_copy(a.tensor, b.tensor);
    EXPECT_EQ(b.bytes(), counting());
    EXPECT_TRUE(a.memory.calls.empty());
    EXPECT_EQ(b.memory.calls, (std::vector<std::string>{"cpy"}));

    b.fill({});
    b.memory.copies = false;
    b.memory.calls.clear();
    ggml_backend_tensor_copy(a.tensor, b.tensor);
    EXPECT_EQ(b.bytes(), counting());
    EXPECT_EQ(a.memory.calls, (std::vector<std::string>{"get"}));
    EXPECT_EQ(b.memory.calls, (std::vector<std::string>{"cpy", "set"}));
}

TEST(TensorCopy, OfDifferentLayoutsIsRefused) {
    Placed a;
    FakeMemory memory;
    const fakes::Context ctx = fakes::make_context();
    ggml_tensor * other_type = ggml_new_tensor_1d(ctx.get(), GGML_TYPE_I32, 8);
    ggml_tensor * other_shape = ggml_new_tensor_2d(ctx.get(), GGML_TYPE_F32, 4, 2);
    const Buffer buffer(ggml_backend_alloc_ctx_tensors_from_buft(ctx.get(), &memory.buft));
    const LogCapture log;
    ggml_backend_tensor_copy(a.tensor, other_type);
    ggml_backend_tensor_copy(a.tensor, other_shape);
    EXPECT_EQ(log.n_errors(), 2);
    EXPECT_TRUE(memory.calls.empty());
}

TEST(BackendData, WithoutAsyncOperationsWaitsAndMovesAtOnce) {
    Placed p;
    FakeBackend backend;
    p.fill({});
    const Bytes data = counting();
    Bytes back = {};
    ggml_backend_tensor_set_async(&backend.backend, p.tensor, data.data(), 0, 32);
    EXPECT_EQ(p.bytes(), counting());
    ggml_backend_tensor_get_async(&backend.backend, p.tensor, back.data(), 0, 32);
    EXPECT_EQ(back, counting());
    EXPECT_EQ(backend.calls, (std::vector<std::string>{"sync", "sync"}));
}

TEST(BackendData, WithAsyncOperationsDoesNotWait) {
    Placed p;
    FakeBackend backend;
    backend.enable_async();
    Bytes data = counting();
    ggml_backend_tensor_set_async(&backend.backend, p.tensor, data.data(), 0, 32);
    ggml_backend_tensor_get_async(&backend.backend, p.tensor, data.data(), 0, 32);
    ggml_backend_tensor_set_2d_async(&backend.backend, p.tensor, data.data(), 0, 4, 2, 8, 4);
    EXPECT_EQ(backend.calls, (std::vector<std::string>{"set_async", "get_async", "set_async", "set_async"}));
}

TEST(BackendCopy, AsksTheDestinationAndWaitsForBothOnlyIfItRefuses) {
    Placed a;
    Placed b;
    FakeBackend source;
    FakeBackend destination;
    source.enable_async();
    a.fill(counting());
    b.fill({});
    ggml_backend_tensor_copy_async(&source.backend, &destination.backend, a.tensor, b.tensor);
    EXPECT_EQ(b.bytes(), counting());
    EXPECT_EQ(source.calls, (std::vector<std::string>{"sync"})) << "the source's copy function must not be used";
    EXPECT_EQ(destination.calls, (std::vector<std::string>{"sync"}));

    destination.enable_async();
    destination.calls.clear();
    source.calls.clear();
    b.fill({});
    ggml_backend_tensor_copy_async(&source.backend, &destination.backend, a.tensor, b.tensor);
    EXPECT_EQ(b.bytes(), counting());
    EXPECT_TRUE(source.calls.empty());
    EXPECT_EQ(destination.calls, (std::vector<std::string>{"cpy_async"}));

    destination.accepts_copies = false;
    destination.calls.clear();
    b.fill({});
    ggml_backend_tensor_copy_async(&source.backend, &destination.backend, a.tensor, b.tensor);
    EXPECT_EQ(b.bytes(), counting());
    EXPECT_EQ(source.calls, (std::vector<std::string>{"sync"}));
    EXPECT_EQ(destination.calls, (std::vector<std::string>{"cpy_async", "sync"}));
}
