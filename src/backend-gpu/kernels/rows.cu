// GET_ROWS, SET_ROWS

#include "elements.cuh"

namespace ggml_sched::gpu {
inline namespace GGML_SCHED_GPU_VENDOR {

namespace {

__device__ int64_t load_index(const Tensor & ids, int64_t i0, int64_t i1, int64_t i2) {
    const char * p = ids.data + i0 * ids.nb[0] + i1 * ids.nb[1] + i2 * ids.nb[2];
    return ids.type == GGML_TYPE_I64 ? *reinterpret_cast<const int64_t *>(p) : *reinterpret_cast<const int32_t *>(p);
}

__device__ void report(int32_t * fault, Fault kind) {
    *reinterpret_cast<volatile int32_t *>(fault) = kind;
}

template <class I> __global__ void get_rows(Tensor a, Tensor ids, Tensor dst, I n, int32_t * fault) {
    for (I i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += gridDim.x * blockDim.x) {
        const Place<I> p = place_of(i, dst.ne);
        const int64_t row = load_index(ids, p.i1, p.i2, p.i3);
        if (row < 0 || row >= a.ne[1]) {
            report(fault, kBadRowIndex);
            continue;
        }
        const char * from = row_at<int64_t>(a, row, p.i2, p.i3);
        char * to = row_at(dst, p) + p.i0 * dst.nb[0];
        if (dst.type == GGML_TYPE_I32) {
            *reinterpret_cast<int32_t *>(to) = *reinterpret_cast<const int32_t *>(from + p.i0 * a.nb[0]);
        } else {
            store_float(dst.type, to, load_float(a.type, from, p.i0, a.nb[0]));
        }
    }
}

__device__ void write_row(const Tensor & rows, const char * from, const Tensor & dst, char * to) {
    if (dst.type == GGML_TYPE_Q8_0 || dst.type == GGML_TYPE_Q4_0) {
        for (int64_t b = threadIdx.x; b < dst.ne[0] / kQuantBlock; b += blockDim.x) {
            float x[kQuantBlock];
            for (int i = 0; i < kQuantBlock; ++i) {
                x[i] = load_float(rows.type, from, b * kQuantBlock + i, rows.nb[0]);
            }
            store_block(dst.type, to + b * dst.nb[0], x);
        }
        return;
    }
    for (int64_t i = threadIdx.x; i < dst.ne[0]; i += blockDim.x) {
        store_float(dst.type, to + i * dst.nb[0], load_float(rows.type, from, i, rows.nb[0]));
    }
}

// A block writes a row, unless a later one goes to the same place: the last one counts.
__global__ void set_rows(Tensor rows, Tensor ids, Tensor dst, int64_t n_planes, int32_t * fault) {
    __shared__ int overwritten;
    const int64_t i1 = blockIdx.x;
    for (int64_t plane = blockIdx.y; plane < n_planes; plane += gridDim.y) {
        const int64_t i2 = plane % rows.ne[2];
        const int64_t i3 = plane / rows.ne[2];
        const int64_t id2 = i2 % ids.ne[1];
        const int64_t id3 = i3 % ids.ne[2];
        const int64_t row = load_index(ids, i1, id2, id3);
        __syncthreads();
        if (threadIdx.x == 0) {
            overwritten = 0;
        }
        __syncthreads();
        bool found = false;
        for (int64_t later = i1 + 1 + threadIdx.x; later < rows.ne[1] && !found; later += blockDim.x) {
            found = load_index(ids, later, id2, id3) == row;
        }
        if (found) {
            atomicExch(&overwritten, 1);
        }
        __syncthreads();
        if (row < 0 || row >= dst.ne[1]) {
            if (threadIdx.x == 0) {
                report(fault, kBadRowIndex);
            }
        } else if (overwritten == 0) {
            write_row(rows, row_at(rows, i1, i2, i3), dst, row_at(dst, row, i2, i3));
        }
    }
}

} // namespace

Error launch_get_rows(const Launch & launch, const Tensor & a, const Tensor & ids, const Tensor & dst) {
    const int64_t n = n_elements(dst);
    const unsigned blocks = blocks_for(n, kThreads);
    if (fits_u32(n)) {
        get_rows<uint32_t><<<blocks, kThreads, 0, launch.stream>>>(a, ids, dst, static_cast<uint32_t>(n), launch.fault);
    } else {
        get_rows<uint64_t><<<blocks, kThreads, 0, launch.stream>>>(a, ids, dst, static_cast<uint64_t>(n), launch.fault);
    }
    return launched();
}

Error launch_set_rows(const Launch & launch, const Tensor & rows, const Tensor & ids, const Tensor & dst) {
    const int64_t n_planes = rows.ne[2] * rows.ne[3];
    if (rows.ne[1] == 0 || n_planes == 0 || rows.ne[0] == 0) {
        return kSuccess;
    }
    const dim3 grid(static_cast<unsigned>(rows.ne[1]), static_cast<unsigned>(n_planes < 65535 ? n_planes : 65535));
    set_rows<<<grid, 128, 0, launch.stream>>>(rows, ids, dst, n_planes, launch.fault);
    return launched();
}

} // namespace GGML_SCHED_GPU_VENDOR
} // namespace ggml_sched::gpu
