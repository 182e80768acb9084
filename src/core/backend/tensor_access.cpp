#include "backend/tensor_access.h"

#include "arguments.h"

namespace ggml_sched {

namespace {

bool placed(const ggml_tensor * tensor, const char * function) {
    if (buffer_of(tensor) != nullptr && tensor->data != nullptr) {
        return true;
    }
    GGML_LOG_ERROR("%s: tensor %s is not allocated; place it in a buffer first\n", function, tensor->name);
    return false;
}

bool within(const ggml_tensor * tensor, const StridedRange & range, const char * function) {
    const size_t total = ggml_nbytes(tensor);
    const size_t n_strides = range.n_copies - 1;
    const bool overflow = range.stride != 0 && n_strides > total / range.stride;
    const size_t skipped = overflow ? 0 : n_strides * range.stride;
    if (!overflow && skipped <= total && in_bounds(range.offset, range.size, total - skipped)) {
        return true;
    }
    GGML_LOG_ERROR("%s: %zu x %zu bytes at offset %zu, stride %zu, are outside of tensor %s of %zu bytes\n", function,
                   range.n_copies, range.size, range.offset, range.stride, tensor->name, total);
    return false;
}

} // namespace

bool accessible(const ggml_tensor * tensor, const void * host_data, size_t offset, size_t size, const char * function) {
    return accessible_2d(tensor, host_data, {offset, size, 1, 0}, function);
}

bool accessible_2d(const ggml_tensor * tensor, const void * host_data, const StridedRange & range,
                   const char * function) {
    if (!given(tensor, function, "tensor")) {
        return false;
    }
    if (range.size == 0 || range.n_copies == 0) {
        return false;
    }
    return given(host_data, function, "data") && placed(tensor, function) && within(tensor, range, function);
}

bool copyable(const ggml_tensor * src, const ggml_tensor * dst, const char * function) {
    if (!given(src, function, "src") || !given(dst, function, "dst")) {
        return false;
    }
    if (!same_layout(src, dst)) {
        GGML_LOG_ERROR("%s: tensors %s and %s differ in type, shape or strides; make them the same\n", function,
                       src->name, dst->name);
        return false;
    }
    return !ggml_is_empty(src) && placed(src, function) && placed(dst, function);
}

} // namespace ggml_sched
