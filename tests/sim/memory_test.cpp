#include "sim_fixture.h"

#include <cstdlib>
#include <cstring>

using SimMemory = SimTest;
using SimMemoryDeathTest = SimTest;

TEST_F(SimMemoryDeathTest, FollowingADeviceAddressOnTheHostFaults) {
    ggml_tensor * tensor = vector_on(backend(0), 1.0f);
    volatile char * bytes = static_cast<volatile char *>(tensor->data);
    EXPECT_DEATH((void) bytes[0], "");
    EXPECT_DEATH((void) bytes[ggml_nbytes(tensor) - 1], "");
    EXPECT_DEATH(bytes[0] = 1, "");
}

TEST_F(SimMemory, FreshMemoryIsNotANumberInAnyFloatType) {
    ggml_backend_t device = backend(0);
    for (uint64_t seed = 0; seed < 50; seed++) {
        ggml_backend_sim_set_seed(seed);
        ggml_tensor * tensor = vector_on(device);
        EXPECT_TRUE(is_garbage(tensor)) << "seed " << seed;
        std::vector<uint16_t> halves(2 * n);
        ggml_backend_tensor_get(tensor, halves.data(), 0, ggml_nbytes(tensor));
        for (uint16_t half : halves) {
            EXPECT_NE(ggml_fp16_to_fp32(half), ggml_fp16_to_fp32(half)) << "seed " << seed;
            EXPECT_NE(ggml_bf16_to_fp32({half}), ggml_bf16_to_fp32({half})) << "seed " << seed;
        }
    }
}

TEST_F(SimMemory, GarbageFollowsFromTheSeed) {
    ggml_backend_t device = backend(0);
    auto garbage_of = [&](uint64_t seed) {
        ggml_backend_sim_set_seed(seed);
        uint32_t word = 0;
        ggml_backend_tensor_get(vector_on(device), &word, 0, sizeof(word));
        return word;
    };
    EXPECT_EQ(garbage_of(1), garbage_of(1));
    bool differs = false;
    for (uint64_t seed = 2; seed < 10; seed++) {
        differs = differs || garbage_of(seed) != garbage_of(1);
    }
    EXPECT_TRUE(differs);
}

TEST_F(SimMemory, BlockingAccessMovesTheBytes) {
    ggml_backend_t device = backend(0);
    ggml_tensor * a = vector_on(device, 3.0f);
    ggml_tensor * b = vector_on(device, 0.0f);
    EXPECT_EQ(values(a), std::vector<float>(n, 3.0f));
    ggml_backend_tensor_copy(a, b);
    EXPECT_EQ(values(b), std::vector<float>(n, 3.0f));
    ggml_backend_tensor_memset(b, 0, sizeof(float), sizeof(float));
    EXPECT_EQ(values(b)[0], 3.0f);
    EXPECT_EQ(values(b)[1], 0.0f);
    ggml_backend_buffer_clear(b->buffer, 0);
    EXPECT_EQ(values(b), std::vector<float>(n, 0.0f));
}

TEST_F(SimMemory, StridedAccessTouchesItsPiecesOnly) {
    ggml_backend_t device = backend(0);
    ggml_tensor * tensor = vector_on(device, 0.0f);
    const float rows[] = {1, 2, -1, 3, 4, -1};
    const size_t size = 2 * sizeof(float);
    ggml_backend_tensor_set_2d(tensor, rows, sizeof(float), size, 2, 4 * sizeof(float), 3 * sizeof(float));
    const std::vector<float> expected = {0, 1, 2, 0, 0, 3, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0};
    EXPECT_EQ(values(tensor), expected);
    float read[4] = {};
    ggml_backend_tensor_get_2d(tensor, read, sizeof(float), size, 2, 4 * sizeof(float), size);
    EXPECT_EQ(std::vector<float>(read, read + 4), (std::vector<float>{1, 2, 3, 4}));

    fill(tensor, 0.0f);
    ggml_backend_tensor_set_2d_async(device, tensor, rows, sizeof(float), size, 2, 4 * sizeof(float),
                                     3 * sizeof(float));
    float read_async[4] = {};
    ggml_backend_tensor_get_2d_async(device, tensor, read_async, sizeof(float), size, 2, 4 * sizeof(float), size);
    ggml_backend_synchronize(device);
    EXPECT_EQ(values(tensor), expected);
    EXPECT_EQ(std::memcmp(read_async, read, sizeof(read)), 0);
}

TEST_F(SimMemory, AllocationsBeyondTheDeviceMemoryFail) {
    ggml_backend_t device = backend(0); // 1 MiB
    ggml_backend_buffer_type_t buft = ggml_backend_get_default_buffer_type(device);
    size_t available = 0;
    size_t total = 0;
    ggml_backend_dev_memory(ggml_backend_get_device(device), &available, &total);
    EXPECT_EQ(total, (size_t) 1 << 20);
    EXPECT_EQ(available, total);
    EXPECT_EQ(ggml_backend_buft_alloc_buffer(buft, total + 1), nullptr);
    EXPECT_TRUE(was_logged("too few for a buffer"));
    EXPECT_EQ(ggml_backend_buft_alloc_buffer(buft, SIZE_MAX), nullptr);

    ggml_backend_buffer_t half = ggml_backend_buft_alloc_buffer(buft, total / 2 + 1);
    ASSERT_NE(half, nullptr);
    EXPECT_EQ(ggml_backend_buft_alloc_buffer(buft, total / 2), nullptr);
    ggml_backend_dev_memory(ggml_backend_get_device(device), &available, &total);
    EXPECT_EQ(available, total / 2 - 1);
    ggml_backend_buffer_free(half);
    ggml_backend_buffer_t all = ggml_backend_buft_alloc_buffer(buft, total);
    EXPECT_NE(all, nullptr);
    ggml_backend_buffer_free(all);
}

TEST_F(SimMemory, PinnedMemoryIsHostMemoryAndCostsTheDeviceNothing) {
    ggml_backend_t device = backend(0);
    ggml_tensor * pinned = pinned_vector(0, 5.0f);
    EXPECT_STREQ(ggml_backend_buffer_name(pinned->buffer), "SIM_Host");
    EXPECT_TRUE(ggml_backend_buffer_is_host(pinned->buffer));
    EXPECT_EQ(static_cast<const float *>(pinned->data)[n - 1], 5.0f);
    size_t available = 0;
    size_t total = 0;
    ggml_backend_dev_memory(ggml_backend_get_device(device), &available, &total);
    EXPECT_EQ(available, total);
    EXPECT_EQ(counters().blocking_set_get_calls, 0u);
}
