#include "supports_op.h"

#include "ggml-impl.h"
#include "ops/elements.h"
#include "ops/params.h"

#include <cstdint>

namespace ggml_sched::cpu {

namespace {

bool is_computed_type(ggml_type type) {
    return is_float_type(type) || ggml_is_quantized(type) || type == GGML_TYPE_I32 || type == GGML_TYPE_I64;
}

// A type that operations read, and a layout that they can walk through
bool is_usable(const ggml_tensor * t) {
    if (t == nullptr || ggml_get_type_traits(t->type) == nullptr || !is_computed_type(t->type)) {
        return false;
    }
    const size_t size = ggml_type_size(t->type);
    if (ggml_is_quantized(t->type)) {
        return t->nb[0] == size && t->ne[0] % ggml_blck_size(t->type) == 0;
    }
    for (const size_t stride : t->nb) {
        if (stride % size != 0) {
            return false;
        }
    }
    return true;
}

bool has_shape(const ggml_tensor * t, int64_t ne0, int64_t ne1, int64_t ne2, int64_t ne3) {
    return t->ne[0] == ne0 && t->ne[1] == ne1 && t->ne[2] == ne2 && t->ne[3] == ne3;
}

bool same_rows(const ggml_tensor * a, const ggml_tensor * b) {
    return a->ne[1] == b->ne[1] && a->ne[2] == b->ne[2] && a->ne[3] == b->ne[3];
}

bool divides(int64_t small, int64_t great) {
    return small > 0 && great % small == 0;
}

// One float type in, the same out, in the same shape
bool same_floats(const ggml_tensor * a, const ggml_tensor * dst) {
    return is_float_type(a->type) && a->type == dst->type && ggml_are_same_shape(a, dst);
}

// Its rows are written as arrays
bool has_plain_rows(const ggml_tensor * t) {
    return t->nb[0] == ggml_type_size(t->type);
}

bool supports_binary(const ggml_tensor * op) {
    const ggml_tensor * a = op->src[0];
    const ggml_tensor * b = op->src[1];
    return same_floats(a, op) && (b->type == GGML_TYPE_F32 || b->type == a->type) && ggml_can_repeat(b, op);
}

bool supports_copy(const ggml_tensor * src, const ggml_tensor * dst) {
    if (ggml_nelements(src) != ggml_nelements(dst)) {
        return false;
    }
    if (src->type == dst->type) {
        return true;
    }
    const bool converts = (is_float_type(src->type) || ggml_is_quantized(src->type)) &&
                          (is_float_type(dst->type) || ggml_is_quantized(dst->type));
    // A piece of a row of dst is to be whole blocks of src.
    return converts && dst->ne[0] % ggml_blck_size(src->type) == 0;
}

bool supports_set(const ggml_tensor * op) {
    const ggml_tensor * a = op->src[0];
    const ggml_tensor * b = op->src[1];
    if (ggml_is_quantized(a->type) || a->type != op->type || b->type != op->type || !ggml_are_same_shape(a, op)) {
        return false;
    }
    const int64_t size = static_cast<int64_t>(ggml_type_size(op->type));
    int64_t end = ggml_get_op_params_i32(op, 3) + (b->ne[0] - 1) * static_cast<int64_t>(op->nb[0]) + size;
    for (uint32_t i = 0; i < 4; ++i) { // three strides and the offset
        const int32_t bytes = ggml_get_op_params_i32(op, i);
        if (bytes < 0 || bytes % size != 0) {
            return false;
        }
        if (i < 3) {
            end += (b->ne[i + 1] - 1) * bytes;
        }
    }
    return ggml_is_empty(b) || end <= static_cast<int64_t>(ggml_nbytes(op));
}

bool supports_concat(const ggml_tensor * op) {
    const ggml_tensor * a = op->src[0];
    const ggml_tensor * b = op->src[1];
    const int32_t dim = ggml_get_op_params_i32(op, 0);
    if (ggml_is_quantized(op->type) || a->type != op->type || b->type != op->type || dim < 0 || dim >= GGML_MAX_DIMS) {
        return false;
    }
    for (int i = 0; i < GGML_MAX_DIMS; ++i) {
        const int64_t of_b = i == dim ? op->ne[i] - a->ne[i] : op->ne[i];
        if ((i != dim && a->ne[i] != op->ne[i]) || b->ne[i] != of_b) {
            return false;
        }
    }
    return true;
}

// The function computes with types and layouts that nothing is known about.
bool supports_custom(const ggml_tensor * op) {
    const ggml_custom_op_params params = custom_params(op);
    return params.fun != nullptr && (params.n_tasks > 0 || params.n_tasks == GGML_N_TASKS_MAX);
}

bool supports_get_rows(const ggml_tensor * op) {
    const ggml_tensor * a = op->src[0];
    const ggml_tensor * ids = op->src[1];
    const ggml_type result = a->type == GGML_TYPE_I32 ? GGML_TYPE_I32 : GGML_TYPE_F32;
    return a->type != GGML_TYPE_I64 && op->type == result && ids->type == GGML_TYPE_I32 && ids->ne[3] == 1 &&
           has_shape(op, a->ne[0], ids->ne[0], ids->ne[1], ids->ne[2]) && a->ne[2] == ids->ne[1] &&
           a->ne[3] == ids->ne[2];
}

bool supports_set_rows(const ggml_tensor * op) {
    const ggml_tensor * b = op->src[0];
    const ggml_tensor * ids = op->src[1];
    return is_float_type(b->type) && (is_float_type(op->type) || ggml_is_quantized(op->type)) &&
           (ids->type == GGML_TYPE_I32 || ids->type == GGML_TYPE_I64) && b->ne[0] == op->ne[0] &&
           b->ne[2] == op->ne[2] && b->ne[3] == op->ne[3] && b->ne[1] == ids->ne[0] && divides(ids->ne[1], b->ne[2]) &&
           divides(ids->ne[2], b->ne[3]) && ids->ne[3] == 1;
}

bool supports_soft_max(const ggml_tensor * op) {
    const ggml_tensor * a = op->src[0];
    const ggml_tensor * mask = op->src[1];
    if (a->type != GGML_TYPE_F32 || !same_floats(a, op) || !has_plain_rows(op) || op->src[2] != nullptr) {
        return false;
    }
    return mask == nullptr || (is_usable(mask) && (mask->type == GGML_TYPE_F32 || mask->type == GGML_TYPE_F16) &&
                               mask->ne[0] == a->ne[0] && mask->ne[1] >= a->ne[1] && divides(mask->ne[2], a->ne[2]) &&
                               divides(mask->ne[3], a->ne[3]));
}

bool supports_rope(const ggml_tensor * op) {
    const ggml_tensor * a = op->src[0];
    const ggml_tensor * positions = op->src[1];
    const ggml_tensor * divisors = op->src[2];
    const int32_t n_dims = ggml_get_op_params_i32(op, 1);
    const int32_t mode = ggml_get_op_params_i32(op, 2);
    const int32_t first_dim = ggml_get_op_params_i32(op, 15); // ggml_rope_set_offset of newer ggml
    return same_floats(a, op) && (mode == GGML_ROPE_TYPE_NORMAL || mode == GGML_ROPE_TYPE_NEOX) && n_dims > 0 &&
           n_dims % 2 == 0 && n_dims <= a->ne[0] && first_dim == 0 && positions->type == GGML_TYPE_I32 &&
           positions->ne[0] == a->ne[2] &&
           (divisors == nullptr ||
            (is_usable(divisors) && divisors->type == GGML_TYPE_F32 && divisors->ne[0] >= n_dims / 2));
}

bool supports_glu(const ggml_tensor * op) {
    const ggml_tensor * a = op->src[0];
    const ggml_tensor * b = op->src[1];
    if (ggml_get_glu_op(op) != GGML_GLU_OP_SWIGLU || !is_float_type(a->type) || a->type != op->type) {
        return false;
    }
    return b == nullptr ? a->ne[0] == 2 * op->ne[0] && same_rows(a, op)
                        : is_usable(b) && same_floats(a, op) && same_floats(b, op);
}

bool supports_unary(const ggml_tensor * op) {
    const ggml_unary_op kind = ggml_get_unary_op(op);
    return same_floats(op->src[0], op) &&
           (kind == GGML_UNARY_OP_RELU || kind == GGML_UNARY_OP_GELU || kind == GGML_UNARY_OP_SILU);
}

bool is_weights_type(ggml_type type) {
    return is_float_type(type) || ggml_is_quantized(type);
}

bool supports_mul_mat(const ggml_tensor * op) {
    const ggml_tensor * a = op->src[0];
    const ggml_tensor * b = op->src[1];
    return is_weights_type(a->type) && is_float_type(b->type) && op->type == GGML_TYPE_F32 && has_plain_rows(op) &&
           a->ne[0] == b->ne[0] && divides(a->ne[2], b->ne[2]) && divides(a->ne[3], b->ne[3]) &&
           has_shape(op, a->ne[1], b->ne[1], b->ne[2], b->ne[3]);
}

bool supports_mul_mat_id(const ggml_tensor * op) {
    const ggml_tensor * a = op->src[0];
    const ggml_tensor * b = op->src[1];
    const ggml_tensor * ids = op->src[2];
    return is_usable(ids) && ids->type == GGML_TYPE_I32 && is_weights_type(a->type) && is_float_type(b->type) &&
           op->type == GGML_TYPE_F32 && has_plain_rows(op) && a->ne[0] == b->ne[0] && a->ne[3] == 1 && b->ne[3] == 1 &&
           ids->ne[2] == 1 && ids->ne[3] == 1 && ids->ne[1] == b->ne[2] && divides(b->ne[1], ids->ne[0]) &&
           a->ne[2] > 0 && has_shape(op, a->ne[1], ids->ne[0], b->ne[2], 1);
}

// Indices are I32 and rows of at most INT32_MAX elements are sorted.
bool supports_sort(const ggml_tensor * op) {
    const ggml_tensor * a = op->src[0];
    if (a->type != GGML_TYPE_F32 || op->type != GGML_TYPE_I32 || !has_plain_rows(op) || a->ne[0] > INT32_MAX) {
        return false;
    }
    switch (op->op) {
    case GGML_OP_ARGMAX: return a->ne[0] > 0 && a->ne[2] == 1 && a->ne[3] == 1 && has_shape(op, a->ne[1], 1, 1, 1);
    case GGML_OP_ARGSORT: return ggml_are_same_shape(a, op);
    default: return op->ne[0] <= a->ne[0] && same_rows(a, op); // TOP_K
    }
}

bool has_two_operands(ggml_op op) {
    switch (op) {
    case GGML_OP_ADD:
    case GGML_OP_MUL:
    case GGML_OP_DIV:
    case GGML_OP_CONCAT:
    case GGML_OP_SET:
    case GGML_OP_GET_ROWS:
    case GGML_OP_SET_ROWS:
    case GGML_OP_ROPE:
    case GGML_OP_MUL_MAT:
    case GGML_OP_MUL_MAT_ID: return true;
    default: return false;
    }
}

} // namespace

bool supports_op(const ggml_tensor * op) {
    if (op->op == GGML_OP_NONE || ggml_is_view_op(op->op)) {
        return true;
    }
    if (op->op == GGML_OP_CUSTOM) {
        return supports_custom(op);
    }
    const ggml_tensor * a = op->src[0];
    if (!is_usable(op) || !is_usable(a) || (has_two_operands(op->op) && !is_usable(op->src[1]))) {
        return false;
    }
    switch (op->op) {
    case GGML_OP_DUP:
    case GGML_OP_CPY:
    case GGML_OP_CONT: return supports_copy(a, op);
    case GGML_OP_ADD:
    case GGML_OP_MUL:
    case GGML_OP_DIV: return supports_binary(op);
    case GGML_OP_SCALE:
    case GGML_OP_RMS_NORM: return same_floats(a, op);
    case GGML_OP_SUM_ROWS: return is_float_type(a->type) && a->type == op->type && op->ne[0] == 1 && same_rows(a, op);
    case GGML_OP_REPEAT: return !ggml_is_quantized(a->type) && a->type == op->type && ggml_can_repeat(a, op);
    case GGML_OP_CONCAT: return supports_concat(op);
    case GGML_OP_SET: return supports_set(op);
    case GGML_OP_GET_ROWS: return supports_get_rows(op);
    case GGML_OP_SET_ROWS: return supports_set_rows(op);
    case GGML_OP_SOFT_MAX: return supports_soft_max(op);
    case GGML_OP_ROPE: return supports_rope(op);
    case GGML_OP_UNARY: return supports_unary(op);
    case GGML_OP_GLU: return supports_glu(op);
    case GGML_OP_MUL_MAT: return supports_mul_mat(op);
    case GGML_OP_MUL_MAT_ID: return supports_mul_mat_id(op);
    case GGML_OP_ARGMAX:
    case GGML_OP_ARGSORT:
    case GGML_OP_TOP_K: return supports_sort(op);
    default: return false;
    }
}

} // namespace ggml_sched::cpu
