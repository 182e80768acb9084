#include "types/quants.h"
#include "enumerator.h"

#include "ggml-impl.h"
#include "types/half.h"

#include <cmath>

namespace ggml_sched::core {

namespace {

// NaN and infinities end at a bound, so that the conversion to an integer is always defined.
float clamp(float x, float low, float high) {
    return std::fmin(std::fmax(x, low), high);
}

float inverse_or_zero(float x) {
    return x != 0.0f ? 1.0f / x : 0.0f;
}

} // namespace

void quantize_row_q4_0(const float * x, void * y, int64_t n) {
    auto * block = static_cast<BlockQ4_0 *>(y);
    for (const float * end = x + n; x != end; x += quant_block, block++) {
        // The value of greatest magnitude becomes -8, the end of the range that has one step more.
        float extreme = 0.0f;
        for (int i = 0; i < quant_block; i++) {
            if (std::fabs(x[i]) > std::fabs(extreme)) {
                extreme = x[i];
            }
        }
        const float scale = extreme / -8.0f;
        const float inverse = inverse_or_zero(scale);
        const auto nibble = [inverse](float value) {
            return static_cast<uint8_t>(clamp(value * inverse + 8.5f, 0.0f, 15.0f));
        };
        block->d = fp32_to_fp16(scale);
        for (int i = 0; i < quant_block / 2; i++) {
            block->qs[i] = static_cast<uint8_t>(nibble(x[i]) | (nibble(x[i + quant_block / 2]) << 4));
        }
    }
}

void quantize_row_q8_0(const float * x, void * y, int64_t n) {
    auto * block = static_cast<BlockQ8_0 *>(y);
    for (const float * end = x + n; x != end; x += quant_block, block++) {
        float greatest = 0.0f;
        for (int i = 0; i < quant_block; i++) {
            greatest = std::fmax(greatest, std::fabs(x[i]));
        }
        const float scale = greatest / 127.0f;
        const float inverse = inverse_or_zero(scale);
        block->d = fp32_to_fp16(scale);
        for (int i = 0; i < quant_block; i++) {
            block->qs[i] = static_cast<int8_t>(clamp(std::round(x[i] * inverse), -127.0f, 127.0f));
        }
    }
}

void dequantize_row_q4_0(const void * x, float * y, int64_t n) {
    const auto * block = static_cast<const BlockQ4_0 *>(x);
    for (const float * end = y + n; y != end; y += quant_block, block++) {
        const float scale = fp16_to_fp32(block->d);
        for (int i = 0; i < quant_block / 2; i++) {
            y[i] = static_cast<float>((block->qs[i] & 15) - 8) * scale;
            y[i + quant_block / 2] = static_cast<float>((block->qs[i] >> 4) - 8) * scale;
        }
    }
}

void dequantize_row_q8_0(const void * x, float * y, int64_t n) {
    const auto * block = static_cast<const BlockQ8_0 *>(x);
    for (const float * end = y + n; y != end; y += quant_block, block++) {
        const float scale = fp16_to_fp32(block->d);
        for (int i = 0; i < quant_block; i++) {
            y[i] = static_cast<float>(block->qs[i]) * scale;
        }
    }
}

} // namespace ggml_sched::core

extern "C" size_t ggml_quantize_chunk(enum ggml_type type, const float * src, void * dst, int64_t start, int64_t nrows,
                                      int64_t n_per_row, const float * imatrix) {
    (void) imatrix;
    const bool is_type = ggml_sched::core::is_below(type, GGML_TYPE_COUNT);
    const ggml_type_traits * traits = is_type ? ggml_get_type_traits(type) : nullptr;
    if (!traits || !traits->from_float_ref) {
        GGML_LOG_ERROR("ggml_quantize_chunk: cannot convert floats to type %s; choose a float or quantized type\n",
                       traits ? traits->type_name : "?");
        return 0;
    }
    if (!src || !dst || start < 0 || nrows < 0 || n_per_row <= 0 || nrows > INT64_MAX / n_per_row / 8) {
        GGML_LOG_ERROR("ggml_quantize_chunk: pass source, destination, and sizes that are not negative\n");
        return 0;
    }
    if (n_per_row % traits->blck_size != 0 || start % n_per_row != 0) {
        GGML_LOG_ERROR("ggml_quantize_chunk: n_per_row %lld must be a multiple of %lld, and start %lld of n_per_row\n",
                       (long long) n_per_row, (long long) traits->blck_size, (long long) start);
        return 0;
    }
    const size_t row_size = ggml_row_size(type, n_per_row);
    char * out = static_cast<char *>(dst) + static_cast<size_t>(start / n_per_row) * row_size;
    traits->from_float_ref(src + start, out, nrows * n_per_row);
    return static_cast<size_t>(nrows) * row_size;
}
