// quants.h - the block formats Q4_0 and Q8_0, and rows of every type from and to float.
//
// Element counts are multiples of the block. Blocks are packed without gaps, so a row is an array of them.
// The row functions have the signature of ggml_to_float_t and ggml_from_float_t. Pure functions, any thread.

#pragma once

#include "ggml.h"

#include <cstdint>

namespace ggml_sched::core {

constexpr int64_t quant_block = 32;

// value[i] = d * (q - 8), where q is the low nibble of qs[i] for i < 16 and the high nibble of qs[i - 16] after that
struct BlockQ4_0 {
    ggml_fp16_t d;
    uint8_t qs[quant_block / 2];
};

// value[i] = d * qs[i]
struct BlockQ8_0 {
    ggml_fp16_t d;
    int8_t qs[quant_block];
};

static_assert(sizeof(BlockQ4_0) == 18 && sizeof(BlockQ8_0) == 34, "blocks must be packed: they are a file format");

void quantize_row_q4_0(const float * x, void * y, int64_t n);
void quantize_row_q8_0(const float * x, void * y, int64_t n);
void dequantize_row_q4_0(const void * x, float * y, int64_t n);
void dequantize_row_q8_0(const void * x, float * y, int64_t n);

} // namespace ggml_sched::core
