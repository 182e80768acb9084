#include "types/half.h"

using namespace ggml_sched;

extern "C" {

float ggml_fp16_to_fp32(ggml_fp16_t x) {
    return core::fp16_to_fp32(x);
}

ggml_fp16_t ggml_fp32_to_fp16(float x) {
    return core::fp32_to_fp16(x);
}

void ggml_fp16_to_fp32_row(const ggml_fp16_t * x, float * y, int64_t n) {
    for (int64_t i = 0; i < n; i++) {
        y[i] = core::fp16_to_fp32(x[i]);
    }
}

void ggml_fp32_to_fp16_row(const float * x, ggml_fp16_t * y, int64_t n) {
    for (int64_t i = 0; i < n; i++) {
        y[i] = core::fp32_to_fp16(x[i]);
    }
}

float ggml_bf16_to_fp32(ggml_bf16_t x) {
    return core::bf16_to_fp32(x);
}

ggml_bf16_t ggml_fp32_to_bf16(float x) {
    return core::fp32_to_bf16(x);
}

void ggml_bf16_to_fp32_row(const ggml_bf16_t * x, float * y, int64_t n) {
    for (int64_t i = 0; i < n; i++) {
        y[i] = core::bf16_to_fp32(x[i]);
    }
}

void ggml_fp32_to_bf16_row(const float * x, ggml_bf16_t * y, int64_t n) {
    for (int64_t i = 0; i < n; i++) {
        y[i] = core::fp32_to_bf16(x[i]);
    }
}

} // extern "C"
