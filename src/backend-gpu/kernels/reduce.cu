// SUM_ROWS, RMS_NORM, SOFT_MAX: a block of threads for each row. Thread t takes the elements t, t + kThreads, ...; the
// threads' parts are added as a tree. So zeros after the last element change nothing.

#include "elements.cuh"

#include <cmath>

namespace ggml_sched::gpu {
inline namespace GGML_SCHED_GPU_VENDOR {

namespace {

struct Sum {
    __device__ float operator()(float a, float b) const { return a + b; }
};
struct Greatest {
    __device__ float operator()(float a, float b) const { return fmaxf(a, b); }
};

// f over the values of all threads of the block, for all of them
template <class F> __device__ float reduce(float value, F f) {
    __shared__ float values[kThreads];
    __syncthreads(); // an earlier reduction may still be read
    values[thread()] = value;
    __syncthreads();
    for (int n = kThreads / 2; n > 0; n /= 2) {
        if (thread() < n) {
            values[thread()] = f(values[thread()], values[thread() + n]);
        }
        __syncthreads();
    }
    return values[0];
}

__global__ void sum_rows(Tensor a, Tensor dst, int64_t rows) {
    for (int64_t r = blockIdx.x; r < rows; r += gridDim.x) {
        const Place<int64_t> p = place_of(r * a.ne[0], a.ne);
        const char * row = row_at(a, p);
        float sum = 0.0f;
        for (int64_t i = thread(); i < a.ne[0]; i += kThreads) {
            sum += load_float(a.type, row, i, a.nb[0]);
        }
        sum = reduce(sum, Sum{});
        if (thread() == 0) {
            store_float(dst.type, row_at(dst, p), sum);
        }
    }
}

__global__ void rms_norm(Tensor a, float eps, Tensor dst, int64_t rows) {
    for (int64_t r = blockIdx.x; r < rows; r += gridDim.x) {
        const Place<int64_t> p = place_of(r * a.ne[0], a.ne);
        const char * row = row_at(a, p);
        float squares = 0.0f;
        for (int64_t i = thread(); i < a.ne[0]; i += kThreads) {
            const float x = load_float(a.type, row, i, a.nb[0]);
            squares += x * x;
        }
        squares = reduce(squares, Sum{});
        const float scale = 1.0f / sqrtf(squares / static_cast<float>(a.ne[0]) + eps);
        char * out = row_at(dst, p);
        for (int64_t i = thread(); i < a.ne[0]; i += kThreads) {
            store_float(dst.type, out + i * dst.nb[0], load_float(a.type, row, i, a.nb[0]) * scale);
        }
    }
}

struct SoftMaxParams {
    float scale;
    bool has_mask;
    bool has_bias;
    int64_t power; // the greatest power of two that is not above the number of heads
    float base;    // log2 of the slopes' ratio for heads below `power`
};

// See alibi_slope of the CPU backend.
__device__ float slope_of(const SoftMaxParams & params, int64_t head) {
    if (!params.has_bias) {
        return 1.0f;
    }
    return head < params.power ? exp2f(params.base * static_cast<float>(head + 1))
                               : exp2f(params.base / 2.0f * static_cast<float>(2 * (head - params.power) + 1));
}

__global__ void soft_max(Tensor a, Tensor mask, SoftMaxParams params, Tensor dst, int64_t rows) {
    for (int64_t r = blockIdx.x; r < rows; r += gridDim.x) {
        const Place<int64_t> p = place_of(r * a.ne[0], a.ne);
        const char * row = row_at(a, p);
        const char * mask_row = params.has_mask ? row_at(mask, p.i1, p.i2 % mask.ne[2], p.i3 % mask.ne[3]) : nullptr;
        const float slope = slope_of(params, p.i2);
        const auto value_at = [&](int64_t i) {
            const float x = load_float(a.type, row, i, a.nb[0]) * params.scale;
            return params.has_mask ? x + load_float(mask.type, mask_row, i, mask.nb[0]) * slope : x;
        };
        float greatest = -INFINITY;
        for (int64_t i = thread(); i < a.ne[0]; i += kThreads) {
            greatest = fmaxf(greatest, value_at(i));
        }
        greatest = reduce(greatest, Greatest{});
        // A row that is masked altogether gets no weight anywhere, rather than NaN.
        const float base = greatest == -INFINITY ? 0.0f : greatest;
        float * out = reinterpret_cast<float *>(row_at(dst, p));
        float sum = 0.0f;
        for (int64_t i = thread(); i < a.ne[0]; i += kThreads) {
            const float y = expf(value_at(i) - base);
            out[i] = y; // may be where this thread has just read
            sum += y;
        }
        sum = reduce(sum, Sum{});
        const float inverse = sum != 0.0f ? 1.0f / sum : 0.0f;
        for (int64_t i = thread(); i < a.ne[0]; i += kThreads) {
            out[i] *= inverse;
        }
    }
}

} // namespace

Error launch_sum_rows(const Launch & launch, const Tensor & a, const Tensor & dst) {
    sum_rows<<<blocks_for(n_rows(a), 1), kThreads, 0, launch.stream>>>(a, dst, n_rows(a));
    return launched();
}

Error launch_rms_norm(const Launch & launch, const Tensor & a, float eps, const Tensor & dst) {
    rms_norm<<<blocks_for(n_rows(a), 1), kThreads, 0, launch.stream>>>(a, eps, dst, n_rows(a));
    return launched();
}

Error launch_soft_max(const Launch & launch, const Tensor & a, const Tensor * mask, float scale, float max_bias,
                      const Tensor & dst) {
    SoftMaxParams params = {scale, mask != nullptr, max_bias > 0.0f, 1, 0.0f};
    while (params.power * 2 <= a.ne[2]) {
        params.power *= 2;
    }
    params.base = -max_bias / static_cast<float>(params.power);
    soft_max<<<blocks_for(n_rows(a), 1), kThreads, 0, launch.stream>>>(a, mask != nullptr ? *mask : a, params, dst,
                                                                       n_rows(a));
    return launched();
}

} // namespace GGML_SCHED_GPU_VENDOR
} // namespace ggml_sched::gpu
