// elements.cuh - for kernels: where an element of a tensor is, and its value as a float.

#pragma once

#include "kernels.h"

namespace ggml_sched::gpu {
inline namespace GGML_SCHED_GPU_VENDOR {

constexpr int kThreads = 256;
constexpr int64_t kMaxBlocks = 1 << 16; // kernels go on in strides where there is more to do
constexpr int kQuantBlock = 32;

inline unsigned blocks_for(int64_t n, int64_t per_block) {
    const int64_t blocks = (n + per_block - 1) / per_block;
    return static_cast<unsigned>(blocks < kMaxBlocks ? blocks : kMaxBlocks);
}

// The error of the launch that has just been made
inline Error launched() {
    call_counts().add(Call::KernelLaunch);
    return take_last_error();
}

// This thread's number in its block
__device__ inline int thread() {
    return static_cast<int>(threadIdx.x);
}

template <class I> struct Place { I i0, i1, i2, i3; };

// Element i in the order of dimensions. I: uint32_t where it suffices, as dividing those is much faster.
template <class I> __device__ inline Place<I> place_of(I i, const int64_t * ne) {
    const I n0 = static_cast<I>(ne[0]);
    const I n1 = static_cast<I>(ne[1]);
    const I n2 = static_cast<I>(ne[2]);
    const I row = i / n0;
    const I plane = row / n1;
    return {i - row * n0, row - plane * n1, plane % n2, plane / n2};
}

template <class I> __device__ inline char * row_at(const Tensor & t, I i1, I i2, I i3) {
    return t.data + static_cast<int64_t>(i1) * t.nb[1] + static_cast<int64_t>(i2) * t.nb[2] +
           static_cast<int64_t>(i3) * t.nb[3];
}
template <class I> __device__ inline char * row_at(const Tensor & t, const Place<I> & p) {
    return row_at(t, p.i1, p.i2, p.i3);
}

// The place in a smaller tensor that is repeated over a greater one
template <class I> __device__ inline I repeated(I i, int64_t n, int64_t n_great) {
    return n == n_great ? i : n == 1 ? 0 : i % static_cast<I>(n);
}
template <class I> __device__ inline Place<I> repeated(const Place<I> & p, const Tensor & t, const Tensor & great) {
    return {repeated(p.i0, t.ne[0], great.ne[0]), repeated(p.i1, t.ne[1], great.ne[1]),
            repeated(p.i2, t.ne[2], great.ne[2]), repeated(p.i3, t.ne[3], great.ne[3])};
}

//
// Values
//

__device__ inline float bf16_to_float(uint16_t bits) {
    return __uint_as_float(static_cast<uint32_t>(bits) << 16);
}
__device__ inline uint16_t float_to_bf16(float value) {
    const uint32_t bits = __float_as_uint(value);
    if ((bits & 0x7fffffffu) > 0x7f800000u) {
        return static_cast<uint16_t>((bits >> 16) | 0x40u); // NaN stays one
    }
    return static_cast<uint16_t>((bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16);
}

__device__ inline uint16_t load_u16(const char * p) {
    return *reinterpret_cast<const uint16_t *>(p);
}

// Element i of the row at p
__device__ inline float load_float(ggml_type type, const char * p, int64_t i, int64_t stride) {
    switch (type) {
    case GGML_TYPE_F32: return *reinterpret_cast<const float *>(p + i * stride);
    case GGML_TYPE_F16: return half_to_float(load_u16(p + i * stride));
    case GGML_TYPE_BF16: return bf16_to_float(load_u16(p + i * stride));
    case GGML_TYPE_Q8_0: {
        const char * block = p + i / kQuantBlock * stride;
        return static_cast<float>(static_cast<int8_t>(block[2 + i % kQuantBlock])) * half_to_float(load_u16(block));
    }
    case GGML_TYPE_Q4_0: {
        const char * block = p + i / kQuantBlock * stride;
        const int at = static_cast<int>(i % kQuantBlock);
        const int byte = static_cast<uint8_t>(block[2 + at % 16]);
        return static_cast<float>((at < 16 ? byte & 15 : byte >> 4) - 8) * half_to_float(load_u16(block));
    }
    default: return 0.0f;
    }
}

__device__ inline void store_float(ggml_type type, char * p, float value) {
    switch (type) {
    case GGML_TYPE_F16: *reinterpret_cast<uint16_t *>(p) = float_to_half(value); break;
    case GGML_TYPE_BF16: *reinterpret_cast<uint16_t *>(p) = float_to_bf16(value); break;
    default: *reinterpret_cast<float *>(p) = value; break;
    }
}

// One block of a quantized type from 32 floats, rounded as src/core/types/quants.cpp does
__device__ inline void store_q8_0(char * block, const float * x) {
    float greatest = 0.0f;
    for (int i = 0; i < kQuantBlock; ++i) {
        greatest = fmaxf(greatest, fabsf(x[i]));
    }
    const float scale = greatest / 127.0f;
    const float inverse = scale != 0.0f ? 1.0f / scale : 0.0f;
    *reinterpret_cast<uint16_t *>(block) = float_to_half(scale);
    for (int i = 0; i < kQuantBlock; ++i) {
        block[2 + i] = static_cast<char>(static_cast<int>(fminf(fmaxf(roundf(x[i] * inverse), -127.0f), 127.0f)));
    }
}

__device__ inline void store_q4_0(char * block, const float * x) {
    float extreme = 0.0f;
    for (int i = 0; i < kQuantBlock; ++i) {
        if (fabsf(x[i]) > fabsf(extreme)) {
            extreme = x[i];
        }
    }
    const float scale = extreme / -8.0f;
    const float inverse = scale != 0.0f ? 1.0f / scale : 0.0f;
    *reinterpret_cast<uint16_t *>(block) = float_to_half(scale);
    for (int i = 0; i < kQuantBlock / 2; ++i) {
        const int low = static_cast<int>(fminf(fmaxf(x[i] * inverse + 8.5f, 0.0f), 15.0f));
        const int high = static_cast<int>(fminf(fmaxf(x[i + kQuantBlock / 2] * inverse + 8.5f, 0.0f), 15.0f));
        block[2 + i] = static_cast<char>(low | (high << 4));
    }
}

__device__ inline void store_block(ggml_type type, char * block, const float * x) {
    if (type == GGML_TYPE_Q8_0) {
        store_q8_0(block, x);
    } else {
        store_q4_0(block, x);
    }
}

inline bool is_quantized(ggml_type type) {
    return type == GGML_TYPE_Q8_0 || type == GGML_TYPE_Q4_0;
}
inline bool fits_u32(int64_t n) {
    return n < (int64_t{1} << 31);
}

} // namespace GGML_SCHED_GPU_VENDOR
} // namespace ggml_sched::gpu
