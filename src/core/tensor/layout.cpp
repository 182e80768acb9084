#include "checked.h"
#include "enumerator.h"
#include "ggml-impl.h"
#include "tensor/context.h"

#include <cstring>

namespace ggml_sched::core {

namespace {

// The strides of a contiguous layout; false if the bytes, or the elements with empty dimensions counted as 1, overflow.
bool fill_strides(Layout & layout, const ggml_type_traits & traits) {
    size_t total = traits.type_size;
    size_t stride = traits.type_size;
    for (int i = 0; i < GGML_MAX_DIMS; i++) {
        layout.nb[i] = stride;
        const auto count = static_cast<size_t>(i == 0 ? layout.ne[i] / traits.blck_size : layout.ne[i]);
        if (!checked_mul(total, count > 0 ? count : 1, total) ||
            total > static_cast<size_t>(INT64_MAX / traits.blck_size)) {
            return false;
        }
        stride *= count;
    }
    return true;
}

} // namespace

Layout layout_of(const ggml_tensor * tensor) {
    Layout layout;
    layout.type = tensor->type;
    std::memcpy(layout.ne, tensor->ne, sizeof(layout.ne));
    std::memcpy(layout.nb, tensor->nb, sizeof(layout.nb));
    return layout;
}

bool contiguous_layout(const char * builder, const ggml_type & type, int n_dims, const int64_t * ne, Layout & layout) {
    const ggml_type_traits * traits = ggml_get_type_traits(known_or_count(type, GGML_TYPE_COUNT));
    if (!traits) {
        GGML_LOG_ERROR("%s: type %d is unknown; use one of enum ggml_type\n", builder, number_of(type));
        return false;
    }
    if (!ne || n_dims < 1 || n_dims > GGML_MAX_DIMS) {
        GGML_LOG_ERROR("%s: %d dimensions; pass the sizes of 1 to %d\n", builder, n_dims, GGML_MAX_DIMS);
        return false;
    }
    layout.type = type;
    for (int i = 0; i < GGML_MAX_DIMS; i++) {
        layout.ne[i] = i < n_dims ? ne[i] : 1;
        if (layout.ne[i] < 0) {
            GGML_LOG_ERROR("%s: dimension %d is %lld; sizes must not be negative\n", builder, i, (long long) ne[i]);
            return false;
        }
    }
    if (layout.ne[0] % traits->blck_size != 0) {
        GGML_LOG_ERROR("%s: rows of %lld elements; type %s needs a multiple of %lld\n", builder,
                       (long long) layout.ne[0], traits->type_name, (long long) traits->blck_size);
        return false;
    }
    if (!fill_strides(layout, *traits)) {
        GGML_LOG_ERROR("%s: a tensor of %lld x %lld x %lld x %lld elements is too large to address\n", builder,
                       (long long) layout.ne[0], (long long) layout.ne[1], (long long) layout.ne[2],
                       (long long) layout.ne[3]);
        return false;
    }
    return true;
}

bool byte_extent(const Layout & layout, size_t & extent) {
    const int64_t block = ggml_blck_size(layout.type);
    size_t last = ggml_type_size(layout.type);
    if (block == 0) {
        return false; // There is no such type.
    }
    for (int i = 0; i < GGML_MAX_DIMS; i++) {
        if (layout.ne[i] <= 0) {
            extent = 0;
            return true;
        }
        const int64_t count = i == 0 ? layout.ne[i] / block : layout.ne[i];
        size_t distance = 0;
        if (!checked_mul(static_cast<size_t>(count - 1), layout.nb[i], distance) ||
            !checked_add(last, distance, last)) {
            return false;
        }
    }
    extent = last;
    return true;
}

bool is_aligned(const Layout & layout, size_t offset) {
    const size_t unit = ggml_type_size(layout.type);
    bool aligned = unit != 0 && offset % unit == 0;
    for (int i = 0; i < GGML_MAX_DIMS; i++) {
        aligned = aligned && (layout.ne[i] <= 1 || layout.nb[i] % unit == 0);
    }
    return aligned;
}

} // namespace ggml_sched::core
