// elements.h - reading and writing the elements of tensors as floats, whatever their type and strides.
//
// Operations go through a tensor in pieces: at most kPiece elements of one row. A piece of contiguous F32 is used where
// it lies; others are converted through scratch memory.

#pragma once

#include "compute.h"

#include <cstddef>
#include <cstdint>

namespace ggml_sched::cpu {

inline bool is_float_type(ggml_type type) {
    return type == GGML_TYPE_F32 || type == GGML_TYPE_F16 || type == GGML_TYPE_BF16;
}

// Converts n elements that lie stride bytes apart. Quantized elements are whole blocks without gaps: n is a multiple of
// the block and stride the block's size.
void load_floats(ggml_type type, const char * src, size_t stride, int64_t n, float * dst);
void store_floats(ggml_type type, const float * src, char * dst, size_t stride, int64_t n);

inline bool is_plain_f32(ggml_type type, size_t stride) {
    return type == GGML_TYPE_F32 && stride == sizeof(float);
}

// The elements as floats: where they lie if possible, else in scratch (n floats).
inline const float * read_floats(ggml_type type, const char * src, size_t stride, int64_t n, float * scratch) {
    if (is_plain_f32(type, stride)) {
        return reinterpret_cast<const float *>(src);
    }
    load_floats(type, src, stride, n, scratch);
    return scratch;
}

struct Row {
    int64_t i1, i2, i3;
};

// The r-th row of t, counting through dimensions 1, 2, 3
inline Row row_of(const ggml_tensor * t, int64_t r) {
    const int64_t plane = r / t->ne[1];
    return {r % t->ne[1], plane % t->ne[2], plane / t->ne[2]};
}

inline char * row_data(const ggml_tensor * t, int64_t i1, int64_t i2, int64_t i3) {
    return static_cast<char *>(t->data) + static_cast<size_t>(i1) * t->nb[1] + static_cast<size_t>(i2) * t->nb[2] +
           static_cast<size_t>(i3) * t->nb[3];
}
inline char * row_data(const ggml_tensor * t, const Row & row) {
    return row_data(t, row.i1, row.i2, row.i3);
}
// The same place in t as `row` in a greater tensor over which t is repeated
inline char * repeated_row_data(const ggml_tensor * t, const Row & row) {
    return row_data(t, row.i1 % t->ne[1], row.i2 % t->ne[2], row.i3 % t->ne[3]);
}

// Bytes from the beginning of a row of t to element i, the first of its block
inline size_t element_offset(const ggml_tensor * t, int64_t i) {
    return static_cast<size_t>(i / ggml_blck_size(t->type)) * t->nb[0];
}

// Elements [first, first + n) of a row
struct Piece {
    Row row;
    int64_t first;
    int64_t n;
};

inline const float * read_piece(const ggml_tensor * t, const Piece & p, float * scratch) {
    return read_floats(t->type, row_data(t, p.row) + element_offset(t, p.first), t->nb[0], p.n, scratch);
}

// Where the floats of a piece of dst are to be written: begin(), then finish() brings them into dst's type.
class PieceWriter {
  public:
    PieceWriter(const ggml_tensor * dst, const Piece & p, float * scratch)
        : type_(dst->type)
        , stride_(dst->nb[0])
        , n_(p.n)
        , dst_(row_data(dst, p.row) + element_offset(dst, p.first))
        , floats_(is_plain_f32(type_, stride_) ? reinterpret_cast<float *>(dst_) : scratch) {}

    float * begin() const { return floats_; }
    void finish() const {
        if (!is_plain_f32(type_, stride_)) {
            store_floats(type_, floats_, dst_, stride_, n_);
        }
    }

  private:
    ggml_type type_;
    size_t stride_;
    int64_t n_;
    char * dst_;
    float * floats_;
};

// Calls f(scratch, piece) for every piece of t's rows, on the context's threads. scratch: kScratchPieces * kPiece
// floats.
template <class F>
void for_each_piece(ComputeContext & ctx, const ggml_tensor * t, int64_t work_per_element, const F & f) {
    const int64_t pieces = (t->ne[0] + kPiece - 1) / kPiece;
    const int64_t work = std::min(t->ne[0], kPiece) * work_per_element;
    ctx.for_each_range(ggml_nrows(t) * pieces, work, [&](int thread, int64_t begin, int64_t end) {
        float * scratch = ctx.scratch(thread);
        for (int64_t u = begin; u < end; ++u) {
            const int64_t first = u % pieces * kPiece;
            f(scratch, Piece{row_of(t, u / pieces), first, std::min(kPiece, t->ne[0] - first)});
        }
    });
}

// Calls f(scratch, row) for every row of t, on the context's threads.
template <class F> void for_each_row(ComputeContext & ctx, const ggml_tensor * t, int64_t work_per_row, const F & f) {
    ctx.for_each_range(ggml_nrows(t), work_per_row, [&](int thread, int64_t begin, int64_t end) {
        for (int64_t r = begin; r < end; ++r) {
            f(ctx.scratch(thread), row_of(t, r));
        }
    });
}

} // namespace ggml_sched::cpu
