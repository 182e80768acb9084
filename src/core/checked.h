// checked.h - arithmetic on sizes that reports overflow. Pure functions, any thread.

#pragma once

#include <cstddef>
#include <cstdint>

namespace ggml_sched::core {

// out = a * b; false, out unchanged, if that overflows. out may be one of the operands.
inline bool checked_mul(size_t a, size_t b, size_t & out) {
    if (b != 0 && a > SIZE_MAX / b) {
        return false;
    }
    out = a * b;
    return true;
}

// out = a + b; false, out unchanged, if that overflows.
inline bool checked_add(size_t a, size_t b, size_t & out) {
    if (a > SIZE_MAX - b) {
        return false;
    }
    out = a + b;
    return true;
}

} // namespace ggml_sched::core
