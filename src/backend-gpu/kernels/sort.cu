// ARGMAX, ARGSORT, TOP_K
//
// An element's place in the sorted row is the number of elements that come before it. Counting those takes n * n
// comparisons and no memory, in any order: the result is exact.

#include "elements.cuh"

#include <cmath>

namespace ggml_sched::gpu {
inline namespace GGML_SCHED_GPU_VENDOR {

namespace {

struct Element {
    float value;
    int64_t index;
};

// A strict order: NaN comes last, equal values are in the order of their indices.
__device__ bool comes_before(const Element & a, const Element & b, bool ascending) {
    const bool a_nan = isnan(a.value);
    const bool b_nan = isnan(b.value);
    if (a_nan || b_nan) {
        return a_nan == b_nan ? a.index < b.index : b_nan;
    }
    if (a.value == b.value) {
        return a.index < b.index;
    }
    return ascending ? a.value < b.value : a.value > b.value;
}

__global__ void argmax(Tensor a, Tensor dst, int64_t rows) {
    __shared__ Element best[kThreads];
    for (int64_t r = blockIdx.x; r < rows; r += gridDim.x) {
        const char * row = a.data + r * a.nb[1];
        Element mine = {NAN, a.ne[0]};
        for (int64_t i = thread(); i < a.ne[0]; i += kThreads) {
            const Element element = {load_float(a.type, row, i, a.nb[0]), i};
            if (comes_before(element, mine, false)) {
                mine = element;
            }
        }
        __syncthreads();
        best[thread()] = mine;
        __syncthreads();
        for (int n = kThreads / 2; n > 0; n /= 2) {
            if (thread() < n && comes_before(best[thread() + n], best[thread()], false)) {
                best[thread()] = best[thread() + n];
            }
            __syncthreads();
        }
        if (thread() == 0) {
            *reinterpret_cast<int32_t *>(dst.data + r * dst.nb[0]) = static_cast<int32_t>(best[0].index);
        }
    }
}

__global__ void argsort(Tensor a, bool ascending, Tensor dst, int64_t rows) {
    __shared__ float tile[kThreads];
    const int64_t n = a.ne[0];
    for (int64_t r = blockIdx.y; r < rows; r += gridDim.y) {
        const Place<int64_t> p = place_of(r * n, a.ne);
        const char * row = row_at(a, p);
        const int64_t i = blockIdx.x * static_cast<int64_t>(kThreads) + thread();
        const Element mine = {i < n ? load_float(a.type, row, i, a.nb[0]) : 0.0f, i};
        int64_t place = 0;
        for (int64_t first = 0; first < n; first += kThreads) {
            __syncthreads();
            tile[thread()] = first + thread() < n ? load_float(a.type, row, first + thread(), a.nb[0]) : 0.0f;
            __syncthreads();
            const int count = static_cast<int>(n - first < kThreads ? n - first : kThreads);
            for (int j = 0; j < count; ++j) {
                place += comes_before({tile[j], first + j}, mine, ascending) ? 1 : 0;
            }
        }
        if (i < n && place < dst.ne[0]) {
            *reinterpret_cast<int32_t *>(row_at(dst, p) + place * dst.nb[0]) = static_cast<int32_t>(i);
        }
    }
}

} // namespace

Error launch_argmax(const Launch & launch, const Tensor & a, const Tensor & dst) {
    argmax<<<blocks_for(a.ne[1], 1), kThreads, 0, launch.stream>>>(a, dst, a.ne[1]);
    return launched();
}

Error launch_argsort(const Launch & launch, const Tensor & a, bool ascending, const Tensor & dst) {
    const int64_t rows = n_rows(a);
    const dim3 grid(static_cast<unsigned>((a.ne[0] + kThreads - 1) / kThreads),
                    static_cast<unsigned>(rows < 65535 ? rows : 65535));
    argsort<<<grid, kThreads, 0, launch.stream>>>(a, ascending, dst, rows);
    return launched();
}

} // namespace GGML_SCHED_GPU_VENDOR
} // namespace ggml_sched::gpu
