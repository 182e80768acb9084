#include "dot_products.h"

#include "lanes.h"

namespace ggml_sched::cpu {

namespace {

// R * C products at once share their loads: a tile small enough for its lanes to stay in registers.
template <int R, int C>
void multiply_tile(const float * rows, int64_t row_stride, const float * const * columns, float * const * out,
                   int64_t first_row, int64_t k) {
    LaneSum sum[R][C];
    const auto add_products = [&](int64_t i, const auto & load) {
        LaneValues column[C];
        for (int c = 0; c < C; ++c) {
            column[c] = load(columns[c] + i);
        }
        for (int r = 0; r < R; ++r) {
            const LaneValues row = load(rows + (first_row + r) * row_stride + i);
            for (int c = 0; c < C; ++c) {
                sum[r][c].add_product(row, column[c]);
            }
        }
    };
    int64_t i = 0;
    for (; i + kLanes <= k; i += kLanes) {
        add_products(i, load_lanes);
    }
    if (i < k) {
        add_products(i, [&](const float * p) { return load_tail(p, k - i); });
    }
    for (int r = 0; r < R; ++r) {
        for (int c = 0; c < C; ++c) {
            out[c][first_row + r] = sum[r][c].total();
        }
    }
}

} // namespace

void multiply_panel(const float * rows, int64_t row_stride, int64_t n_rows, const float * const * columns,
                    float * const * out, int64_t n_columns, int64_t k) {
    int64_t c = 0;
    for (; c + 2 <= n_columns; c += 2) {
        int64_t r = 0;
        for (; r + 2 <= n_rows; r += 2) {
            multiply_tile<2, 2>(rows, row_stride, columns + c, out + c, r, k);
        }
        for (; r < n_rows; ++r) {
            multiply_tile<1, 2>(rows, row_stride, columns + c, out + c, r, k);
        }
    }
    for (; c < n_columns; ++c) {
        int64_t r = 0;
        for (; r + 4 <= n_rows; r += 4) {
            multiply_tile<4, 1>(rows, row_stride, columns + c, out + c, r, k);
        }
        for (; r < n_rows; ++r) {
            multiply_tile<1, 1>(rows, row_stride, columns + c, out + c, r, k);
        }
    }
}

} // namespace ggml_sched::cpu
