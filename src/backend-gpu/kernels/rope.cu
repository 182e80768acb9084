// ROPE: a thread for each pair of dimensions, and for each dimension that is only copied

#include "elements.cuh"

namespace ggml_sched::gpu {
inline namespace GGML_SCHED_GPU_VENDOR {

namespace {

// The angle per position of pair i
__device__ float frequency_of(const RopeParams & params, const Tensor & divisors, bool has_divisors, int i) {
    float extrapolated = powf(params.freq_base, -2.0f * static_cast<float>(i) / static_cast<float>(params.n_dims));
    if (has_divisors) {
        extrapolated /= *reinterpret_cast<const float *>(divisors.data + i * divisors.nb[0]);
    }
    const float interpolated = params.freq_scale * extrapolated;
    if (params.ext_factor == 0.0f) {
        return interpolated;
    }
    const float ramp = (static_cast<float>(i) - params.low) / fmaxf(0.001f, params.high - params.low);
    const float mix = (1.0f - fminf(fmaxf(ramp, 0.0f), 1.0f)) * params.ext_factor;
    return interpolated * (1.0f - mix) + extrapolated * mix;
}

__global__ void rope(RopeParams params, Tensor a, Tensor positions, Tensor divisors, bool has_divisors, Tensor dst,
                     int64_t n) {
    const int half = params.n_dims / 2;
    const int64_t per_row = a.ne[0] - half; // pairs, then the dimensions behind them
    for (int64_t u = blockIdx.x * blockDim.x + threadIdx.x; u < n; u += gridDim.x * blockDim.x) {
        const int64_t ne[4] = {per_row, a.ne[1], a.ne[2], a.ne[3]};
        const Place<int64_t> p = place_of(u, ne);
        const char * x = row_at(a, p);
        char * y = row_at(dst, p);
        if (p.i0 >= half) {
            const int64_t i = p.i0 + half;
            store_float(dst.type, y + i * dst.nb[0], load_float(a.type, x, i, a.nb[0]));
            continue;
        }
        const int pair = static_cast<int>(p.i0);
        const int32_t position = *reinterpret_cast<const int32_t *>(positions.data + p.i2 * positions.nb[0]);
        const float theta = static_cast<float>(position) * frequency_of(params, divisors, has_divisors, pair);
        const float cosine = cosf(theta) * params.magnitude;
        const float sine = sinf(theta) * params.magnitude;
        const int64_t first = params.neox ? pair : 2 * pair;
        const int64_t second = params.neox ? pair + half : 2 * pair + 1;
        const float x0 = load_float(a.type, x, first, a.nb[0]);
        const float x1 = load_float(a.type, x, second, a.nb[0]);
        store_float(dst.type, y + first * dst.nb[0], x0 * cosine - x1 * sine);
        store_float(dst.type, y + second * dst.nb[0], x0 * sine + x1 * cosine);
    }
}

} // namespace

Error launch_rope(const Launch & launch, const RopeParams & params, const Tensor & a, const Tensor & positions,
                  const Tensor * divisors, const Tensor & dst) {
    const int64_t n = (a.ne[0] - params.n_dims / 2) * n_rows(a);
    rope<<<blocks_for(n, kThreads), kThreads, 0, launch.stream>>>(
        params, a, positions, divisors != nullptr ? *divisors : a, divisors != nullptr, dst, n);
    return launched();
}

} // namespace GGML_SCHED_GPU_VENDOR
} // namespace ggml_sched::gpu
