// Bytes between the host and a device: which ones, and when.

#include <algorithm>
#include <cstring>
#include <iterator>

#include "conformance_test.h"
#include "queries.h"

namespace conformance {

class TransferConformance : public ConformanceTest {
  protected:
    // Pageable memory, and pinned memory where there is some
    std::vector<float *> sources(World & world, float value) const {
        std::vector<float *> sources = {world.pageable_vector(value)};
        if (float * pinned = world.pinned_vector(device(), value)) {
            sources.push_back(pinned);
        }
        return sources;
    }
};

INSTANTIATE_TEST_SUITE_P(Backends, TransferConformance, testing::ValuesIn(subjects()), parameter_name);

TEST_P(TransferConformance, SetAsyncWritesTheBytesOfTheCallersMemory) {
    on_each_schedule([this](World & world) {
        const ggml_backend_t backend = world.backend();
        for (float * source : sources(world, 4.0f)) {
            ggml_tensor * x = world.vector_on(backend, 0.0f);
            world.delay(backend);
            ggml_backend_tensor_set_async(backend, x, source, 0, world.bytes());
            ggml_backend_synchronize(backend);
            EXPECT_TRUE(all_are(x, 4.0f));
        }
    });
}

// What lies beside them stays as it is. The description of the range is gone when the call returns.
TEST_P(TransferConformance, SetAsyncWritesRangesWhereOffered) {
    if (!sets_ranges(device())) {
        GTEST_SKIP() << "the registry does not answer ggml_backend_sets_ranges with true";
    }
    on_each_schedule([this](World & world) {
        const size_t n = world.bytes() / sizeof(float);
        const size_t begin = n / 2;
        const ggml_backend_t backend = world.backend();
        for (float * source : sources(world, 4.0f)) {
            ggml_tensor * whole =
                world.place(ggml_new_tensor_1d(world.ctx(), GGML_TYPE_F32, static_cast<int64_t>(2 * n)),
                            ggml_backend_get_default_buffer_type(backend));
            std::vector<float> expected = ramp(static_cast<int64_t>(2 * n));
            ggml_backend_tensor_set(whole, expected.data(), 0, ggml_nbytes(whole));
            const std::vector<float> data = ramp(static_cast<int64_t>(n));
            std::copy(data.begin(), data.end(), source);
            std::copy(data.begin(), data.end(), expected.begin() + static_cast<std::ptrdiff_t>(begin));
            world.delay(backend);
            {
                ggml_tensor range = {};
                range.type = GGML_TYPE_I8;
                range.buffer = whole->buffer;
                range.data = static_cast<char *>(whole->data) + begin * sizeof(float);
                std::fill(std::begin(range.ne), std::end(range.ne), 1);
                std::fill(std::begin(range.nb), std::end(range.nb), world.bytes());
                range.ne[0] = static_cast<int64_t>(world.bytes());
                range.nb[0] = 1;
                ggml_backend_tensor_set_async(backend, &range, source, 0, world.bytes());
                std::memset(static_cast<void *>(&range), 0xff, sizeof(range));
            }
            ggml_backend_synchronize(backend);
            EXPECT_EQ(values_of(whole), expected);
        }
    });
}

TEST_P(TransferConformance, SourceIsFreeAfterSynchronize) {
    on_each_schedule([this](World & world) {
        const ggml_backend_t backend = world.backend();
        for (float * source : sources(world, 4.0f)) {
            ggml_tensor * x = world.vector_on(backend, 0.0f);
            world.delay(backend);
            ggml_backend_tensor_set_async(backend, x, source, 0, world.bytes());
            ggml_backend_synchronize(backend);
            std::memset(source, 0, world.bytes());
            EXPECT_TRUE(all_are(x, 4.0f));
        }
    });
}

TEST_P(TransferConformance, GetAsyncReadsWhatIsThereAtItsTurn) {
    on_each_schedule([this](World & world) {
        const ggml_backend_t backend = world.backend();
        for (float * destination : sources(world, 0.0f)) {
            ggml_tensor * x = world.vector_on(backend, 1.0f);
            world.delay(backend);
            EXPECT_EQ(world.launch_scale(backend, x, 2.0f, x), GGML_STATUS_SUCCESS);
            ggml_backend_tensor_get_async(backend, x, destination, 0, world.bytes());
            EXPECT_EQ(world.launch_scale(backend, x, 2.0f, x), GGML_STATUS_SUCCESS);
            ggml_backend_synchronize(backend);
            EXPECT_TRUE(all_are(destination, world.n(), 2.0f));
            EXPECT_TRUE(all_are(x, 4.0f));
        }
    });
}

TEST_P(TransferConformance, PartsOfATensorAreSetAndGot) {
    on_each_schedule([](World & world) {
        const ggml_backend_t backend = world.backend();
        const std::vector<float> data = ramp(world.n());
        ggml_tensor * x = world.vector_on(backend, -1.0f);
        ggml_backend_tensor_set_async(backend, x, data.data() + 5, 5 * sizeof(float), 7 * sizeof(float));
        float part[4] = {};
        ggml_backend_tensor_get_async(backend, x, part, 10 * sizeof(float), sizeof(part));
        ggml_backend_synchronize(backend);
        const float expected[4] = {10.0f, 11.0f, -1.0f, -1.0f};
        EXPECT_EQ(std::memcmp(part, expected, sizeof(part)), 0);
        EXPECT_EQ(values_of(x)[4], -1.0f);
        EXPECT_EQ(values_of(x)[5], 5.0f);
    });
}

TEST_P(TransferConformance, BlockingTransfersAreDoneWhenTheyReturn) {
    on_each_schedule([](World & world) {
        const ggml_backend_t backend = world.backend();
        ggml_tensor * x = world.vector_on(backend);
        std::vector<float> data = ramp(world.n());
        ggml_backend_tensor_set(x, data.data(), 0, world.bytes());
        const std::vector<float> expected = data;
        data.assign(data.size(), 0.0f); // the source is the caller's again
        EXPECT_EQ(values_of(x), expected);

        ggml_tensor * y = world.vector_on(backend);
        ggml_backend_tensor_copy(x, y);
        ggml_backend_tensor_memset(x, 0, 0, world.bytes());
        EXPECT_EQ(values_of(y), expected);
        EXPECT_TRUE(all_are(x, 0.0f));
    });
}

TEST_P(TransferConformance, BlockingTransfersAreSeenByEveryBackend) {
    on_each_schedule([](World & world) {
        const ggml_backend_t a = world.backend();
        const ggml_backend_t b = world.backend();
        ggml_tensor * x = world.vector_on(a, 1.0f);
        ggml_tensor * by_a = world.vector_on(a);
        ggml_tensor * by_b = world.vector_on(b);
        const std::vector<float> data(static_cast<size_t>(world.n()), 6.0f);
        ggml_backend_tensor_set(x, data.data(), 0, world.bytes());
        EXPECT_EQ(world.launch_scale(a, x, 1.0f, by_a), GGML_STATUS_SUCCESS);
        EXPECT_EQ(world.launch_scale(b, x, 1.0f, by_b), GGML_STATUS_SUCCESS);
        ggml_backend_synchronize(a);
        ggml_backend_synchronize(b);
        EXPECT_TRUE(all_are(by_a, 6.0f));
        EXPECT_TRUE(all_are(by_b, 6.0f));
    });
}

TEST_P(TransferConformance, MemsetFillsOnlyItsBytes) {
    once([](World & world) {
        ggml_tensor * x = world.vector_on(world.backend(), 1.0f);
        ggml_backend_tensor_memset(x, 0, 4 * sizeof(float), 2 * sizeof(float));
        const std::vector<float> values = values_of(x);
        EXPECT_EQ(std::vector<float>(values.begin() + 3, values.begin() + 7),
                  (std::vector<float>{1.0f, 0.0f, 0.0f, 1.0f}));
    });
}

TEST_P(TransferConformance, ClearFillsTheBuffer) {
    once([](World & world) {
        ggml_tensor * x = world.vector_on(world.backend(), 1.0f);
        ggml_backend_buffer_clear(x->buffer, 0);
        EXPECT_TRUE(all_are(x, 0.0f));
    });
}

TEST_P(TransferConformance, TransfersOfNoBytesDoNothing) {
    once([](World & world) {
        const ggml_backend_t backend = world.backend();
        ggml_tensor * x = world.vector_on(backend, 1.0f);
        ggml_backend_tensor_set_async(backend, x, nullptr, 0, 0);
        ggml_backend_tensor_get_async(backend, x, nullptr, world.bytes(), 0);
        ggml_backend_tensor_set(x, nullptr, 0, 0);
        ggml_backend_synchronize(backend);
        EXPECT_TRUE(all_are(x, 1.0f));
    });
}

TEST_P(TransferConformance, TensorsOfEveryTypeKeepTheirBytes) {
    on_each_schedule([](World & world) {
        const ggml_backend_t backend = world.backend();
        for (const ggml_type type : {GGML_TYPE_F16, GGML_TYPE_BF16, GGML_TYPE_Q4_0, GGML_TYPE_Q8_0, GGML_TYPE_I8,
                                     GGML_TYPE_I32, GGML_TYPE_I64}) {
            ggml_tensor * x = world.place(ggml_new_tensor_2d(world.ctx(), type, 64, 3),
                                          ggml_backend_get_default_buffer_type(backend));
            std::vector<uint8_t> data(ggml_nbytes(x));
            for (size_t i = 0; i < data.size(); i++) {
                data[i] = static_cast<uint8_t>(i * 37 + 11);
            }
            std::vector<uint8_t> got(data.size());
            ggml_backend_tensor_set_async(backend, x, data.data(), 0, data.size());
            ggml_backend_tensor_get_async(backend, x, got.data(), 0, got.size());
            ggml_backend_synchronize(backend);
            EXPECT_EQ(got, data) << ggml_type_name(type);
        }
    });
}

} // namespace conformance
