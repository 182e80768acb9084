#include "elements.h"

#include <cstring>

namespace ggml_sched::cpu {

namespace {

template <class T> T load_as(const char * p) {
    T value;
    std::memcpy(&value, p, sizeof(T));
    return value;
}

template <class T> void store_as(char * p, T value) {
    std::memcpy(p, &value, sizeof(T));
}

} // namespace

void load_floats(ggml_type type, const char * src, size_t stride, int64_t n, float * dst) {
    if (stride == ggml_type_size(type)) {
        if (type == GGML_TYPE_F32) {
            std::memcpy(dst, src, static_cast<size_t>(n) * sizeof(float));
        } else {
            ggml_get_type_traits(type)->to_float(src, dst, n);
        }
        return;
    }
    for (int64_t i = 0; i < n; ++i, src += stride) {
        switch (type) {
        case GGML_TYPE_F16: dst[i] = ggml_fp16_to_fp32(load_as<ggml_fp16_t>(src)); break;
        case GGML_TYPE_BF16: dst[i] = ggml_bf16_to_fp32(load_as<ggml_bf16_t>(src)); break;
        default: dst[i] = load_as<float>(src); break;
        }
    }
}

void store_floats(ggml_type type, const float * src, char * dst, size_t stride, int64_t n) {
    if (stride == ggml_type_size(type)) {
        if (type == GGML_TYPE_F32) {
            std::memcpy(dst, src, static_cast<size_t>(n) * sizeof(float));
        } else {
            ggml_get_type_traits(type)->from_float_ref(src, dst, n);
        }
        return;
    }
    for (int64_t i = 0; i < n; ++i, dst += stride) {
        switch (type) {
        case GGML_TYPE_F16: store_as(dst, ggml_fp32_to_fp16(src[i])); break;
        case GGML_TYPE_BF16: store_as(dst, ggml_fp32_to_bf16(src[i])); break;
        default: store_as(dst, src[i]); break;
        }
    }
}

} // namespace ggml_sched::cpu
