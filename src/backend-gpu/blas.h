// blas.h - the one matrix product that a vendor's BLAS is used for, as values.

#pragma once

#include <cstdint>

namespace ggml_sched::gpu {

enum class BlasType { F32, F16, BF16 };

// c = transpose(a) * b, column-major: a is k x m, b is k x n, c (F32) is m x n; each without gaps. Sums are F32.
struct BlasProduct {
    const void * a;
    const void * b;
    float * c;
    BlasType type; // of a and b
    int m;
    int n;
    int k;
};

} // namespace ggml_sched::gpu
