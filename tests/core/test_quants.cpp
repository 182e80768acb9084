#include "core_test.h"
#include "types/quants.h"

#include <cmath>
#include <limits>
#include <random>

using ggml_sched::core::BlockQ4_0;
using ggml_sched::core::BlockQ8_0;

namespace {

constexpr uint32_t seed = 20240711;

std::vector<float> random_values(size_t n, float scale) {
    std::mt19937 random(seed);
    std::normal_distribution<float> normal(0.0f, scale);
    std::vector<float> x(n);
    for (float & value : x) {
        value = normal(random);
    }
    return x;
}

std::vector<float> round_trip(ggml_type type, const std::vector<float> & x) {
    const auto n = static_cast<int64_t>(x.size());
    std::vector<uint8_t> packed(ggml_row_size(type, n));
    std::vector<float> back(x.size());
    const ggml_type_traits * traits = ggml_get_type_traits(type);
    traits->from_float_ref(x.data(), packed.data(), n);
    traits->to_float(packed.data(), back.data(), n);
    return back;
}

float greatest_magnitude(const float * x) {
    float greatest = 0.0f;
    for (int i = 0; i < 32; i++) {
        greatest = std::fmax(greatest, std::fabs(x[i]));
    }
    return greatest;
}

} // namespace

TEST(Quants, Q8_0ErrsByHalfAStepAtMost) {
    SCOPED_TRACE(seed);
    const auto x = random_values(32 * 500, 3.0f);
    const auto back = round_trip(GGML_TYPE_Q8_0, x);
    for (size_t i = 0; i < x.size(); i++) {
        const float greatest = greatest_magnitude(&x[i / 32 * 32]);
        // Half a step, and the rounding of the scale to binary16 (2^-11) at up to 127 steps.
        ASSERT_NEAR(back[i], x[i], greatest * (0.5f / 127 + 0x1p-11f) * 1.001f) << i;
    }
}

TEST(Quants, Q4_0ErrsByHalfAStepAtMostAndByAStepAtTheFarEnd) {
    SCOPED_TRACE(seed);
    const auto x = random_values(32 * 500, 3.0f);
    const auto back = round_trip(GGML_TYPE_Q4_0, x);
    for (size_t i = 0; i < x.size(); i++) {
        const float greatest = greatest_magnitude(&x[i / 32 * 32]);
        const float step = greatest / 8;
        // The end opposite to the extreme value reaches 7 steps only.
        const float bound = std::fabs(x[i]) > 7.5f * step ? step : step / 2;
        ASSERT_NEAR(back[i], x[i], bound + greatest * 0x1p-11f * 1.001f) << i;
    }
}

TEST(Quants, Q8_0BlocksAreAScaleAndSignedBytesInOrder) {
    float x[32];
    for (int i = 0; i < 32; i++) {
        x[i] = static_cast<float>(i * 8 - 127); // -127 ... 121
    }
    BlockQ8_0 block;
    ggml_get_type_traits(GGML_TYPE_Q8_0)->from_float_ref(x, &block, 32);
    EXPECT_EQ(block.d, ggml_fp32_to_fp16(1.0f));
    for (int i = 0; i < 32; i++) {
        EXPECT_EQ(block.qs[i], i * 8 - 127);
    }
}

TEST(Quants, Q8_0RoundsHalvesAwayFromZero) {
    float x[32] = {127.0f, 0.5f, -0.5f, 1.5f, -1.5f, 0.49f};
    BlockQ8_0 block;
    ggml_get_type_traits(GGML_TYPE_Q8_0)->from_float_ref(x, &block, 32);
    const int expected[] = {127, 1, -1, 2, -2, 0};
    for (int i = 0; i < 6; i++) {
        EXPECT_EQ(block.qs[i], expected[i]);
    }
}

TEST(Quants, Q4_0BlocksHoldTheFirstHalfInTheLowNibbles) {
    float x[32];
    for (int i = 0; i < 16; i++) {
        x[i] = static_cast<float>(i - 8);      // q = i
        x[i + 16] = static_cast<float>(7 - i); // q = 15 - i
    }
    BlockQ4_0 block;
    ggml_get_type_traits(GGML_TYPE_Q4_0)->from_float_ref(x, &block, 32);
    EXPECT_EQ(block.d, ggml_fp32_to_fp16(1.0f));
    for (int i = 0; i < 16; i++) {
        EXPECT_EQ(block.qs[i] & 15, i);
        EXPECT_EQ(block.qs[i] >> 4, 15 - i);
    }
}

