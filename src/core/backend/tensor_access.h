// tensor_access.h - what every access to a tensor's bytes checks first. Any thread.
//
// The checks log one line and return false if the access must not happen. They also return false, silently, for
// accesses of no bytes.

#pragma once

#include "ggml-backend-impl.h"

#include <algorithm>
#include <cstddef>

namespace ggml_sched {

// Pieces of `size` bytes at offset, offset + stride, ...
struct StridedRange {
    size_t offset;
    size_t size;
    size_t n_copies;
    size_t stride;
};

// The buffer that holds a tensor's bytes; NULL before allocation.
inline ggml_backend_buffer_t buffer_of(const ggml_tensor * tensor) {
    return tensor->view_src != nullptr ? tensor->view_src->buffer : tensor->buffer;
}

bool accessible(const ggml_tensor * tensor, const void * host_data, size_t offset, size_t size, const char * function);
bool accessible_2d(const ggml_tensor * tensor, const void * host_data, const StridedRange & range,
                   const char * function);
bool copyable(const ggml_tensor * src, const ggml_tensor * dst, const char * function);

// The same type, shape and strides
inline bool same_layout(const ggml_tensor * a, const ggml_tensor * b) {
    return a->type == b->type && std::equal(a->ne, a->ne + GGML_MAX_DIMS, b->ne) &&
           std::equal(a->nb, a->nb + GGML_MAX_DIMS, b->nb);
}

} // namespace ggml_sched
