// GET_ROWS, SET_ROWS

#include "elements.h"
#include "ops.h"

#include <cstring>

namespace ggml_sched::cpu {

namespace {

// Element (i0, i1, i2) of an I32 or I64 tensor, repeated over a greater one
int64_t index_at(const ggml_tensor * ids, int64_t i0, int64_t i1, int64_t i2) {
    const char * p = row_data(ids, i1 % ids->ne[1], i2 % ids->ne[2], 0) + static_cast<size_t>(i0) * ids->nb[0];
    if (ids->type == GGML_TYPE_I64) {
        int64_t value;
        std::memcpy(&value, p, sizeof(value));
        return value;
    }
    int32_t value;
    std::memcpy(&value, p, sizeof(value));
    return value;
}

// Are all indices rows of a tensor with n_rows rows?
bool check_indices(const ggml_tensor * node, const ggml_tensor * ids, int64_t n_rows) {
    for (int64_t i2 = 0; i2 < ids->ne[2]; ++i2) {
        for (int64_t i1 = 0; i1 < ids->ne[1]; ++i1) {
            for (int64_t i0 = 0; i0 < ids->ne[0]; ++i0) {
                const int64_t row = index_at(ids, i0, i1, i2);
                if (row < 0 || row >= n_rows) {
                    GGML_LOG_ERROR("%s: '%s' (%s): index %lld at [%lld, %lld, %lld] is not one of the %lld rows; give "
                                   "valid indices\n",
                                   __func__, node->name, ggml_op_name(node->op), static_cast<long long>(row),
                                   static_cast<long long>(i0), static_cast<long long>(i1), static_cast<long long>(i2),
                                   static_cast<long long>(n_rows));
                    return false;
                }
            }
        }
    }
    return true;
}

} // namespace

ggml_status compute_get_rows(ComputeContext & ctx, ggml_tensor * dst) {
    const ggml_tensor * a = dst->src[0];
    const ggml_tensor * ids = dst->src[1];
    if (!check_indices(dst, ids, a->ne[1])) {
        return GGML_STATUS_FAILED;
    }
    for_each_piece(ctx, dst, 1, [&](float * scratch, const Piece & p) {
        const int64_t id = index_at(ids, p.row.i1, p.row.i2, p.row.i3);
        const char * from = row_data(a, id, p.row.i2, p.row.i3) + element_offset(a, p.first);
        if (a->type == GGML_TYPE_I32) {
            char * to = row_data(dst, p.row) + element_offset(dst, p.first);
            for (int64_t i = 0; i < p.n; ++i) {
                std::memcpy(to + static_cast<size_t>(i) * dst->nb[0], from + static_cast<size_t>(i) * a->nb[0],
                            sizeof(int32_t));
            }
            return;
        }
        const PieceWriter out(dst, p, scratch);
        load_floats(a->type, from, a->nb[0], p.n, out.begin());
        out.finish();
    });
    return GGML_STATUS_SUCCESS;
}

ggml_status compute_set_rows(ComputeContext & ctx, ggml_tensor * dst) {
    const ggml_tensor * b = dst->src[0];
    const ggml_tensor * ids = dst->src[1];
    if (!check_indices(dst, ids, dst->ne[1])) {
        return GGML_STATUS_FAILED;
    }
    // An index may occur more than once, and the last one counts. So a unit of work is a piece of *every* row of a
    // plane, in order, rather than a row.
    constexpr int64_t width = 64; // a multiple of every block size
    const int64_t pieces = (b->ne[0] + width - 1) / width;
    const int64_t n_units = pieces * b->ne[2] * b->ne[3];
    ctx.for_each_range(n_units, 2 * width * b->ne[1], [&](int thread, int64_t begin, int64_t end) {
        for (int64_t u = begin; u < end; ++u) {
            const int64_t first = u % pieces * width;
            const int64_t n = std::min(width, b->ne[0] - first);
            const int64_t i2 = u / pieces % b->ne[2];
            const int64_t i3 = u / pieces / b->ne[2];
            for (int64_t i1 = 0; i1 < b->ne[1]; ++i1) {
                const float * x = read_piece(b, {{i1, i2, i3}, first, n}, ctx.scratch(thread));
                char * to = row_data(dst, index_at(ids, i1, i2, i3), i2, i3) + element_offset(dst, first);
                store_floats(dst->type, x, to, dst->nb[0], n);
            }
        }
    });
    return GGML_STATUS_SUCCESS;
}

} // namespace ggml_sched::cpu
