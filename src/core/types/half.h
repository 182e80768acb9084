// half.h - conversions between binary32 and the two 16-bit float formats, inline for inner loops.
//
// Narrowing rounds to nearest, ties to even. Overflow becomes infinity, NaN stays a (quiet) NaN and keeps its sign.
// Every 16-bit value survives widening and narrowing; signalling NaNs become quiet. Pure functions, any thread.

#pragma once

#include "ggml.h"

#include <cstdint>
#include <cstring>

namespace ggml_sched::core {

inline uint32_t float_bits(float x) {
    uint32_t bits;
    std::memcpy(&bits, &x, sizeof(bits));
    return bits;
}

inline float float_from_bits(uint32_t bits) {
    float x;
    std::memcpy(&x, &bits, sizeof(x));
    return x;
}

// value >> shift, rounded to nearest, ties to even; 1 <= shift <= 31.
inline uint32_t shift_right_rounding(uint32_t value, int shift) {
    const uint32_t half = 1u << (shift - 1);
    const uint32_t rest = value & ((half << 1) - 1);
    const uint32_t result = value >> shift;
    const bool up = rest > half || (rest == half && (result & 1) != 0);
    return result + (up ? 1u : 0u);
}

inline float fp16_to_fp32(ggml_fp16_t x) {
    const uint32_t sign = static_cast<uint32_t>(x & 0x8000u) << 16;
    const uint32_t exponent = (x >> 10) & 0x1fu;
    const uint32_t mantissa = x & 0x3ffu;
    if (exponent == 0) {
        const float magnitude = static_cast<float>(mantissa) * 0x1p-24f;
        return sign ? -magnitude : magnitude;
    }
    if (exponent == 0x1f) {
        const uint32_t quiet = mantissa ? 0x400000u : 0u;
        return float_from_bits(sign | 0x7f800000u | quiet | (mantissa << 13));
    }
    return float_from_bits(sign | ((exponent + 112) << 23) | (mantissa << 13));
}

inline ggml_fp16_t fp32_to_fp16(float x) {
    const uint32_t bits = float_bits(x);
    const uint32_t sign = (bits >> 16) & 0x8000u;
    const uint32_t magnitude = bits & 0x7fffffffu;
    if (magnitude > 0x7f800000u) { // NaN: keep what fits of the payload
        return static_cast<ggml_fp16_t>(sign | 0x7e00u | ((magnitude >> 13) & 0x3ffu));
    }
    if (magnitude >= 0x47800000u) { // 2^16 and above
        return static_cast<ggml_fp16_t>(sign | 0x7c00u);
    }
    if (magnitude >= 0x38800000u) { // normal in binary16; a carry may round it up to infinity
        return static_cast<ggml_fp16_t>(sign | shift_right_rounding(magnitude - (112u << 23), 13));
    }
    const int exponent = static_cast<int>(magnitude >> 23);
    if (exponent < 102) { // below half of the smallest subnormal
        return static_cast<ggml_fp16_t>(sign);
    }
    const uint32_t significand = (magnitude & 0x7fffffu) | 0x800000u;
    return static_cast<ggml_fp16_t>(sign | shift_right_rounding(significand, 126 - exponent));
}

inline float bf16_to_fp32(ggml_bf16_t x) {
    return float_from_bits(static_cast<uint32_t>(x.bits) << 16);
}

inline ggml_bf16_t fp32_to_bf16(float x) {
    const uint32_t bits = float_bits(x);
    if ((bits & 0x7fffffffu) > 0x7f800000u) {
        return ggml_bf16_t{static_cast<uint16_t>((bits >> 16) | 0x40u)};
    }
    return ggml_bf16_t{static_cast<uint16_t>(shift_right_rounding(bits, 16))};
}

} // namespace ggml_sched::core
