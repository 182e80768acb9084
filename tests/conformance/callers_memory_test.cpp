// Memory of the caller as a device's: whole pages or not, read-only or not, and ranges that are none.

#include "conformance_test.h"
#include "read_only_file.h"

#include <algorithm>
#include <cstring>

namespace conformance {
namespace {

class CallersMemoryConformance : public ConformanceTest {
  protected:
    void SetUp() override {
        ConformanceTest::SetUp();
        if (!IsSkipped() && !subject().props().caps.buffer_from_host_ptr) {
            GTEST_SKIP() << subject().name << " declares no caps.buffer_from_host_ptr";
        }
    }
    ggml_backend_buffer_t buffer_of(void * memory, size_t size) const {
        return ggml_backend_dev_buffer_from_host_ptr(device(), memory, size, size);
    }
};

INSTANTIATE_TEST_SUITE_P(Backends, CallersMemoryConformance, testing::ValuesIn(subjects()), parameter_name);

// Freed after the buffer that is made of it
class Pages {
  public:
    explicit Pages(size_t size)
        : floats_(size / sizeof(float) + 2 * kPage) {}
    // `offset` bytes behind the begin of a page
    float * at(size_t offset = 0) {
        const size_t misplaced = reinterpret_cast<uintptr_t>(floats_.data()) % kPage;
        return reinterpret_cast<float *>(reinterpret_cast<char *>(floats_.data()) + (kPage - misplaced) + offset);
    }
    static constexpr size_t kPage = 4096;

