#include "core_test.h"

#include <cmath>
#include <limits>
#include <random>

namespace {

// Straight from the definition of binary16: no bit of the implementation's method.
double half_value(uint32_t bits) {
    const int exponent = static_cast<int>((bits >> 10) & 31);
    const int mantissa = static_cast<int>(bits & 1023);
    const double magnitude = exponent == 0 ? std::ldexp(mantissa, -24) : std::ldexp(1024 + mantissa, exponent - 25);
    return (bits & 0x8000) ? -magnitude : magnitude;
}

bool half_is_nan(uint32_t bits) {
    return (bits & 0x7c00) == 0x7c00 && (bits & 0x3ff) != 0;
}

uint32_t bits_of(float x) {
    uint32_t bits;
    std::memcpy(&bits, &x, sizeof(bits));
    return bits;
}

float from_bits(uint32_t bits) {
    float x;
    std::memcpy(&x, &bits, sizeof(x));
    return x;
}

} // namespace

TEST(Half, EveryFp16ValueWidensExactly) {
    for (uint32_t h = 0; h < 65536; h++) {
        const float wide = ggml_fp16_to_fp32(static_cast<ggml_fp16_t>(h));
        if (half_is_nan(h)) {
            EXPECT_TRUE(std::isnan(wide)) << h;
        } else if ((h & 0x7fff) == 0x7c00) {
            EXPECT_TRUE(std::isinf(wide)) << h;
        } else {
            ASSERT_EQ(static_cast<double>(wide), half_value(h)) << h;
        }
        ASSERT_EQ(std::signbit(wide), (h & 0x8000) != 0) << h;
    }
}

TEST(Half, EveryFp16ValueSurvivesTheWayToFloatAndBack) {
    for (uint32_t h = 0; h < 65536; h++) {
        const uint32_t quiet = half_is_nan(h) ? h | 0x200 : h;
        ASSERT_EQ(ggml_fp32_to_fp16(ggml_fp16_to_fp32(static_cast<ggml_fp16_t>(h))), quiet) << h;
    }
}

TEST(Half, Fp16RoundsToNearestTiesToEven) {
    for (uint32_t h = 0; h < 0x7bff; h++) {
        // The midpoint of two binary16 values is exact in binary32.
        const auto middle = static_cast<float>((half_value(h) + half_value(h + 1)) / 2);
        const uint32_t even = (h & 1) ? h + 1 : h;
        ASSERT_EQ(ggml_fp32_to_fp16(middle), even) << h;
        ASSERT_EQ(ggml_fp32_to_fp16(-middle), even | 0x8000) << h;
        ASSERT_EQ(ggml_fp32_to_fp16(std::nextafter(middle, 0.0f)), h) << h;
        ASSERT_EQ(ggml_fp32_to_fp16(std::nextafter(middle, 1e9f)), h + 1) << h;
    }
}

TEST(Half, Fp16OverflowsToInfinityFromHalfAStepAboveTheGreatest) {
    EXPECT_EQ(ggml_fp32_to_fp16(65504.0f), 0x7bff);
    EXPECT_EQ(ggml_fp32_to_fp16(std::nextafter(65520.0f, 0.0f)), 0x7bff);
    EXPECT_EQ(ggml_fp32_to_fp16(65520.0f), 0x7c00);
    EXPECT_EQ(ggml_fp32_to_fp16(-65520.0f), 0xfc00);
    EXPECT_EQ(ggml_fp32_to_fp16(65536.0f), 0x7c00);
    EXPECT_EQ(ggml_fp32_to_fp16(std::numeric_limits<float>::max()), 0x7c00);
    EXPECT_EQ(ggml_fp32_to_fp16(-std::numeric_limits<float>::infinity()), 0xfc00);
}

TEST(Half, Fp16UnderflowsToAZeroWithItsSign) {
    EXPECT_EQ(ggml_fp32_to_fp16(0x1p-25f), 0x0000);
    EXPECT_EQ(ggml_fp32_to_fp16(std::nextafter(0x1p-25f, 1.0f)), 0x0001);
    EXPECT_EQ(ggml_fp32_to_fp16(-0x1p-26f), 0x8000);
    EXPECT_EQ(ggml_fp32_to_fp16(-0.0f), 0x8000);
    EXPECT_EQ(ggml_fp32_to_fp16(std::numeric_limits<float>::denorm_min()), 0x0000);
}

