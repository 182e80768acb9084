// ARGMAX, ARGSORT, TOP_K. NaN counts as less than everything when the greatest come first, and as greater than
// everything when the least do: it is always last.

#include "elements.h"
#include "ops.h"

#include <cmath>
#include <functional>
#include <numeric>

namespace ggml_sched::cpu {

namespace {

// A strict order of indices. Equal values are in the order of their indices, so every sort by it is stable.
template <class Before> struct Order {
    const float * x;
    bool operator()(int32_t a, int32_t b) const {
        const bool a_nan = std::isnan(x[a]);
        const bool b_nan = std::isnan(x[b]);
        if (a_nan || b_nan) {
            return a_nan == b_nan ? a < b : b_nan;
        }
        return Before()(x[a], x[b]) || (x[a] == x[b] && a < b);
    }
};

using LeastFirst = Order<std::less<float>>;
using GreatestFirst = Order<std::greater<float>>;

const float * read_row(const ggml_tensor * t, const Row & row, float * scratch) {
    return read_floats(t->type, row_data(t, row), t->nb[0], t->ne[0], scratch);
}

} // namespace

ggml_status compute_argmax(ComputeContext & ctx, ggml_tensor * dst) {
    const ggml_tensor * a = dst->src[0];
    if (!ctx.reserve(a->ne[0], 0)) {
        return GGML_STATUS_ALLOC_FAILED;
    }
    for_each_row(ctx, a, a->ne[0], [&](float * scratch, const Row & row) {
        const float * x = read_row(a, row, scratch);
        int64_t best = 0;
        for (int64_t i = 1; i < a->ne[0]; ++i) {
            if (x[i] > x[best] || (std::isnan(x[best]) && !std::isnan(x[i]))) {
                best = i;
            }
        }
        *reinterpret_cast<int32_t *>(static_cast<char *>(dst->data) + static_cast<size_t>(row.i1) * dst->nb[0]) =
            static_cast<int32_t>(best);
    });
    return GGML_STATUS_SUCCESS;
}

ggml_status compute_argsort(ComputeContext & ctx, ggml_tensor * dst) {
    const ggml_tensor * a = dst->src[0];
    if (!ctx.reserve(a->ne[0], 0)) {
        return GGML_STATUS_ALLOC_FAILED;
    }
    const bool ascending = ggml_get_op_params_i32(dst, 0) == GGML_SORT_ORDER_ASC;
    for_each_row(ctx, a, 16 * a->ne[0], [&](float * scratch, const Row & row) {
        const float * x = read_row(a, row, scratch);
        int32_t * indices = reinterpret_cast<int32_t *>(row_data(dst, row));
        std::iota(indices, indices + a->ne[0], 0);
        if (ascending) {
            std::sort(indices, indices + a->ne[0], LeastFirst{x});
        } else {
            std::sort(indices, indices + a->ne[0], GreatestFirst{x});
        }
    });
    return GGML_STATUS_SUCCESS;
}

ggml_status compute_top_k(ComputeContext & ctx, ggml_tensor * dst) {
    const ggml_tensor * a = dst->src[0];
    const int64_t n = a->ne[0];
    if (!ctx.reserve(2 * n, 0)) { // the row and its indices
        return GGML_STATUS_ALLOC_FAILED;
    }
    for_each_row(ctx, a, 16 * n, [&](float * scratch, const Row & row) {
        const float * x = read_row(a, row, scratch);
        int32_t * indices = reinterpret_cast<int32_t *>(scratch + n);
        std::iota(indices, indices + n, 0);
        std::partial_sort(indices, indices + dst->ne[0], indices + n, GreatestFirst{x});
        std::copy(indices, indices + dst->ne[0], reinterpret_cast<int32_t *>(row_data(dst, row)));
    });
    return GGML_STATUS_SUCCESS;
}

} // namespace ggml_sched::cpu
