// ADD, MUL, DIV, SCALE, UNARY, GLU

#include "elements.cuh"

namespace ggml_sched::gpu {
inline namespace GGML_SCHED_GPU_VENDOR {

namespace {

struct Add {
    __device__ float operator()(float x, float y) const { return x + y; }
};
struct Mul {
    __device__ float operator()(float x, float y) const { return x * y; }
};
struct Div {
    __device__ float operator()(float x, float y) const { return x / y; }
};

__device__ float silu(float x) {
    return x / (1.0f + expf(-x));
}

struct Relu {
    __device__ float operator()(float x) const { return x > 0.0f ? x : 0.0f; }
};
struct Gelu {
    __device__ float operator()(float x) const {
        constexpr float sqrt_2_over_pi = 0.79788456080286535588f;
        return 0.5f * x * (1.0f + tanhf(sqrt_2_over_pi * x * (1.0f + 0.044715f * x * x)));
    }
};
struct Silu {
    __device__ float operator()(float x) const { return silu(x); }
};
struct Scale {
    float scale;
    float bias;
    __device__ float operator()(float x) const { return scale * x + bias; }
};

template <class I, class F> __global__ void binary(Tensor a, Tensor b, Tensor dst, I n, F f) {
    for (I i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += gridDim.x * blockDim.x) {
        const Place<I> p = place_of(i, dst.ne);
        const Place<I> q = repeated(p, b, dst);
        const float x = load_float(a.type, row_at(a, p), p.i0, a.nb[0]);
        const float y = load_float(b.type, row_at(b, q), q.i0, b.nb[0]);
        store_float(dst.type, row_at(dst, p) + p.i0 * dst.nb[0], f(x, y));
    }
}

template <class I, class F> __global__ void unary(Tensor a, Tensor dst, I n, F f) {
    for (I i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += gridDim.x * blockDim.x) {
        const Place<I> p = place_of(i, dst.ne);
        const float x = load_float(a.type, row_at(a, p), p.i0, a.nb[0]);
        store_float(dst.type, row_at(dst, p) + p.i0 * dst.nb[0], f(x));
    }
}

template <class I>
__global__ void swiglu(Tensor gate, int64_t gate_at, Tensor value, int64_t value_at, Tensor dst, I n) {
    for (I i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += gridDim.x * blockDim.x) {
        const Place<I> p = place_of(i, dst.ne);
        const float x = load_float(gate.type, row_at(gate, p), gate_at + p.i0, gate.nb[0]);
        const float y = load_float(value.type, row_at(value, p), value_at + p.i0, value.nb[0]);
        store_float(dst.type, row_at(dst, p) + p.i0 * dst.nb[0], silu(x) * y);
    }
}

template <class F>
Error launch_binary_as(const Launch & launch, const Tensor & a, const Tensor & b, const Tensor & dst, F f) {
    const int64_t n = n_elements(dst);
    const unsigned blocks = blocks_for(n, kThreads);
    if (fits_u32(n)) {
        binary<uint32_t><<<blocks, kThreads, 0, launch.stream>>>(a, b, dst, static_cast<uint32_t>(n), f);
    } else {
        binary<uint64_t><<<blocks, kThreads, 0, launch.stream>>>(a, b, dst, static_cast<uint64_t>(n), f);
    }
    return launched();
}

template <class F> Error launch_unary_as(const Launch & launch, const Tensor & a, const Tensor & dst, F f) {
    const int64_t n = n_elements(dst);
    const unsigned blocks = blocks_for(n, kThreads);
    if (fits_u32(n)) {
        unary<uint32_t><<<blocks, kThreads, 0, launch.stream>>>(a, dst, static_cast<uint32_t>(n), f);
    } else {
        unary<uint64_t><<<blocks, kThreads, 0, launch.stream>>>(a, dst, static_cast<uint64_t>(n), f);
    }
    return launched();
}

} // namespace

Error launch_binary(const Launch & launch, BinaryKind kind, const Tensor & a, const Tensor & b, const Tensor & dst) {
    switch (kind) {
    case BinaryKind::Add: return launch_binary_as(launch, a, b, dst, Add{});
    case BinaryKind::Mul: return launch_binary_as(launch, a, b, dst, Mul{});
    default: return launch_binary_as(launch, a, b, dst, Div{});
    }
}

Error launch_unary(const Launch & launch, UnaryKind kind, const Tensor & a, const Tensor & dst) {
    switch (kind) {
    case UnaryKind::Relu: return launch_unary_as(launch, a, dst, Relu{});
    case UnaryKind::Gelu: return launch_unary_as(launch, a, dst, Gelu{});
    default: return launch_unary_as(launch, a, dst, Silu{});
    }
}

Error launch_scale(const Launch & launch, const Tensor & a, float scale, float bias, const Tensor & dst) {
    return launch_unary_as(launch, a, dst, Scale{scale, bias});
}

Error launch_swiglu(const Launch & launch, const Tensor & gate, int64_t gate_at, const Tensor & value, int64_t value_at,
                    const Tensor & dst) {
    const int64_t n = n_elements(dst);
    const unsigned blocks = blocks_for(n, kThreads);
    if (fits_u32(n)) {
        swiglu<uint32_t>
            <<<blocks, kThreads, 0, launch.stream>>>(gate, gate_at, value, value_at, dst, static_cast<uint32_t>(n));
    } else {
        swiglu<uint64_t>
            <<<blocks, kThreads, 0, launch.stream>>>(gate, gate_at, value, value_at, dst, static_cast<uint64_t>(n));
    }
    return launched();
}

} // namespace GGML_SCHED_GPU_VENDOR
} // namespace ggml_sched::gpu
