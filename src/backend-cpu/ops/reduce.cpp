// SUM_ROWS, RMS_NORM, SOFT_MAX

#include "elements.h"
#include "lanes.h"
#include "ops.h"
#include "params.h"
#include "rounded.h"

#include <cmath>
#include <limits>

namespace ggml_sched::cpu {

namespace {

// Calls f(piece) for the pieces of one row of n elements, in order.
template <class F> void for_pieces_of_row(const Row & row, int64_t n, const F & f) {
    for (int64_t first = 0; first < n; first += kPiece) {
        f(Piece{row, first, std::min(kPiece, n - first)});
    }
}

// The slope of each head as in "Train Short, Test Long" (arXiv 2108.12409): a geometric sequence for the greatest power
// of two that is not above n_head; the other heads take every second member of the sequence of twice that length.
float alibi_slope(float max_bias, int64_t n_head, int64_t head) {
    if (max_bias <= 0.0f) {
        return 1.0f;
    }
    int64_t power = 1;
    while (power * 2 <= n_head) {
        power *= 2;
    }
    const float n = static_cast<float>(power);
    return head < power ? rounded::exp2(-max_bias / n * static_cast<float>(head + 1))
                        : rounded::exp2(-max_bias / 2.0f / n * static_cast<float>(2 * (head - power) + 1));
}

// y = x * scale + mask * slope over one row; returns the greatest y.
float scale_and_mask(const ggml_tensor * a, const ggml_tensor * mask, float scale, float slope, const Row & row,
                     float * scratch, float * y) {
    float greatest = -std::numeric_limits<float>::infinity();
    for_pieces_of_row(row, a->ne[0], [&](const Piece & p) {
        const float * x = read_piece(a, p, scratch);
        float * out = y + p.first;
        if (mask != nullptr) {
            const char * m_row = row_data(mask, row.i1, row.i2 % mask->ne[2], row.i3 % mask->ne[3]);
            const float * m =
                read_floats(mask->type, m_row + element_offset(mask, p.first), mask->nb[0], p.n, scratch + kPiece);
            for (int64_t i = 0; i < p.n; ++i) {
                out[i] = x[i] * scale + m[i] * slope;
            }
        } else {
            for (int64_t i = 0; i < p.n; ++i) {
                out[i] = x[i] * scale;
            }
        }
        for (int64_t i = 0; i < p.n; ++i) {
            greatest = std::max(greatest, out[i]);
        }
    });
    return greatest;
}

} // namespace

ggml_status compute_sum_rows(ComputeContext & ctx, ggml_tensor * dst) {
    const ggml_tensor * a = dst->src[0];
    for_each_row(ctx, a, a->ne[0], [&](float * scratch, const Row & row) {
        LaneSum sum;
        for_pieces_of_row(row, a->ne[0], [&](const Piece & p) { sum.add(read_piece(a, p, scratch), p.n); });
        const float total = sum.total();
        store_floats(dst->type, &total, row_data(dst, row), dst->nb[0], 1);
    });
    return GGML_STATUS_SUCCESS;
}

ggml_status compute_rms_norm(ComputeContext & ctx, ggml_tensor * dst) {
    const ggml_tensor * a = dst->src[0];
    const float eps = param_f32(dst, 0);
    for_each_row(ctx, a, 3 * a->ne[0], [&](float * scratch, const Row & row) {
        LaneSum squares;
        for_pieces_of_row(row, a->ne[0], [&](const Piece & p) { squares.add_squares(read_piece(a, p, scratch), p.n); });
        const float scale = 1.0f / std::sqrt(squares.total() / static_cast<float>(a->ne[0]) + eps);
        for_pieces_of_row(row, a->ne[0], [&](const Piece & p) {
            const float * x = read_piece(a, p, scratch);
            const PieceWriter out(dst, p, scratch + kPiece);
            float * y = out.begin();
            for (int64_t i = 0; i < p.n; ++i) {
                y[i] = x[i] * scale;
            }
            out.finish();
        });
    });
    return GGML_STATUS_SUCCESS;
}

ggml_status compute_soft_max(ComputeContext & ctx, ggml_tensor * dst) {
    const ggml_tensor * a = dst->src[0];
    const ggml_tensor * mask = dst->src[1];
    const float scale = param_f32(dst, 0);
    const float max_bias = param_f32(dst, 1);
    const int64_t n = a->ne[0];
    for_each_row(ctx, a, 20 * n, [&](float * scratch, const Row & row) {
        float * y = reinterpret_cast<float *>(row_data(dst, row));
        const float slope = alibi_slope(max_bias, a->ne[2], row.i2);
        const float greatest = scale_and_mask(a, mask, scale, slope, row, scratch, y);
        // A row that is masked altogether gets no weight anywhere, rather than NaN.
        const float base = greatest == -std::numeric_limits<float>::infinity() ? 0.0f : greatest;
        for (int64_t i = 0; i < n; ++i) {
            y[i] = rounded::exp(y[i] - base);
        }
        LaneSum sum;
        sum.add(y, n);
        const float total = sum.total();
        const float inverse = total != 0.0f ? 1.0f / total : 0.0f;
        for (int64_t i = 0; i < n; ++i) {
            y[i] *= inverse;
        }
    });
    return GGML_STATUS_SUCCESS;
}

} // namespace ggml_sched::cpu
