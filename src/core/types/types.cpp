#include "enumerator.h"
#include "types/half.h"
#include "types/quants.h"

#include <cstring>

namespace {

using namespace ggml_sched;

void float_row(const void * x, float * y, int64_t n) {
    std::memcpy(y, x, static_cast<size_t>(n) * sizeof(float));
}

void float_row_from(const float * x, void * y, int64_t n) {
    std::memcpy(y, x, static_cast<size_t>(n) * sizeof(float));
}

void fp16_row(const void * x, float * y, int64_t n) {
    ggml_fp16_to_fp32_row(static_cast<const ggml_fp16_t *>(x), y, n);
}

void fp16_row_from(const float * x, void * y, int64_t n) {
    ggml_fp32_to_fp16_row(x, static_cast<ggml_fp16_t *>(y), n);
}

void bf16_row(const void * x, float * y, int64_t n) {
    ggml_bf16_to_fp32_row(static_cast<const ggml_bf16_t *>(x), y, n);
}

void bf16_row_from(const float * x, void * y, int64_t n) {
    ggml_fp32_to_bf16_row(x, static_cast<ggml_bf16_t *>(y), n);
}

void double_row(const void * x, float * y, int64_t n) {
    const auto * values = static_cast<const double *>(x);
    for (int64_t i = 0; i < n; i++) {
        y[i] = static_cast<float>(values[i]);
    }
}

void double_row_from(const float * x, void * y, int64_t n) {
    auto * values = static_cast<double *>(y);
    for (int64_t i = 0; i < n; i++) {
        values[i] = x[i];
    }
}

constexpr ggml_type_traits f32_traits = {"f32", 1, sizeof(float), false, float_row, float_row_from};
constexpr ggml_type_traits f16_traits = {"f16", 1, sizeof(ggml_fp16_t), false, fp16_row, fp16_row_from};
constexpr ggml_type_traits bf16_traits = {"bf16", 1, sizeof(ggml_bf16_t), false, bf16_row, bf16_row_from};
constexpr ggml_type_traits f64_traits = {"f64", 1, sizeof(double), false, double_row, double_row_from};
constexpr ggml_type_traits i8_traits = {"i8", 1, sizeof(int8_t), false, nullptr, nullptr};
constexpr ggml_type_traits i16_traits = {"i16", 1, sizeof(int16_t), false, nullptr, nullptr};
constexpr ggml_type_traits i32_traits = {"i32", 1, sizeof(int32_t), false, nullptr, nullptr};
constexpr ggml_type_traits i64_traits = {"i64", 1, sizeof(int64_t), false, nullptr, nullptr};
constexpr ggml_type_traits q4_0_traits = {"q4_0", core::quant_block,         sizeof(core::BlockQ4_0),
                                          true,   core::dequantize_row_q4_0, core::quantize_row_q4_0};
constexpr ggml_type_traits q8_0_traits = {"q8_0", core::quant_block,         sizeof(core::BlockQ8_0),
                                          true,   core::dequantize_row_q8_0, core::quantize_row_q8_0};

// NULL for a number that is no type
const ggml_type_traits * traits_of(const ggml_type & type) {
    switch (core::known_or_count(type, GGML_TYPE_COUNT)) {
    case GGML_TYPE_F32: return &f32_traits;
    case GGML_TYPE_F16: return &f16_traits;
    case GGML_TYPE_Q4_0: return &q4_0_traits;
    case GGML_TYPE_Q8_0: return &q8_0_traits;
    case GGML_TYPE_I8: return &i8_traits;
    case GGML_TYPE_I16: return &i16_traits;
    case GGML_TYPE_I32: return &i32_traits;
    case GGML_TYPE_I64: return &i64_traits;
    case GGML_TYPE_F64: return &f64_traits;
    case GGML_TYPE_BF16: return &bf16_traits;
    case GGML_TYPE_COUNT: break;
    }
    return nullptr;
}

} // namespace

extern "C" {

const struct ggml_type_traits * ggml_get_type_traits(enum ggml_type type) {
    return traits_of(type);
}

int64_t ggml_blck_size(enum ggml_type type) {
    const ggml_type_traits * traits = traits_of(type);
    return traits ? traits->blck_size : 0;
}

size_t ggml_type_size(enum ggml_type type) {
    const ggml_type_traits * traits = traits_of(type);
    return traits ? traits->type_size : 0;
}

size_t ggml_row_size(enum ggml_type type, int64_t ne) {
    const ggml_type_traits * traits = traits_of(type);
    return traits && ne > 0 ? static_cast<size_t>(ne / traits->blck_size) * traits->type_size : 0;
}

const char * ggml_type_name(enum ggml_type type) {
    const ggml_type_traits * traits = traits_of(type);
    return traits ? traits->type_name : "?";
}

bool ggml_is_quantized(enum ggml_type type) {
    const ggml_type_traits * traits = traits_of(type);
    return traits && traits->is_quantized;
}

} // extern "C"
