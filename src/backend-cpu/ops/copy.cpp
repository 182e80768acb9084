// DUP, CPY, CONT, SET, REPEAT, CONCAT

#include "elements.h"
#include "ops.h"

#include <cstring>

namespace ggml_sched::cpu {

namespace {

// What is moved between tensors of one type: an element, or a block of a quantized type
struct Units {
    explicit Units(const ggml_tensor * t)
        : block(ggml_blck_size(t->type))
        , size(ggml_type_size(t->type))
        , per_row(t->ne[0] / block) {}

    int64_t block;   // elements a unit
    size_t size;     // bytes a unit
    int64_t per_row; // units a row
};

template <class T> void copy_strided_as(const char * src, size_t src_stride, char * dst, size_t dst_stride, int64_t n) {
    for (int64_t i = 0; i < n; ++i, src += src_stride, dst += dst_stride) {
        std::memcpy(dst, src, sizeof(T));
    }
}

void copy_units(const char * src, size_t src_stride, char * dst, size_t dst_stride, size_t size, int64_t n) {
    if (src_stride == size && dst_stride == size) {
        std::memmove(dst, src, static_cast<size_t>(n) * size); // a tensor may be copied onto itself
    } else if (size == sizeof(uint16_t)) {
        copy_strided_as<uint16_t>(src, src_stride, dst, dst_stride, n);
    } else if (size == sizeof(uint32_t)) {
        copy_strided_as<uint32_t>(src, src_stride, dst, dst_stride, n);
    } else {
        for (int64_t i = 0; i < n; ++i, src += src_stride, dst += dst_stride) {
            std::memmove(dst, src, size);
        }
    }
}

// Calls f(address, n, done) for the runs within rows that make up the n_units units from unit `first` of t on, counting
// through all rows. done: the units before the run.
template <class F>
void for_each_run(const ggml_tensor * t, const Units & units, int64_t first, int64_t n_units, const F & f) {
    for (int64_t done = 0; done < n_units;) {
        const int64_t at = (first + done) % units.per_row;
        const int64_t n = std::min(n_units - done, units.per_row - at);
        f(row_data(t, row_of(t, (first + done) / units.per_row)) + static_cast<size_t>(at) * t->nb[0], n, done);
        done += n;
    }
}

// The same type; the shapes may differ
void copy_same_type(ComputeContext & ctx, const ggml_tensor * src, const ggml_tensor * dst) {
    const Units src_units(src);
    const Units dst_units(dst);
    for_each_piece(ctx, dst, 1, [&](float *, const Piece & p) {
        const int64_t row = (p.row.i3 * dst->ne[2] + p.row.i2) * dst->ne[1] + p.row.i1;
        const int64_t first = row * dst_units.per_row + p.first / dst_units.block;
        char * to = row_data(dst, p.row) + element_offset(dst, p.first);
        for_each_run(src, src_units, first, p.n / dst_units.block, [&](const char * from, int64_t n, int64_t done) {
            copy_units(from, src->nb[0], to + static_cast<size_t>(done) * dst->nb[0], dst->nb[0], dst_units.size, n);
        });
    });
}

// Through float, between float and quantized types
void copy_converting(ComputeContext & ctx, const ggml_tensor * src, const ggml_tensor * dst) {
    const Units src_units(src);
    for_each_piece(ctx, dst, 2, [&](float * scratch, const Piece & p) {
        const int64_t row = (p.row.i3 * dst->ne[2] + p.row.i2) * dst->ne[1] + p.row.i1;
        const int64_t first = (row * dst->ne[0] + p.first) / src_units.block;
        for_each_run(src, src_units, first, p.n / src_units.block, [&](const char * from, int64_t n, int64_t done) {
            load_floats(src->type, from, src->nb[0], n * src_units.block, scratch + done * src_units.block);
        });
        store_floats(dst->type, scratch, row_data(dst, p.row) + element_offset(dst, p.first), dst->nb[0], p.n);
    });
}

void copy_tensor(ComputeContext & ctx, const ggml_tensor * src, const ggml_tensor * dst) {
    if (src->type == dst->type) {
        copy_same_type(ctx, src, dst);
    } else {
        copy_converting(ctx, src, dst);
    }
}

} // namespace

ggml_status compute_copy(ComputeContext & ctx, ggml_tensor * dst) {
    const ggml_tensor * src = dst->src[0];
    if (src->data == dst->data && src->type == dst->type && ggml_are_same_shape(src, dst) &&
        ggml_are_same_stride(src, dst)) {
        return GGML_STATUS_SUCCESS; // DUP in place
    }
    copy_tensor(ctx, src, dst);
    return GGML_STATUS_SUCCESS;
}

ggml_status compute_set(ComputeContext & ctx, ggml_tensor * dst) {
    const ggml_tensor * a = dst->src[0];
    const ggml_tensor * b = dst->src[1];
    if (a->data != dst->data) {
        copy_tensor(ctx, a, dst);
    }
    ggml_tensor part = *b; // the place that b is written to
    part.data = static_cast<char *>(dst->data) + ggml_get_op_params_i32(dst, 3);
    part.nb[0] = dst->nb[0];
    for (int i = 1; i < GGML_MAX_DIMS; ++i) {
        part.nb[i] = static_cast<size_t>(ggml_get_op_params_i32(dst, static_cast<uint32_t>(i - 1)));
    }
    copy_tensor(ctx, b, &part);
    return GGML_STATUS_SUCCESS;
}

ggml_status compute_repeat(ComputeContext & ctx, ggml_tensor * dst) {
    const ggml_tensor * src = dst->src[0];
    const size_t size = ggml_type_size(dst->type);
    for_each_piece(ctx, dst, 1, [&](float *, const Piece & p) {
        const char * from = repeated_row_data(src, p.row);
        char * to = row_data(dst, p.row) + element_offset(dst, p.first);
        for (int64_t done = 0; done < p.n;) {
            const int64_t i = (p.first + done) % src->ne[0];
            const int64_t n = std::min(p.n - done, src->ne[0] - i);
            copy_units(from + element_offset(src, i), src->nb[0], to + static_cast<size_t>(done) * dst->nb[0],
                       dst->nb[0], size, n);
            done += n;
        }
    });
    return GGML_STATUS_SUCCESS;
}

ggml_status compute_concat(ComputeContext & ctx, ggml_tensor * dst) {
    const int dim = ggml_get_op_params_i32(dst, 0);
    size_t offset = 0; // bytes from the beginning of dst to the place of the operand
    for (const ggml_tensor * src : {dst->src[0], dst->src[1]}) {
        ggml_tensor part = *src; // the place that src is written to
        part.data = static_cast<char *>(dst->data) + offset;
        std::copy(dst->nb, dst->nb + GGML_MAX_DIMS, part.nb);
        copy_same_type(ctx, src, &part);
        offset += static_cast<size_t>(src->ne[dim]) * dst->nb[dim];
    }
    return GGML_STATUS_SUCCESS;
}

} // namespace ggml_sched::cpu