  private:
    std::vector<float> floats_;
};

ggml_tensor * tensor_at_base(World & world, ggml_backend_buffer_t buffer) {
    ggml_tensor * tensor = ggml_new_tensor_1d(world.ctx(), GGML_TYPE_F32, world.n());
    EXPECT_EQ(ggml_backend_tensor_alloc(buffer, tensor, ggml_backend_buffer_get_base(buffer)), GGML_STATUS_SUCCESS);
    return tensor;
}

TEST_P(CallersMemoryConformance, IsHostMemoryAtItsOwnAddress) {
    once([this](World & world) {
        Pages pages(world.bytes() + Pages::kPage);
        for (const size_t offset : {size_t{0}, size_t{256}, Pages::kPage - 128}) { // never whole pages
            float * memory = pages.at(offset);
            std::fill_n(memory, world.n(), 2.0f);
            const ggml_backend_buffer_t buffer = buffer_of(memory, world.bytes());
            ASSERT_NE(buffer, nullptr) << log();
            EXPECT_EQ(ggml_backend_buffer_get_base(buffer), memory);
            EXPECT_EQ(ggml_backend_buffer_get_size(buffer), world.bytes());
            EXPECT_TRUE(ggml_backend_buffer_is_host(buffer));
            ggml_tensor * x = tensor_at_base(world, buffer);
            EXPECT_TRUE(all_are(x, 2.0f));
            const std::vector<float> threes(static_cast<size_t>(world.n()), 3.0f);
            ggml_backend_tensor_set(x, threes.data(), 0, world.bytes());
            EXPECT_TRUE(all_are(memory, world.n(), 3.0f));
            ggml_backend_buffer_clear(buffer, 0);
            EXPECT_TRUE(all_are(memory, world.n(), 0.0f));
            memory[1] = 4.0f;
            ggml_backend_buffer_free(buffer);
            EXPECT_EQ(memory[1], 4.0f) << "the memory is the caller's still";
        }
    });
}

// A device that does not compute in it copies it first, as it does with pinned memory: nothing is read over the bus.
TEST_P(CallersMemoryConformance, IsComputedInOrIsPinned) {
    on_each_schedule([this](World & world) {
        Pages pages(world.bytes());
        std::fill_n(pages.at(), world.n(), 2.0f);
        const ggml_backend_buffer_t buffer = buffer_of(pages.at(), world.bytes());
        ASSERT_NE(buffer, nullptr) << log();
        const ggml_backend_buffer_type_t type = ggml_backend_buffer_get_type(buffer);
        const ggml_backend_t backend = world.backend();
        EXPECT_EQ(ggml_backend_supports_buft(backend, type), ggml_backend_dev_supports_buft(device(), type));
        if (ggml_backend_supports_buft(backend, type)) {
            ggml_tensor * y = world.vector_on(backend, 0.0f);
            EXPECT_EQ(world.launch_scale(backend, tensor_at_base(world, buffer), 3.0f, y), GGML_STATUS_SUCCESS);
            ggml_backend_synchronize(backend);
            EXPECT_TRUE(all_are(y, 6.0f));
        } else {
            EXPECT_EQ(type, ggml_backend_dev_host_buffer_type(device()));
        }
        ggml_backend_buffer_free(buffer);
    });
}

TEST_P(CallersMemoryConformance, IsWhatQueuesReadAndWrite) {
    on_each_schedule([this](World & world) {
        Pages from(world.bytes());
        Pages to(world.bytes());
        std::fill_n(from.at(), world.n(), 2.0f);
        const ggml_backend_buffer_t source = buffer_of(from.at(), world.bytes());
        const ggml_backend_buffer_t target = buffer_of(to.at(), world.bytes());
        ASSERT_NE(source, nullptr) << log();
        ASSERT_NE(target, nullptr) << log();
        const ggml_backend_t backend = world.backend();
        ggml_tensor * x = world.vector_on(backend, 0.0f);
        ggml_tensor * y = world.vector_on(backend, 0.0f);
        world.delay(backend);
        ggml_backend_tensor_set_async(backend, x, from.at(), 0, world.bytes());
        EXPECT_EQ(world.launch_scale(backend, x, 3.0f, y), GGML_STATUS_SUCCESS);
        ggml_backend_tensor_get_async(backend, y, to.at(), 0, world.bytes());
        ggml_backend_synchronize(backend);
        EXPECT_TRUE(all_are(to.at(), world.n(), 6.0f));
        EXPECT_TRUE(all_are(from.at(), world.n(), 2.0f));
        ggml_backend_buffer_free(source);
        ggml_backend_buffer_free(target);
    });
}

TEST_P(CallersMemoryConformance, CanBeGivenBackAndTakenAgain) {
    once([this](World & world) {
        Pages pages(world.bytes());
        for (int i = 0; i < 20; i++) {
            const ggml_backend_buffer_t buffer = buffer_of(pages.at(), world.bytes());
            ASSERT_NE(buffer, nullptr) << i << ": " << log();
            ggml_backend_buffer_free(buffer);
        }
        // Tensors may be larger than the caller said, and it may say anything.
        for (const size_t max_tensor_size : {size_t{0}, size_t{1}, world.bytes() + 1, SIZE_MAX}) {
            const ggml_backend_buffer_t buffer =
                ggml_backend_dev_buffer_from_host_ptr(device(), pages.at(), world.bytes(), max_tensor_size);
            ASSERT_NE(buffer, nullptr) << max_tensor_size << ": " << log();
            EXPECT_TRUE(all_are(tensor_at_base(world, buffer), 0.0f));
            ggml_backend_buffer_free(buffer);
        }
    });
}

// "MemoryOfTheCaller" in a name: the vendor refuses something, which its checker counts.
TEST_P(CallersMemoryConformance, NullIsRefused) {
    once([this](World & world) {
        Pages pages(world.bytes());
        EXPECT_EQ(buffer_of(nullptr, world.bytes()), nullptr);
        EXPECT_FALSE(log().empty());
        if (const ggml_backend_buffer_t empty = buffer_of(pages.at(), 0)) {
            EXPECT_EQ(ggml_backend_buffer_get_size(empty), 0u);
            ggml_backend_buffer_free(empty);
        }
    });
}

// Taken twice, it is refused, or both are as good as one.
TEST_P(CallersMemoryConformance, OverlappingMemoryIsRefusedOrTaken) {
    once([this](World & world) {
        const size_t size = std::max<size_t>(world.bytes(), 4 * Pages::kPage);
        Pages pages(2 * size);
        std::fill_n(pages.at(), world.n(), 5.0f);
        const ggml_backend_buffer_t first = buffer_of(pages.at(), size);
        ASSERT_NE(first, nullptr) << log();
        for (const size_t offset : {size_t{0}, Pages::kPage, size - 128}) {
            const size_t logged = log().size();
            const ggml_backend_buffer_t second = buffer_of(pages.at(offset), size);
            EXPECT_TRUE(second != nullptr || log().size() > logged) << "refused without a word";
            ggml_backend_buffer_free(second);
            const ggml_backend_t backend = world.backend();
            ggml_tensor * x = world.vector_on(backend, 0.0f);
            ggml_backend_tensor_set_async(backend, x, pages.at(), 0, world.bytes());
            ggml_backend_synchronize(backend);
            EXPECT_TRUE(all_are(x, 5.0f)) << "the first one is there still";
        }
        ggml_backend_buffer_free(first);
        const ggml_backend_buffer_t again = buffer_of(pages.at(Pages::kPage), size);
        EXPECT_NE(again, nullptr) << log();
        ggml_backend_buffer_free(again);
    });
}

// As of a mapped file. A device that cannot pin such pages says so.
TEST_P(CallersMemoryConformance, ReadOnlyMemoryIsReadOrRefused) {
    once([this](World & world) {
        const std::vector<float> sevens(static_cast<size_t>(world.n()), 7.0f);
        const platform::ReadOnlyFile file(sevens.data(), world.bytes());
        void * const mapped = file.memory();
        ASSERT_NE(mapped, nullptr);
        const ggml_backend_buffer_t buffer = buffer_of(mapped, world.bytes());
        EXPECT_TRUE(buffer != nullptr || !log().empty()) << "refused without a word";
        RecordProperty(subject().name, buffer != nullptr ? "pins read-only pages" : "refuses read-only pages");
        const ggml_backend_t backend = world.backend();
        ggml_tensor * x = world.vector_on(backend, 0.0f);
        ggml_backend_tensor_set_async(backend, x, mapped, 0, world.bytes());
        ggml_backend_synchronize(backend);
        EXPECT_TRUE(all_are(x, 7.0f)) << "pinned or not";
        ggml_backend_buffer_free(buffer);
    });
}

} // namespace
} // namespace conformance
