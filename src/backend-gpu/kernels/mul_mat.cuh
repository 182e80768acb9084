// mul_mat.cuh - what the two kernels of a matrix product share: pieces of rows, and the order of the additions.
//
// A row of k elements is taken in blocks of 32. Block b belongs to segment b mod 8. A product is the sum, in the order
// of the segments, of one sum for each segment, which takes the segment's elements in their order with fused
// multiply-adds. Both kernels, for few columns and for many, add in this order, so a column's product has the same bits
// in either; and blocks of zeros at the end change nothing.

#pragma once

#include "elements.cuh"

namespace ggml_sched::gpu {
inline namespace GGML_SCHED_GPU_VENDOR {

constexpr int kSegments = 8;
constexpr int kPiece = 8; // elements that a thread loads at once; four make a block

struct MulMat {
    Tensor a;
    Tensor b;
    Tensor dst;
    Tensor ids;     // MUL_MAT_ID
    bool by_expert; // MUL_MAT_ID: columns are pairs of a slot and a token, and each has a matrix of its own
    bool a_aligned; // pieces of a's rows, and of b's, can be loaded as vectors of 16 bytes
    bool b_aligned;
    int64_t n_columns; // of one plane; MUL_MAT_ID: pairs
    int64_t n_planes;
    int32_t * fault;
};

// A column of b, and where its products go
struct Column {
    const char * b;
    float * dst;
};

__device__ inline Column column_at(const MulMat & m, int64_t column, int64_t i2, int64_t i3) {
    if (m.by_expert) {
        const int64_t slot = column % m.ids.ne[0];
        const int64_t token = column / m.ids.ne[0];
        return {row_at<int64_t>(m.b, slot % m.b.ne[1], token, 0),
                reinterpret_cast<float *>(row_at<int64_t>(m.dst, slot, token, 0))};
    }
    return {row_at<int64_t>(m.b, column, i2, i3), reinterpret_cast<float *>(row_at<int64_t>(m.dst, column, i2, i3))};
}

__device__ inline int32_t expert_of(const MulMat & m, int64_t pair) {
    return *reinterpret_cast<const int32_t *>(m.ids.data + pair % m.ids.ne[0] * m.ids.nb[0] +
                                              pair / m.ids.ne[0] * m.ids.nb[1]);
}

__device__ inline void load_halves(const char * p, bool aligned, uint16_t (&halves)[kPiece]) {
    if (aligned) {
        const uint4 words = *reinterpret_cast<const uint4 *>(p);
        const uint32_t each[4] = {words.x, words.y, words.z, words.w};
#pragma unroll
        for (int i = 0; i < 4; ++i) {
            halves[2 * i] = static_cast<uint16_t>(each[i]);
            halves[2 * i + 1] = static_cast<uint16_t>(each[i] >> 16);
        }
        return;
    }
#pragma unroll
    for (int i = 0; i < kPiece; ++i) {
        halves[i] = load_u16(p + 2 * i);
    }
}

// Elements [8 * piece, 8 * piece + 8) of a block of a quantized row
template <ggml_type Type> __device__ inline void load_quantized(const char * block, int piece, float (&x)[kPiece]) {
    const float scale = half_to_float(load_u16(block));
    const int first = Type == GGML_TYPE_Q8_0 ? kPiece * piece : kPiece * (piece % 2); // Q4_0: low nibbles, then high
#pragma unroll
    for (int i = 0; i < kPiece / 2; ++i) {
        const uint32_t two = load_u16(block + 2 + first + 2 * i);
        if (Type == GGML_TYPE_Q8_0) {
            x[2 * i] = static_cast<float>(static_cast<int8_t>(two & 255u)) * scale;
            x[2 * i + 1] = static_cast<float>(static_cast<int8_t>(two >> 8)) * scale;
        } else {
            const uint32_t nibbles = piece < 2 ? two : two >> 4;
            x[2 * i] = static_cast<float>(static_cast<int>(nibbles & 15u) - 8) * scale;
            x[2 * i + 1] = static_cast<float>(static_cast<int>(nibbles >> 8 & 15u) - 8) * scale;
        }
    }
}

// Elements [first, first + 8) of a row of k elements; those beyond k are 0.
template <ggml_type Type>
__device__ inline void load_piece(const char * row, int64_t first, int64_t k, int64_t stride, bool aligned,
                                  float (&x)[kPiece]) {
    if (Type == GGML_TYPE_Q8_0 || Type == GGML_TYPE_Q4_0) {
        if (first < k) { // k is a multiple of the block
            load_quantized<Type>(row + first / kQuantBlock * stride, static_cast<int>(first % kQuantBlock) / kPiece, x);
            return;
        }
    } else if (aligned && first + kPiece <= k) {
        if (Type == GGML_TYPE_F32) {
            const float4 low = *reinterpret_cast<const float4 *>(row + first * 4);
            const float4 high = *reinterpret_cast<const float4 *>(row + first * 4 + 16);
            x[0] = low.x, x[1] = low.y, x[2] = low.z, x[3] = low.w;
            x[4] = high.x, x[5] = high.y, x[6] = high.z, x[7] = high.w;
        } else {
            uint16_t halves[kPiece];
            load_halves(row + first * 2, true, halves);
#pragma unroll
            for (int i = 0; i < kPiece; ++i) {
                x[i] = Type == GGML_TYPE_F16 ? half_to_float(halves[i]) : bf16_to_float(halves[i]);
            }
        }
        return;
    }
#pragma unroll
    for (int i = 0; i < kPiece; ++i) {
        x[i] = first + i < k ? load_float(Type, row, first + i, stride) : 0.0f;
    }
}

__device__ inline void load_column_piece(const MulMat & m, const char * column, int64_t first, float (&x)[kPiece]) {
    const int64_t k = m.b.ne[0];
    switch (m.b.type) {
    case GGML_TYPE_F16: load_piece<GGML_TYPE_F16>(column, first, k, m.b.nb[0], m.b_aligned, x); break;
    case GGML_TYPE_BF16: load_piece<GGML_TYPE_BF16>(column, first, k, m.b.nb[0], m.b_aligned, x); break;
    default: load_piece<GGML_TYPE_F32>(column, first, k, m.b.nb[0], m.b_aligned, x); break;
    }
}

} // namespace GGML_SCHED_GPU_VENDOR
} // namespace ggml_sched::gpu
