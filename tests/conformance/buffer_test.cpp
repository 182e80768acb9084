// Memory: what a buffer type promises of its buffers, and which memory a backend can use.

#include <cstdlib>
#include <cstring>

#include "conformance_test.h"

namespace conformance {

class BufferConformance : public ConformanceTest {
  protected:
    ggml_backend_buffer_type_t buft() const { return ggml_backend_dev_buffer_type(device()); }

    // The subject's own kinds of memory
    std::vector<ggml_backend_buffer_type_t> own_bufts() const {
        std::vector<ggml_backend_buffer_type_t> bufts = {buft()};
        if (ggml_backend_dev_host_buffer_type(device()) != nullptr) {
            bufts.push_back(ggml_backend_dev_host_buffer_type(device()));
        }
        return bufts;
    }
};

INSTANTIATE_TEST_SUITE_P(Backends, BufferConformance, testing::ValuesIn(subjects()), parameter_name);

TEST_P(BufferConformance, BuffersBeginAligned) {
    for (const ggml_backend_buffer_type_t buft : own_bufts()) {
        SCOPED_TRACE(ggml_backend_buft_name(buft));
        const size_t alignment = ggml_backend_buft_get_alignment(buft);
        ASSERT_GT(alignment, 0u);
        EXPECT_EQ(alignment & (alignment - 1), 0u) << "not a power of two";
        for (const size_t size : {size_t{1}, alignment - 1, alignment + 1, size_t{100000}}) {
            const ggml_backend_buffer_t buffer = ggml_backend_buft_alloc_buffer(buft, size);
            ASSERT_NE(buffer, nullptr);
            EXPECT_EQ(reinterpret_cast<uintptr_t>(ggml_backend_buffer_get_base(buffer)) % alignment, 0u);
            EXPECT_GE(ggml_backend_buffer_get_size(buffer), size);
            EXPECT_EQ(ggml_backend_buffer_get_type(buffer), buft);
            ggml_backend_buffer_free(buffer);
        }
    }
}

TEST_P(BufferConformance, EveryByteOfABufferCanBeUsed) {
    for (const ggml_backend_buffer_type_t buft : own_bufts()) {
        SCOPED_TRACE(ggml_backend_buft_name(buft));
        once([buft](World & world) {
            ggml_tensor * x = world.place(ggml_new_tensor_1d(world.ctx(), GGML_TYPE_I8, 1031), buft);
            std::vector<uint8_t> data(1031);
            for (size_t i = 0; i < data.size(); i++) {
                data[i] = static_cast<uint8_t>(i);
            }
            std::vector<uint8_t> got(data.size());
            ggml_backend_tensor_set(x, data.data(), 0, data.size());
            ggml_backend_tensor_get(x, got.data(), 0, got.size());
            EXPECT_EQ(got, data);
        });
    }
}

TEST_P(BufferConformance, BuffersDoNotOverlap) {
    for (const ggml_backend_buffer_type_t buft : own_bufts()) {
        SCOPED_TRACE(ggml_backend_buft_name(buft));
        once([buft](World & world) {
            std::vector<ggml_tensor *> vectors;
            for (int i = 0; i < 10; i++) {
                vectors.push_back(world.vector_in(buft, static_cast<float>(i)));
            }
            for (int i = 0; i < 10; i++) {
                EXPECT_TRUE(all_are(vectors[static_cast<size_t>(i)], static_cast<float>(i)));
            }
        });
    }
}

TEST_P(BufferConformance, ABufferOfNoBytesIsValid) {
    for (const ggml_backend_buffer_type_t buft : own_bufts()) {
        const ggml_backend_buffer_t buffer = ggml_backend_buft_alloc_buffer(buft, 0);
        ASSERT_NE(buffer, nullptr);
        EXPECT_EQ(ggml_backend_buffer_get_size(buffer), 0u);
        ggml_backend_buffer_clear(buffer, 1);
        ggml_backend_buffer_free(buffer);
    }
}

TEST_P(BufferConformance, ATensorFitsIntoWhatItsTypeSaysThatItNeeds) {
    once([this](World & world) {
        for (const ggml_type type : {GGML_TYPE_F32, GGML_TYPE_F16, GGML_TYPE_Q4_0, GGML_TYPE_Q8_0, GGML_TYPE_I32}) {
            ggml_tensor * tensor = ggml_new_tensor_2d(world.ctx(), type, 32, 3);
            EXPECT_GE(ggml_backend_buft_get_alloc_size(buft(), tensor), ggml_nbytes(tensor)) << ggml_type_name(type);
            world.place(tensor, buft());
        }
    });
}

TEST_P(BufferConformance, MoreMemoryThanThereIsGivesNull) {
    const ggml_backend_dev_props props = subject().props();
    EXPECT_EQ(ggml_backend_buft_alloc_buffer(buft(), SIZE_MAX), nullptr);
    if (ggml_backend_buft_is_host(buft()) || subject().overcommits) {
        return; // the host's memory is the operating system's business
    }
    const size_t max_size = ggml_backend_buft_get_max_size(buft());
    if (props.memory_total < max_size) {
        EXPECT_EQ(ggml_backend_buft_alloc_buffer(buft(), props.memory_total + 1), nullptr);
    }
    once([](World & world) { // and the device is as good as before
        ggml_tensor * x = world.vector_in(ggml_backend_dev_buffer_type(world.subject().devices[0]), 2.0f);
        EXPECT_TRUE(all_are(x, 2.0f));
    });
}

TEST_P(BufferConformance, MemoryReturnsWhenBuffersAreFreed) {
    if (ggml_backend_buft_is_host(buft()) || subject().overcommits) {
        GTEST_SKIP() << "the memory of " << subject().name << " is the host's, which a test does not use up";
    }
    const size_t total = subject().props().memory_total;
    const size_t piece = std::min(total / 4, ggml_backend_buft_get_max_size(buft()));
    std::vector<ggml_backend_buffer_t> buffers;
    for (size_t i = 0; i <= total / piece; i++) {
        const ggml_backend_buffer_t buffer = ggml_backend_buft_alloc_buffer(buft(), piece);
        if (buffer == nullptr) {
            break;
        }
        buffers.push_back(buffer);
    }
    EXPECT_LE(buffers.size(), total / piece);
    for (const ggml_backend_buffer_t buffer : buffers) {
        ggml_backend_buffer_free(buffer);
    }
    const ggml_backend_buffer_t again = ggml_backend_buft_alloc_buffer(buft(), piece);
    EXPECT_NE(again, nullptr);
    ggml_backend_buffer_free(again);
}

TEST_P(BufferConformance, PinnedMemoryIsHostMemory) {
    const ggml_backend_buffer_type_t pinned = ggml_backend_dev_host_buffer_type(device());
    if (pinned == nullptr) {
        GTEST_SKIP() << subject().name << " has no pinned memory";
    }
    EXPECT_TRUE(ggml_backend_buft_is_host(pinned));
    once([pinned](World & world) {
        ggml_tensor * x = world.vector_in(pinned, 3.0f);
        EXPECT_TRUE(all_are(static_cast<const float *>(x->data), world.n(), 3.0f));
        static_cast<float *>(x->data)[1] = 4.0f;
        EXPECT_EQ(values_of(x)[1], 4.0f);
    });
}

TEST_P(BufferConformance, TheDefaultMemoryIsSupported) {
    EXPECT_TRUE(ggml_backend_dev_supports_buft(device(), buft()));
    once([this](World & world) {
        EXPECT_EQ(ggml_backend_get_default_buffer_type(world.backend()), buft());
        EXPECT_TRUE(ggml_backend_supports_buft(world.backend(), buft()));
    });
}

// Whatever memory a backend claims to support, of any device: it computes with operands there, and writes results
// there.
TEST_P(BufferConformance, SupportedMemoryIsUsedInPlace) {
    for (const Subject & owner : subjects()) {
        for (const ggml_backend_dev_t owning_device : owner.devices) {
            for (const ggml_backend_buffer_type_t buft :
                 {ggml_backend_dev_buffer_type(owning_device), ggml_backend_dev_host_buffer_type(owning_device)}) {
                if (buft == nullptr || !ggml_backend_dev_supports_buft(device(), buft)) {
                    continue;
                }
                SCOPED_TRACE(std::string("memory of type ") + ggml_backend_buft_name(buft));
                on_each_schedule([buft](World & world) {
                    const ggml_backend_t backend = world.backend();
                    ggml_tensor * x = world.vector_in(buft, 2.0f);
                    ggml_tensor * y = world.vector_in(buft, 0.0f);
                    float * fetched = world.host_vector(0.0f);
                    world.delay(backend);
                    EXPECT_EQ(world.launch_scale(backend, x, 3.0f, y), GGML_STATUS_SUCCESS);
                    ggml_backend_tensor_get_async(backend, y, fetched, 0, world.bytes());
                    ggml_backend_synchronize(backend);
                    EXPECT_TRUE(all_are(y, 6.0f));
                    EXPECT_TRUE(all_are(fetched, world.n(), 6.0f));
                });
            }
        }
    }
}

} // namespace conformance
