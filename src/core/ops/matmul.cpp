// Products of matrices.

#include "enumerator.h"
#include "ggml-impl.h"
#include "ops/build.h"

using namespace ggml_sched::core;

extern "C" {

struct ggml_tensor * ggml_mul_mat(struct ggml_context * ctx, struct ggml_tensor * a, struct ggml_tensor * b) {
    const char * builder = "ggml_mul_mat";
    if (!given(builder, ctx, {a, b}) ||
        !require(a->ne[0] == b->ne[0], builder, "the rows of a and b must have one length", {a, b}) ||
        !require(divides(a->ne[2], b->ne[2]) && divides(a->ne[3], b->ne[3]), builder,
                 "dimensions 2 and 3 of a must divide those of b", {a, b}) ||
        !require(!ggml_is_transposed(a), builder, "a must not be transposed; use ggml_cont", {a, b})) {
        return nullptr;
    }
    return finish(ggml_new_tensor_4d(ctx, GGML_TYPE_F32, a->ne[1], b->ne[1], b->ne[2], b->ne[3]), GGML_OP_MUL_MAT,
                  {a, b});
}

void ggml_mul_mat_set_prec(struct ggml_tensor * a, enum ggml_prec prec) {
    if (!a || a->op != GGML_OP_MUL_MAT) {
        GGML_LOG_ERROR("ggml_mul_mat_set_prec: '%s' is not a matrix product\n", ggml_get_name(a));
        return;
    }
    if (const int number = number_of(prec); number != GGML_PREC_DEFAULT && number != GGML_PREC_F32) {
        GGML_LOG_ERROR("ggml_mul_mat_set_prec: there is no precision %d\n", number);
        return;
    }
    set_param_i32(a, 0, prec);
}

struct ggml_tensor * ggml_mul_mat_id(struct ggml_context * ctx, struct ggml_tensor * as, struct ggml_tensor * b,
                                     struct ggml_tensor * ids) {
    const char * builder = "ggml_mul_mat_id";
    if (!given(builder, ctx, {as, b, ids}) ||
        !require(ids->type == GGML_TYPE_I32 && ggml_is_matrix(ids), builder, "ids must be an I32 matrix",
                 {as, b, ids}) ||
        !require(ggml_is_3d(as) && ggml_is_3d(b), builder, "as and b have at most three dimensions", {as, b, ids}) ||
        !require(as->ne[0] == b->ne[0], builder, "the rows of as and b must have one length", {as, b, ids}) ||
        !require(ids->ne[1] == b->ne[2] && divides(b->ne[1], ids->ne[0]), builder,
                 "ids must have a row for each matrix of b, of a multiple of b's rows", {as, b, ids}) ||
        !require(!ggml_is_transposed(as), builder, "as must not be transposed; use ggml_cont", {as, b, ids})) {
        return nullptr;
    }
    return finish(ggml_new_tensor_3d(ctx, GGML_TYPE_F32, as->ne[1], ids->ne[0], b->ne[2]), GGML_OP_MUL_MAT_ID,
                  {as, b, ids});
}

} // extern "C"
