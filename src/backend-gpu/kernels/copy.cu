// DUP, CPY, CONT, SET (in two copies), REPEAT, and the packing of columns for a BLAS

#include "elements.cuh"

namespace ggml_sched::gpu {
inline namespace GGML_SCHED_GPU_VENDOR {

namespace {

// A block of a quantized type, which has no alignment beyond 2
template <int N> struct Bytes { uint16_t halves[N / 2]; };

// Same type: units are elements or blocks of a quantized type; ne[0] counts units.
template <class T, class I> __global__ void copy_units(Tensor src, Tensor dst, I n) {
    for (I i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += gridDim.x * blockDim.x) {
        const Place<I> p = place_of(i, src.ne);
        const Place<I> q = place_of(i, dst.ne);
        *reinterpret_cast<T *>(row_at(dst, q) + q.i0 * dst.nb[0]) =
            *reinterpret_cast<const T *>(row_at(src, p) + p.i0 * src.nb[0]);
    }
}

template <class I> __global__ void convert_to_floats(Tensor src, Tensor dst, I n) {
    for (I i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += gridDim.x * blockDim.x) {
        const Place<I> p = place_of(i, src.ne);
        const Place<I> q = place_of(i, dst.ne);
        store_float(dst.type, row_at(dst, q) + q.i0 * dst.nb[0], load_float(src.type, row_at(src, p), p.i0, src.nb[0]));
    }
}

// A thread makes a block.
__global__ void convert_to_blocks(Tensor src, Tensor dst, int64_t n_blocks) {
    for (int64_t b = blockIdx.x * blockDim.x + threadIdx.x; b < n_blocks; b += gridDim.x * blockDim.x) {
        float x[kQuantBlock];
        for (int i = 0; i < kQuantBlock; ++i) {
            const Place<int64_t> p = place_of(b * kQuantBlock + i, src.ne);
            x[i] = load_float(src.type, row_at(src, p), p.i0, src.nb[0]);
        }
        const Place<int64_t> q = place_of(b * kQuantBlock, dst.ne);
        store_block(dst.type, row_at(dst, q) + q.i0 / kQuantBlock * dst.nb[0], x);
    }
}

template <class T, class I> __global__ void repeat(Tensor src, Tensor dst, I n) {
    for (I i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += gridDim.x * blockDim.x) {
        const Place<I> q = place_of(i, dst.ne);
        const Place<I> p = repeated(q, src, dst);
        *reinterpret_cast<T *>(row_at(dst, q) + q.i0 * dst.nb[0]) =
            *reinterpret_cast<const T *>(row_at(src, p) + p.i0 * src.nb[0]);
    }
}

template <class T>
__global__ void pack_columns(Tensor b, int64_t first, int64_t n, int64_t padded, ggml_type type, T * packed) {
    const int64_t k = b.ne[0];
    for (int64_t i = blockIdx.x * blockDim.x + threadIdx.x; i < k * padded; i += gridDim.x * blockDim.x) {
        const int64_t column = i / k;
        const float value =
            column < n ? load_float(b.type, b.data + (first + column) * b.nb[1], i - column * k, b.nb[0]) : 0.0f;
        store_float(type, reinterpret_cast<char *>(packed + i), value);
    }
}

template <class T> Error launch_copy_units(const Launch & launch, const Tensor & src, const Tensor & dst) {
    const int64_t n = n_elements(dst);
    const unsigned blocks = blocks_for(n, kThreads);
    if (fits_u32(n)) {
        copy_units<T, uint32_t><<<blocks, kThreads, 0, launch.stream>>>(src, dst, static_cast<uint32_t>(n));
    } else {
        copy_units<T, uint64_t><<<blocks, kThreads, 0, launch.stream>>>(src, dst, static_cast<uint64_t>(n));
    }
    return launched();
}

template <class T> Error launch_repeat_units(const Launch & launch, const Tensor & src, const Tensor & dst) {
    const int64_t n = n_elements(dst);
    const unsigned blocks = blocks_for(n, kThreads);
    if (fits_u32(n)) {
        repeat<T, uint32_t><<<blocks, kThreads, 0, launch.stream>>>(src, dst, static_cast<uint32_t>(n));
    } else {
        repeat<T, uint64_t><<<blocks, kThreads, 0, launch.stream>>>(src, dst, static_cast<uint64_t>(n));
    }
    return launched();
}

// The tensor with whole blocks as its units
Tensor in_blocks(Tensor t) {
    t.ne[0] /= kQuantBlock;
    return t;
}

Error launch_copy_same_type(const Launch & launch, const Tensor & src, const Tensor & dst) {
    switch (dst.type) {
    case GGML_TYPE_Q8_0: return launch_copy_units<Bytes<34>>(launch, in_blocks(src), in_blocks(dst));
    case GGML_TYPE_Q4_0: return launch_copy_units<Bytes<18>>(launch, in_blocks(src), in_blocks(dst));
    case GGML_TYPE_F16:
    case GGML_TYPE_BF16: return launch_copy_units<uint16_t>(launch, src, dst);
    case GGML_TYPE_I64: return launch_copy_units<uint64_t>(launch, src, dst);
    default: return launch_copy_units<uint32_t>(launch, src, dst);
    }
}

} // namespace

Error launch_copy(const Launch & launch, const Tensor & src, const Tensor & dst) {
    const int64_t n = n_elements(dst);
    if (src.type == dst.type) {
        return launch_copy_same_type(launch, src, dst);
    }
    if (is_quantized(dst.type)) {
        const int64_t n_blocks = n / kQuantBlock;
        convert_to_blocks<<<blocks_for(n_blocks, kThreads), kThreads, 0, launch.stream>>>(src, dst, n_blocks);
    } else if (fits_u32(n)) {
        convert_to_floats<uint32_t>
            <<<blocks_for(n, kThreads), kThreads, 0, launch.stream>>>(src, dst, static_cast<uint32_t>(n));
    } else {
        convert_to_floats<uint64_t>
            <<<blocks_for(n, kThreads), kThreads, 0, launch.stream>>>(src, dst, static_cast<uint64_t>(n));
    }
    return launched();
}

Error launch_repeat(const Launch & launch, const Tensor & src, const Tensor & dst) {
    switch (dst.type) {
    case GGML_TYPE_F16:
    case GGML_TYPE_BF16: return launch_repeat_units<uint16_t>(launch, src, dst);
    case GGML_TYPE_I64: return launch_repeat_units<uint64_t>(launch, src, dst);
    default: return launch_repeat_units<uint32_t>(launch, src, dst);
    }
}

Error launch_pack_columns(const Launch & launch, const Tensor & b, int64_t first, int64_t n, int64_t padded,
                          ggml_type type, void * packed) {
    const unsigned blocks = blocks_for(b.ne[0] * padded, kThreads);
    if (type == GGML_TYPE_F32) {
        pack_columns<<<blocks, kThreads, 0, launch.stream>>>(b, first, n, padded, type, static_cast<float *>(packed));
    } else {
        pack_columns<<<blocks, kThreads, 0, launch.stream>>>(b, first, n, padded, type,
                                                             static_cast<uint16_t *>(packed));
    }
    return launched();
}

} // namespace GGML_SCHED_GPU_VENDOR
} // namespace ggml_sched::gpu
