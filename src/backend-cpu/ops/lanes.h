// lanes.h - sums whose bits do not depend on who computes them.
//
// Element i of a sum goes to lane i mod kLanes, and the lanes are added in one fixed order at the end. So the result
// depends on the elements alone, and zeros after the last element change nothing: a lane that starts at +0 stays what
// it is when a zero of either sign is added.

#pragma once

#include <cstdint>
#include <cstring>

namespace ggml_sched::cpu {

constexpr int kLanes = 8;

// Four floats, added and multiplied one by one. Compilers that have vectors keep them in one register; from loops over
// arrays gcc makes shuffles instead.
#if defined(__GNUC__) && !defined(GGML_SCHED_PLAIN_LANES)
using Float4 = float __attribute__((vector_size(16)));
#else
struct Float4 {
    float v[4];
    float operator[](int i) const { return v[i]; }
    friend Float4 operator+(Float4 a, Float4 b) {
        return {{a.v[0] + b.v[0], a.v[1] + b.v[1], a.v[2] + b.v[2], a.v[3] + b.v[3]}};
    }
    friend Float4 operator*(Float4 a, Float4 b) {
        return {{a.v[0] * b.v[0], a.v[1] * b.v[1], a.v[2] * b.v[2], a.v[3] * b.v[3]}};
    }
};
#endif

inline Float4 load4(const float * p) {
    Float4 v;
    std::memcpy(&v, p, sizeof(v));
    return v;
}

// kLanes floats: one element of a sum for every lane
struct LaneValues {
    Float4 low, high;
};

inline LaneValues load_lanes(const float * p) {
    return {load4(p), load4(p + 4)};
}

// The last n < kLanes elements; the lanes that have none get 0.
inline LaneValues load_tail(const float * p, int64_t n) {
    float padded[kLanes] = {};
    std::memcpy(padded, p, static_cast<size_t>(n) * sizeof(float));
    return load_lanes(padded);
}

struct LaneSum {
    Float4 low = {};
    Float4 high = {};

    void add(const LaneValues & x) {
        low = low + x.low;
        high = high + x.high;
    }
    void add_product(const LaneValues & x, const LaneValues & y) {
        low = low + x.low * y.low;
        high = high + x.high * y.high;
    }
    float total() const {
        const Float4 sum = low + high;
        return (sum[0] + sum[2]) + (sum[1] + sum[3]);
    }

    // Adds n elements, of which the first belongs to lane 0.
    void add(const float * x, int64_t n) {
        int64_t i = 0;
        for (; i + kLanes <= n; i += kLanes) {
            add(load_lanes(x + i));
        }
        if (i < n) {
            add(load_tail(x + i, n - i));
        }
    }
    void add_squares(const float * x, int64_t n) {
        int64_t i = 0;
        for (; i + kLanes <= n; i += kLanes) {
            const LaneValues v = load_lanes(x + i);
            add_product(v, v);
        }
        if (i < n) {
            const LaneValues v = load_tail(x + i, n - i);
            add_product(v, v);
        }
    }
};

} // namespace ggml_sched::cpu
