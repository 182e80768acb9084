// tensor.h - a tensor as kernels see it: a plain value that is passed by copy.

#pragma once

#include "ggml.h"
#include "vendor.h"

#include <cstddef>
#include <cstdint>

namespace ggml_sched::gpu {
inline namespace GGML_SCHED_GPU_VENDOR {

struct Tensor {
    char * data;
    int64_t ne[4];
    int64_t nb[4]; // bytes
    ggml_type type;
};

inline Tensor tensor_of(const ggml_tensor * t) {
    Tensor result = {static_cast<char *>(t->data), {}, {}, t->type};
    for (int i = 0; i < GGML_MAX_DIMS; ++i) {
        result.ne[i] = t->ne[i];
        result.nb[i] = static_cast<int64_t>(t->nb[i]);
    }
    return result;
}

inline int64_t n_elements(const Tensor & t) {
    return t.ne[0] * t.ne[1] * t.ne[2] * t.ne[3];
}
inline int64_t n_rows(const Tensor & t) {
    return t.ne[1] * t.ne[2] * t.ne[3];
}

} // namespace GGML_SCHED_GPU_VENDOR
} // namespace ggml_sched::gpu