TEST(Half, NoNanBecomesANumberOrInfinity) {
    const uint32_t payloads[] = {0x7f800001, 0x7f801fff, 0x7f802000, 0x7fc00000, 0x7fffffff, 0xff800001, 0xffc00000};
    for (const uint32_t bits : payloads) {
        const ggml_fp16_t h = ggml_fp32_to_fp16(from_bits(bits));
        EXPECT_TRUE(half_is_nan(h)) << bits;
        EXPECT_EQ((h & 0x8000) != 0, (bits >> 31) != 0) << bits;
        const float back = ggml_bf16_to_fp32(ggml_fp32_to_bf16(from_bits(bits)));
        EXPECT_TRUE(std::isnan(back)) << bits;
        EXPECT_EQ(std::signbit(back), (bits >> 31) != 0) << bits;
    }
}

TEST(Half, EveryBf16ValueSurvivesTheWayToFloatAndBack) {
    for (uint32_t b = 0; b < 65536; b++) {
        const bool nan = (b & 0x7fff) > 0x7f80;
        const float wide = ggml_bf16_to_fp32({static_cast<uint16_t>(b)});
        if (!nan) {
            ASSERT_EQ(bits_of(wide), b << 16) << b;
        }
        ASSERT_EQ(ggml_fp32_to_bf16(wide).bits, nan ? b | 0x40 : b) << b;
    }
}

TEST(Half, Bf16RoundsToNearestTiesToEven) {
    for (uint32_t b = 0; b < 0x7f80; b++) {
        const uint32_t middle = (b << 16) | 0x8000;
        const uint32_t even = (b & 1) ? b + 1 : b;
        ASSERT_EQ(ggml_fp32_to_bf16(from_bits(middle)).bits, even) << b;
        ASSERT_EQ(ggml_fp32_to_bf16(from_bits(middle | 0x80000000u)).bits, even | 0x8000) << b;
        ASSERT_EQ(ggml_fp32_to_bf16(from_bits(middle - 1)).bits, b) << b;
        ASSERT_EQ(ggml_fp32_to_bf16(from_bits(middle + 1)).bits, b + 1) << b;
    }
}

TEST(Half, RowsConvertLikeSingleValues) {
    const uint32_t seed = 7;
    SCOPED_TRACE(seed);
    std::mt19937 random(seed);
    std::vector<float> x(1031);
    for (float & value : x) {
        value = from_bits(static_cast<uint32_t>(random()));
    }
    const auto n = static_cast<int64_t>(x.size());
    std::vector<ggml_fp16_t> h(x.size() + 1, 0x1234);
    std::vector<ggml_bf16_t> b(x.size() + 1, ggml_bf16_t{0x1234});
    ggml_fp32_to_fp16_row(x.data(), h.data(), n);
    ggml_fp32_to_bf16_row(x.data(), b.data(), n);
    EXPECT_EQ(h.back(), 0x1234) << "wrote behind the row";
    EXPECT_EQ(b.back().bits, 0x1234) << "wrote behind the row";
    std::vector<float> h_back(x.size());
    std::vector<float> b_back(x.size());
    ggml_fp16_to_fp32_row(h.data(), h_back.data(), n);
    ggml_bf16_to_fp32_row(b.data(), b_back.data(), n);
    for (size_t i = 0; i < x.size(); i++) {
        EXPECT_EQ(h[i], ggml_fp32_to_fp16(x[i]));
        EXPECT_EQ(b[i].bits, ggml_fp32_to_bf16(x[i]).bits);
        EXPECT_EQ(bits_of(h_back[i]), bits_of(ggml_fp16_to_fp32(h[i])));
        EXPECT_EQ(bits_of(b_back[i]), bits_of(ggml_bf16_to_fp32(b[i])));
    }
}