TEST(Quants, Q4_0GivesTheExtremeValueTheLongEndOfTheRange) {
    float x[32] = {8.0f, -7.0f};
    BlockQ4_0 block;
    ggml_get_type_traits(GGML_TYPE_Q4_0)->from_float_ref(x, &block, 32);
    EXPECT_EQ(block.d, ggml_fp32_to_fp16(-1.0f));
    EXPECT_EQ(block.qs[0] & 15, 0);
    EXPECT_EQ(block.qs[1] & 15, 15);
}

TEST(Quants, ABlockOfZerosStaysZero) {
    const std::vector<float> zeros(64, 0.0f);
    for (const ggml_type type : {GGML_TYPE_Q4_0, GGML_TYPE_Q8_0}) {
        for (const float value : round_trip(type, zeros)) {
            EXPECT_EQ(value, 0.0f);
        }
    }
}

TEST(Quants, NonFiniteAndTinyValuesAreDefined) {
    const float inf = std::numeric_limits<float>::infinity();
    const float nan = std::numeric_limits<float>::quiet_NaN();
    const float tiny = std::numeric_limits<float>::denorm_min();
    for (const float extreme : {inf, -inf, nan, tiny, 3e38f}) {
        std::vector<float> x(64, 1.0f);
        x[3] = extreme;
        x[40] = extreme; // a block of its own, which must not touch the other
        for (const ggml_type type : {GGML_TYPE_Q4_0, GGML_TYPE_Q8_0}) {
            round_trip(type, x); // the sanitizers watch
        }
    }
}

TEST(Quants, FloatTypesConvertRowByRow) {
    const std::vector<float> x = {0.5f, -2.0f, 1024.0f, 0.0f};
    for (const ggml_type type : {GGML_TYPE_F32, GGML_TYPE_F16, GGML_TYPE_BF16, GGML_TYPE_F64}) {
        EXPECT_EQ(round_trip(type, x), x) << ggml_type_name(type);
    }
}

TEST(Quants, ChunksOfATensorAddUpToTheWhole) {
    SCOPED_TRACE(seed);
    constexpr int64_t n_per_row = 64;
    constexpr int64_t rows = 6;
    const auto x = random_values(n_per_row * rows, 1.0f);
    for (const ggml_type type : {GGML_TYPE_F32, GGML_TYPE_F16, GGML_TYPE_BF16, GGML_TYPE_Q4_0, GGML_TYPE_Q8_0}) {
        const size_t row_size = ggml_row_size(type, n_per_row);
        std::vector<uint8_t> whole(row_size * rows);
        std::vector<uint8_t> parts(row_size * rows);
        EXPECT_EQ(ggml_quantize_chunk(type, x.data(), whole.data(), 0, rows, n_per_row, nullptr), whole.size());
        EXPECT_EQ(ggml_quantize_chunk(type, x.data(), parts.data(), 2 * n_per_row, 4, n_per_row, nullptr),
                  row_size * 4);
        EXPECT_EQ(ggml_quantize_chunk(type, x.data(), parts.data(), 0, 2, n_per_row, nullptr), row_size * 2);
        EXPECT_EQ(whole, parts) << ggml_type_name(type);
    }
}

TEST(Quants, ChunksThatCannotBeConvertedAreRefused) {
    const std::vector<float> x(64);
    std::vector<uint8_t> out(1024, 0xab);
    const auto refused = [&](ggml_type type, const float * src, void * dst, int64_t start, int64_t nrows,
                             int64_t n_per_row) {
        core_test::LogCapture log;
        EXPECT_EQ(ggml_quantize_chunk(type, src, dst, start, nrows, n_per_row, nullptr), 0u);
        EXPECT_EQ(log.errors.size(), 1u);
    };
    refused(GGML_TYPE_I32, x.data(), out.data(), 0, 1, 32);
    refused(static_cast<ggml_type>(5), x.data(), out.data(), 0, 1, 32);
    refused(GGML_TYPE_COUNT, x.data(), out.data(), 0, 1, 32);
    refused(GGML_TYPE_Q8_0, x.data(), out.data(), 0, 1, 33);
    refused(GGML_TYPE_Q8_0, x.data(), out.data(), 16, 1, 32);
    refused(GGML_TYPE_F32, x.data(), out.data(), 3, 1, 2);
    refused(GGML_TYPE_Q8_0, x.data(), out.data(), 0, 1, 0);
    refused(GGML_TYPE_Q8_0, x.data(), out.data(), 0, -1, 32);
    refused(GGML_TYPE_Q8_0, x.data(), out.data(), -32, 1, 32);
    refused(GGML_TYPE_Q8_0, nullptr, out.data(), 0, 1, 32);
    refused(GGML_TYPE_Q8_0, x.data(), nullptr, 0, 1, 32);
    refused(GGML_TYPE_F32, x.data(), out.data(), 0, INT64_MAX / 2, 32);
    EXPECT_EQ(out, std::vector<uint8_t>(1024, 0xab));
}
