// arguments.h - checks of arguments that come through the C API. Any thread.

#pragma once

#include "ggml-impl.h"

#include <cstddef>

namespace ggml_sched {

// Logs an error and returns false if argument is NULL.
inline bool given(const void * argument, const char * function, const char * name) {
    if (argument != nullptr) {
        return true;
    }
    GGML_LOG_ERROR("%s: %s is NULL\n", function, name);
    return false;
}

// Does [offset, offset + size) lie within [0, total)?
inline bool in_bounds(size_t offset, size_t size, size_t total) {
    return size <= total && offset <= total - size;
}

inline bool is_power_of_two(size_t x) {
    return x != 0 && (x & (x - 1)) == 0;
}

// The least multiple of alignment (a power of two) that is not below size; false if there is none.
inline bool align_up(size_t size, size_t alignment, size_t * result) {
    *result = (size + alignment - 1) & ~(alignment - 1);
    return *result >= size;
}

} // namespace ggml_sched
