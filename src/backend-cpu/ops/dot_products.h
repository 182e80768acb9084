// dot_products.h - the products of some rows with some columns, the core of both matrix multiplications.

#pragma once

#include <cstdint>

namespace ggml_sched::cpu {

// A panel holds at most this many columns.
constexpr int kPanelColumns = 64;

// out[c][r] = rows[r] . columns[c], each over k floats. Every product has the same bits whatever it is computed
// together with (see lanes.h). row_stride: floats from a row to the next.
void multiply_panel(const float * rows, int64_t row_stride, int64_t n_rows, const float * const * columns,
                    float * const * out, int64_t n_columns, int64_t k);

// How many rows of k floats to keep in the cache while they are multiplied with many columns; a multiple of 4
inline int64_t rows_of_panel(int64_t k) {
    constexpr int64_t floats = 16384;
    const int64_t rows = k > 0 ? floats / k / 4 * 4 : 32;
    return rows < 4 ? 4 : rows > 32 ? 32 : rows;
}

} // namespace ggml_sched::cpu
