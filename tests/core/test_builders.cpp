#include "core_test.h"

using namespace core_test;

class Builders : public CoreTest {};

TEST_F(Builders, BinaryOperationsBroadcastB) {
    using Binary = ggml_tensor * (*) (ggml_context *, ggml_tensor *, ggml_tensor *);
    const struct {
        Binary fresh;
        Binary inplace;
        ggml_op op;
    } table[] = {{ggml_add, ggml_add_inplace, GGML_OP_ADD},
                 {ggml_mul, ggml_mul_inplace, GGML_OP_MUL},
                 {ggml_div, ggml_div_inplace, GGML_OP_DIV}};
    ggml_tensor * a = of(GGML_TYPE_F16, 6, 4, 3, 2);
    for (const auto & e : table) {
        for (ggml_tensor * b : {f32(1), f32(6), f32(3, 2, 1, 2), f32(6, 4, 3, 2)}) {
            ggml_tensor * t = e.fresh(ctx, a, b);
            expect_op(t, e.op, {a, b});
            EXPECT_EQ(shape_of(t), shape_of(a));
            EXPECT_EQ(t->type, GGML_TYPE_F16);
            EXPECT_EQ(t->view_src, nullptr);
            ggml_tensor * in = e.inplace(ctx, a, b);
            expect_op(in, e.op, {a, b});
            EXPECT_EQ(in->view_src, a);
            EXPECT_EQ(strides_of(in), strides_of(a));
        }
        for (ggml_tensor * b : {f32(4), f32(12), f32(6, 3), f32(6, 4, 3, 4), f32(0)}) {
            expect_refused([&] { return e.fresh(ctx, a, b); }, ggml_op_name(e.op));
            expect_refused([&] { return e.inplace(ctx, a, b); }, ggml_op_name(e.op));
        }
    }
}

TEST_F(Builders, ResultsOfPermutedOperandsAreContiguousUnlessInplace) {
    ggml_tensor * a = ggml_permute(ctx, f32(4, 3, 2), 0, 2, 1, 3);
    EXPECT_TRUE(ggml_is_contiguous(ggml_dup(ctx, a)));
    ggml_tensor * in = ggml_dup_inplace(ctx, a);
    expect_op(in, GGML_OP_DUP, {a});
    EXPECT_EQ(strides_of(in), strides_of(a));
    EXPECT_EQ(in->view_src, a->view_src);
    EXPECT_TRUE(ggml_is_contiguous(ggml_rms_norm(ctx, a, 1.0f)));
}

TEST_F(Builders, ScaleKeepsFactorAndBias) {
    ggml_tensor * a = f32(8, 4);
    ggml_tensor * t = ggml_scale_bias(ctx, a, 2.5f, -1.0f);
    expect_op(t, GGML_OP_SCALE, {a});
    EXPECT_EQ(float_param(t, 0), 2.5f);
    EXPECT_EQ(float_param(t, 1), -1.0f);
    EXPECT_EQ(float_param(ggml_scale(ctx, a, 3.0f), 1), 0.0f);
    EXPECT_EQ(ggml_scale_inplace(ctx, a, 3.0f)->view_src, a);
    EXPECT_NE(ggml_scale(ctx, ggml_view_2d(ctx, a, 4, 4, a->nb[1], 0), 1.0f), nullptr) << "rows may lie apart";
    ggml_tensor * turned = ggml_transpose(ctx, a);
    ggml_tensor * planes = ggml_permute(ctx, f32(4, 3, 2), 0, 2, 1, 3);
    expect_refused([&] { return ggml_scale(ctx, turned, 1.0f); });
    expect_refused([&] { return ggml_scale(ctx, planes, 1.0f); });
}

TEST_F(Builders, UnaryOperationsNameTheirFunction) {
    ggml_tensor * a = f32(8, 4);
    const struct {
        ggml_tensor * t;
        ggml_unary_op op;
        const char * name;
    } table[] = {
        {ggml_relu(ctx, a), GGML_UNARY_OP_RELU, "RELU"},
        {ggml_gelu(ctx, a), GGML_UNARY_OP_GELU, "GELU"},
        {ggml_silu(ctx, a), GGML_UNARY_OP_SILU, "SILU"},
        {ggml_relu_inplace(ctx, a), GGML_UNARY_OP_RELU, "RELU"},
        {ggml_gelu_inplace(ctx, a), GGML_UNARY_OP_GELU, "GELU"},
        {ggml_silu_inplace(ctx, a), GGML_UNARY_OP_SILU, "SILU"},
    };
    for (const auto & e : table) {
        expect_op(e.t, GGML_OP_UNARY, {a});
        EXPECT_EQ(ggml_get_unary_op(e.t), e.op);
        EXPECT_STREQ(ggml_op_desc(e.t), e.name);
    }
    EXPECT_EQ(table[2].t->view_src, nullptr);
    EXPECT_EQ(table[5].t->view_src, a);
    EXPECT_EQ(ggml_get_unary_op(a), GGML_UNARY_OP_COUNT);
    ggml_tensor * turned = ggml_transpose(ctx, a);
    expect_refused([&] { return ggml_silu(ctx, turned); });
    expect_refused([&] { return ggml_unary(ctx, a, GGML_UNARY_OP_COUNT); });
    expect_refused([&] { return ggml_unary_inplace(ctx, a, GGML_UNARY_OP_COUNT); });
}

TEST_F(Builders, GluHalvesRowsOrTakesTwoOperands) {
    ggml_tensor * a = f32(8, 4, 3);
    ggml_tensor * halves = ggml_glu(ctx, a, GGML_GLU_OP_SWIGLU, true);
    expect_op(halves, GGML_OP_GLU, {a});
    EXPECT_EQ(shape_of(halves), (Shape{4, 4, 3, 1}));
    EXPECT_EQ(halves->op_params[0], GGML_GLU_OP_SWIGLU);
    EXPECT_EQ(halves->op_params[1], 1);
    EXPECT_EQ(ggml_swiglu(ctx, a)->op_params[1], 0);
    EXPECT_STREQ(ggml_op_desc(halves), "SWIGLU");
    ggml_tensor * b = f32(8, 4, 3);
    ggml_tensor * split = ggml_swiglu_split(ctx, a, b);
    expect_op(split, GGML_OP_GLU, {a, b});
    EXPECT_EQ(shape_of(split), shape_of(a));
    EXPECT_EQ(ggml_get_glu_op(split), GGML_GLU_OP_SWIGLU);
    EXPECT_EQ(ggml_get_glu_op(a), GGML_GLU_OP_COUNT);
    ggml_tensor * odd = f32(7);
    ggml_tensor * other = f32(8, 4);
    ggml_tensor * half = of(GGML_TYPE_F16, 8, 4, 3);
    ggml_tensor * turned = ggml_permute(ctx, f32(4, 8, 3), 1, 0, 2, 3);
    expect_refused([&] { return ggml_swiglu(ctx, odd); });
    expect_refused([&] { return ggml_swiglu(ctx, turned); });
    expect_refused([&] { return ggml_swiglu_split(ctx, a, other); });
    expect_refused([&] { return ggml_swiglu_split(ctx, a, half); });
    expect_refused([&] { return ggml_swiglu_split(ctx, a, turned); });
    expect_refused([&] { return ggml_glu(ctx, a, GGML_GLU_OP_COUNT, false); });
}

TEST_F(Builders, ReductionsShortenRows) {
    ggml_tensor * a = f32(5, 4, 3, 2);
    ggml_tensor * sums = ggml_sum_rows(ctx, a);
    expect_op(sums, GGML_OP_SUM_ROWS, {a});
    EXPECT_EQ(shape_of(sums), (Shape{1, 4, 3, 2}));
    ggml_tensor * m = f32(5, 4);
    ggml_tensor * best = ggml_argmax(ctx, m);
    expect_op(best, GGML_OP_ARGMAX, {m});
    EXPECT_EQ(best->type, GGML_TYPE_I32);
    EXPECT_EQ(shape_of(best), (Shape{4, 1, 1, 1}));
    ggml_tensor * norm = ggml_rms_norm_inplace(ctx, a, 1e-6f);
    expect_op(norm, GGML_OP_RMS_NORM, {a});
    EXPECT_EQ(float_param(norm, 0), 1e-6f);
    EXPECT_EQ(norm->view_src, a);
    ggml_tensor * wide = of(GGML_TYPE_I8, int64_t{1} << 31, 2);
    expect_refused([&] { return ggml_argmax(ctx, a); });
    expect_refused([&] { return ggml_argmax(ctx, wide); });
}

TEST_F(Builders, SortsGiveIndices) {
    ggml_tensor * a = f32(9, 4, 3);
    ggml_tensor * sorted = ggml_argsort(ctx, a, GGML_SORT_ORDER_DESC);
    expect_op(sorted, GGML_OP_ARGSORT, {a});
    EXPECT_EQ(sorted->type, GGML_TYPE_I32);
    EXPECT_EQ(shape_of(sorted), shape_of(a));
    EXPECT_EQ(sorted->op_params[0], GGML_SORT_ORDER_DESC);
    ggml_tensor * first = ggml_argsort_top_k(ctx, a, 2);
    ASSERT_NE(first, nullptr);
    EXPECT_EQ(first->op, GGML_OP_VIEW);
    EXPECT_EQ(first->src[0]->op, GGML_OP_ARGSORT);
    EXPECT_EQ(first->src[0]->op_params[0], GGML_SORT_ORDER_DESC);
    EXPECT_EQ(shape_of(first), (Shape{2, 4, 3, 1}));
    EXPECT_EQ(strides_of(first), (Strides{4, 36, 144, 432}));
    ggml_tensor * top = ggml_top_k(ctx, a, 9);
    expect_op(top, GGML_OP_TOP_K, {a});
    EXPECT_EQ(top->type, GGML_TYPE_I32);
    EXPECT_EQ(shape_of(ggml_top_k(ctx, a, 3)), (Shape{3, 4, 3, 1}));
    ggml_tensor * wide = of(GGML_TYPE_I8, int64_t{1} << 31);
    for (const int k : {10, -1}) {
        expect_refused([&] { return ggml_top_k(ctx, a, k); });
        expect_refused([&] { return ggml_argsort_top_k(ctx, a, k); });
    }
    expect_refused([&] { return ggml_argsort(ctx, wide, GGML_SORT_ORDER_ASC); });
    expect_refused([&] { return ggml_argsort_top_k(ctx, wide, 1); });
    expect_refused([&] { return ggml_top_k(ctx, wide, 1); });
}

TEST_F(Builders, SoftMaxTakesABroadcastMask) {
    ggml_tensor * a = f32(16, 4, 6, 2);
    ggml_tensor * plain = ggml_soft_max(ctx, a);
    expect_op(plain, GGML_OP_SOFT_MAX, {a});
    EXPECT_EQ(float_param(plain, 0), 1.0f);
    EXPECT_EQ(float_param(plain, 1), 0.0f);
    ggml_tensor * mask = of(GGML_TYPE_F16, 16, 8, 3, 1);
    ggml_tensor * masked = ggml_soft_max_ext(ctx, a, mask, 0.5f, 8.0f);
    expect_op(masked, GGML_OP_SOFT_MAX, {a, mask});
    EXPECT_EQ(float_param(masked, 0), 0.5f);
    EXPECT_EQ(float_param(masked, 1), 8.0f);
    EXPECT_EQ(ggml_soft_max_inplace(ctx, a)->view_src, a);
    EXPECT_EQ(ggml_soft_max_ext_inplace(ctx, a, f32(16, 4), 1.0f, 0.0f)->view_src, a);
    ggml_tensor * bad[] = {f32(15, 4),
                           f32(16, 3),
                           f32(16, 4, 4),
                           f32(16, 4, 6, 3),
                           f32(16, 4, 0),
                           of(GGML_TYPE_BF16, 16, 4),
                           of(GGML_TYPE_I32, 16, 4),
                           ggml_transpose(ctx, f32(4, 16))};
    for (ggml_tensor * m : bad) {
        expect_refused([&] { return ggml_soft_max_ext(ctx, a, m, 1.0f, 0.0f); });
    }
    expect_refused([&] { return ggml_soft_max_ext(ctx, a, nullptr, 1.0f, 8.0f); });
    ggml_tensor * turned = ggml_transpose(ctx, a);
    expect_refused([&] { return ggml_soft_max(ctx, turned); });
}

TEST_F(Builders, MulMatMultipliesRowsAndBroadcastsA) {
    ggml_tensor * a = of(GGML_TYPE_Q8_0, 32, 5, 2, 3);
    ggml_tensor * b = f32(32, 7, 4, 3);
    ggml_tensor * t = ggml_mul_mat(ctx, a, b);
    expect_op(t, GGML_OP_MUL_MAT, {a, b});
    EXPECT_EQ(t->type, GGML_TYPE_F32);
    EXPECT_EQ(shape_of(t), (Shape{5, 7, 4, 3}));
    EXPECT_EQ(t->op_params[0], GGML_PREC_DEFAULT);
    ggml_mul_mat_set_prec(t, GGML_PREC_F32);
    EXPECT_EQ(t->op_params[0], GGML_PREC_F32);
    for (ggml_tensor * bad : {f32(64, 7, 4, 3), f32(32, 7, 3, 3), f32(32, 7, 1, 3), f32(32, 7, 4, 4)}) {
        expect_refused([&] { return ggml_mul_mat(ctx, a, bad); });
    }
    ggml_tensor * turned = ggml_transpose(ctx, f32(5, 32));
    ggml_tensor * empty = f32(32, 5, 0);
    EXPECT_EQ(shape_of(ggml_mul_mat(ctx, f32(32, 5), ggml_transpose(ctx, f32(7, 32)))), (Shape{5, 7, 1, 1}));
    expect_refused([&] { return ggml_mul_mat(ctx, turned, b); });
    expect_refused([&] { return ggml_mul_mat(ctx, empty, b); }, "no division by zero");
    LogCapture log;
    ggml_mul_mat_set_prec(a, GGML_PREC_F32);
    ggml_mul_mat_set_prec(nullptr, GGML_PREC_F32);
    EXPECT_EQ(a->op_params[0], 0);
    EXPECT_EQ(log.errors.size(), 2u);
}

TEST_F(Builders, MulMatIdPicksMatricesByIndex) {
    ggml_tensor * as = f32(8, 5, 6);
    ggml_tensor * ids = of(GGML_TYPE_I32, 4, 3);
    for (const int64_t n_used : {1, 2, 4}) {
        ggml_tensor * b = f32(8, n_used, 3);
        ggml_tensor * t = ggml_mul_mat_id(ctx, as, b, ids);
        expect_op(t, GGML_OP_MUL_MAT_ID, {as, b, ids});
        EXPECT_EQ(shape_of(t), (Shape{5, 4, 3, 1}));
        EXPECT_EQ(t->type, GGML_TYPE_F32);
    }
    ggml_tensor * b = f32(8, 4, 3);
    for (ggml_tensor * bad : {f32(4, 4, 3), f32(8, 3, 3), f32(8, 4, 2), f32(8, 4, 3, 2), f32(8, 0, 3)}) {
        expect_refused([&] { return ggml_mul_mat_id(ctx, as, bad, ids); });
    }
    for (ggml_tensor * bad : {f32(4, 3), of(GGML_TYPE_I64, 4, 3), of(GGML_TYPE_I32, 4, 3, 2)}) {
        expect_refused([&] { return ggml_mul_mat_id(ctx, as, b, bad); });
    }
    ggml_tensor * turned = ggml_transpose(ctx, f32(5, 8, 6));
    ggml_tensor * four = f32(8, 5, 6, 2);
    expect_refused([&] { return ggml_mul_mat_id(ctx, turned, b, ids); });
    expect_refused([&] { return ggml_mul_mat_id(ctx, four, b, ids); });
}

TEST_F(Builders, CopiesAreViewsOfTheirDestination) {
    ggml_tensor * a = f32(4, 6);
    ggml_tensor * b = of(GGML_TYPE_F16, 100);
    ggml_tensor * part = ggml_view_1d(ctx, b, 24, 10);
    ggml_tensor * t = ggml_cpy(ctx, a, part);
    expect_op(t, GGML_OP_CPY, {a, part});
    EXPECT_EQ(t->view_src, b);
    EXPECT_EQ(t->view_offs, 10u);
    EXPECT_EQ(t->type, GGML_TYPE_F16);
    EXPECT_EQ(shape_of(t), (Shape{24, 1, 1, 1}));
    expect_refused([&] { return ggml_cpy(ctx, a, b); });
    ggml_tensor * cast = ggml_cast(ctx, a, GGML_TYPE_BF16);
    expect_op(cast, GGML_OP_CPY, {a, cast});
    EXPECT_EQ(cast->type, GGML_TYPE_BF16);
    EXPECT_EQ(shape_of(cast), shape_of(a));
    expect_refused([&] { return ggml_cast(ctx, a, GGML_TYPE_Q8_0); }, "rows of 4 are no blocks");
    expect_refused([&] { return ggml_cast(ctx, a, GGML_TYPE_COUNT); });
}

TEST_F(Builders, ContMakesContiguousInAnyShape) {
    ggml_tensor * a = ggml_transpose(ctx, f32(4, 6));
    ggml_tensor * t = ggml_cont(ctx, a);
    expect_op(t, GGML_OP_CONT, {a});
    EXPECT_TRUE(ggml_is_contiguous(t));
    EXPECT_EQ(shape_of(t), (Shape{6, 4, 1, 1}));
    EXPECT_EQ(shape_of(ggml_cont_1d(ctx, a, 24)), (Shape{24, 1, 1, 1}));
    EXPECT_EQ(shape_of(ggml_cont_2d(ctx, a, 3, 8)), (Shape{3, 8, 1, 1}));
    EXPECT_EQ(shape_of(ggml_cont_3d(ctx, a, 3, 4, 2)), (Shape{3, 4, 2, 1}));
    ggml_tensor * last = ggml_cont_4d(ctx, a, 3, 2, 2, 2);
    expect_op(last, GGML_OP_CONT, {a});
    EXPECT_EQ(shape_of(last), (Shape{3, 2, 2, 2}));
    expect_refused([&] { return ggml_cont_1d(ctx, a, 23); });
    expect_refused([&] { return ggml_cont_2d(ctx, a, -4, -6); });
    expect_refused([&] { return ggml_cont_4d(ctx, a, int64_t{1} << 62, 4, 4, 4); });
}

TEST_F(Builders, RepeatsFillAShape) {
    ggml_tensor * a = of(GGML_TYPE_I32, 2, 3);
    ggml_tensor * b = f32(4, 3, 5);
    ggml_tensor * t = ggml_repeat(ctx, a, b);
    expect_op(t, GGML_OP_REPEAT, {a});
    EXPECT_EQ(shape_of(t), shape_of(b));
    EXPECT_EQ(t->type, GGML_TYPE_I32);
    EXPECT_EQ(shape_of(ggml_repeat_4d(ctx, a, 2, 6, 1, 7)), (Shape{2, 6, 1, 7}));
    ggml_tensor * smaller = f32(2, 2);
    ggml_tensor * empty = f32(0);
    expect_refused([&] { return ggml_repeat(ctx, a, smaller); });
    expect_refused([&] { return ggml_repeat(ctx, empty, b); });
    expect_refused([&] { return ggml_repeat_4d(ctx, a, 3, 3, 1, 1); });
    expect_refused([&] { return ggml_repeat_4d(ctx, a, -2, 3, 1, 1); });
    expect_refused([&] { return ggml_repeat_4d(ctx, a, int64_t{1} << 62, 3, 1, 1); });
    expect_refused([&] { return ggml_repeat_4d(ctx, empty, 3, 3, 1, 1); });
}

TEST_F(Builders, ConcatAddsUpOneDimension) {
    ggml_tensor * a = of(GGML_TYPE_F16, 2, 3, 4, 5);
    for (int dim = 0; dim < 4; dim++) {
        Shape shape = shape_of(a);
        const auto at = static_cast<size_t>(dim);
        for (const int64_t n : {0, 1, 7}) {
            shape[at] = n;
            ggml_tensor * b = ggml_new_tensor(ctx, GGML_TYPE_F16, 4, shape.data());
            ggml_tensor * t = ggml_concat(ctx, a, b, dim);
            expect_op(t, GGML_OP_CONCAT, {a, b});
            Shape expected = shape_of(a);
            expected[at] += n;
            EXPECT_EQ(shape_of(t), expected);
            EXPECT_EQ(t->type, GGML_TYPE_F16);
            EXPECT_EQ(t->op_params[0], dim);
            EXPECT_EQ(t->view_src, nullptr);
        }
    }
    ggml_tensor * turned = ggml_transpose(ctx, f32(4, 3));
    EXPECT_TRUE(ggml_is_contiguous(ggml_concat(ctx, turned, turned, 0)));
    EXPECT_EQ(shape_of(ggml_concat(ctx, of(GGML_TYPE_Q8_0, 32), of(GGML_TYPE_Q8_0, 64), 0)), (Shape{96, 1, 1, 1}));
}

TEST_F(Builders, ConcatRefusesOtherTypesShapesAndDimensions) {
    ggml_tensor * a = f32(2, 3, 4, 5);
    ggml_tensor * half = of(GGML_TYPE_F16, 2, 3, 4, 5);
    for (const int dim : {-1, 4, INT32_MAX, INT32_MIN}) {
        expect_refused([&] { return ggml_concat(ctx, a, a, dim); });
    }
    for (int dim = 0; dim < 4; dim++) {
        expect_refused([&] { return ggml_concat(ctx, a, half, dim); });
        for (int other = 0; other < 4; other++) {
            Shape shape = shape_of(a);
            shape[static_cast<size_t>(other)]++;
            ggml_tensor * b = ggml_new_tensor(ctx, GGML_TYPE_F32, 4, shape.data());
            if (other != dim) {
                expect_refused([&] { return ggml_concat(ctx, a, b, dim); });
            }
        }
    }
    ggml_tensor * huge = of(GGML_TYPE_I8, INT64_MAX - 1);
    expect_refused([&] { return ggml_concat(ctx, huge, huge, 0); });
    expect_refused([&] { return ggml_concat(ctx, huge, huge, 1); });
}

TEST_F(Builders, GetRowsPicksRowsOfEachMatrix) {
    ggml_tensor * a = of(GGML_TYPE_Q4_0, 32, 9, 2, 3);
    ggml_tensor * ids = of(GGML_TYPE_I32, 5, 2, 3);
    ggml_tensor * t = ggml_get_rows(ctx, a, ids);
    expect_op(t, GGML_OP_GET_ROWS, {a, ids});
    EXPECT_EQ(shape_of(t), (Shape{32, 5, 2, 3}));
    EXPECT_EQ(t->type, GGML_TYPE_F32);
    EXPECT_EQ(ggml_get_rows(ctx, of(GGML_TYPE_I32, 4, 4), of(GGML_TYPE_I32, 2))->type, GGML_TYPE_I32);
    for (ggml_tensor * bad : {f32(5, 2, 3), of(GGML_TYPE_I64, 5, 2, 3), of(GGML_TYPE_I32, 5, 1, 3),
                              of(GGML_TYPE_I32, 5, 2, 1), of(GGML_TYPE_I32, 5, 2, 3, 2)}) {
        expect_refused([&] { return ggml_get_rows(ctx, a, bad); });
    }
}

TEST_F(Builders, SetRowsIsAViewOfWhatItWrites) {
    ggml_tensor * cache = of(GGML_TYPE_F16, 32, 64, 2, 4);
    ggml_tensor * a = ggml_view_4d(ctx, cache, 32, 16, 2, 4, cache->nb[1], cache->nb[2], cache->nb[3], 64);
    ggml_tensor * b = f32(32, 5, 2, 4);
    for (ggml_tensor * ids : {of(GGML_TYPE_I64, 5), of(GGML_TYPE_I32, 5, 2), of(GGML_TYPE_I64, 5, 1, 2)}) {
        ggml_tensor * t = ggml_set_rows(ctx, a, b, ids);
        expect_op(t, GGML_OP_SET_ROWS, {b, ids, a});
        EXPECT_EQ(t->view_src, cache);
        EXPECT_EQ(t->view_offs, 64u);
        EXPECT_EQ(shape_of(t), shape_of(a));
        EXPECT_EQ(strides_of(t), strides_of(a));
    }
    ggml_tensor * ids = of(GGML_TYPE_I64, 5);
    for (ggml_tensor * bad : {f32(16, 5, 2, 4), f32(32, 6, 2, 4), f32(32, 5, 1, 4), f32(32, 5, 2, 2),
                              of(GGML_TYPE_I32, 32, 5, 2, 4), ggml_transpose(ctx, f32(5, 32, 2, 4))}) {
        expect_refused([&] { return ggml_set_rows(ctx, a, bad, ids); });
    }
    for (ggml_tensor * bad : {f32(5), of(GGML_TYPE_I64, 4), of(GGML_TYPE_I64, 5, 3), of(GGML_TYPE_I64, 5, 1, 3),
                              of(GGML_TYPE_I64, 5, 1, 1, 2), of(GGML_TYPE_I64, 5, 0)}) {
        expect_refused([&] { return ggml_set_rows(ctx, a, b, bad); });
    }
}

TEST_F(Builders, SetWritesAPartOfACopyOrInplace) {
    ggml_tensor * a = f32(8, 6, 4, 2);
    ggml_tensor * b = f32(4, 3, 2, 2);
    ggml_tensor * t = ggml_set(ctx, a, b, a->nb[1], a->nb[2], a->nb[3], 48);
    expect_op(t, GGML_OP_SET, {a, b});
    EXPECT_EQ(t->view_src, nullptr);
    EXPECT_EQ(shape_of(t), shape_of(a));
    const int32_t expected[] = {32, 192, 768, 48, 0};
    EXPECT_EQ(std::memcmp(t->op_params, expected, sizeof(expected)), 0);
    ggml_tensor * in = ggml_set_inplace(ctx, a, b, a->nb[1], a->nb[2], a->nb[3], 0);
    EXPECT_EQ(in->view_src, a);
    EXPECT_EQ(in->op_params[4], 1);
    EXPECT_EQ(ggml_set_1d(ctx, a, f32(4), 16)->op_params[3], 16);
    EXPECT_EQ(ggml_set_1d_inplace(ctx, a, f32(4), 16)->view_src, a);
    EXPECT_EQ(ggml_set_2d(ctx, a, f32(4, 2), 64, 0)->op_params[0], 64);
    EXPECT_EQ(ggml_set_2d_inplace(ctx, a, f32(4, 2), 64, 0)->view_src, a);
}

TEST_F(Builders, SetRefusesBadRangesAndStrides) {
    ggml_tensor * a = f32(8, 6);
    ggml_tensor * row = f32(8);
    EXPECT_NE(ggml_set_1d(ctx, a, row, 160), nullptr);
    expect_refused([&] { return ggml_set_1d(ctx, a, row, 164); });
    expect_refused([&] { return ggml_set_1d(ctx, a, row, 2); });
    expect_refused([&] { return ggml_set_1d(ctx, a, row, size_t{1} << 31); });
    expect_refused([&] { return ggml_set_1d(ctx, a, row, SIZE_MAX - 3); });
    ggml_tensor * rows = f32(4, 3);
    EXPECT_NE(ggml_set_2d(ctx, a, rows, 64, 48), nullptr);
    expect_refused([&] { return ggml_set_2d(ctx, a, rows, 96, 0); });
    expect_refused([&] { return ggml_set_2d(ctx, a, rows, 30, 0); });
    expect_refused([&] { return ggml_set_2d(ctx, a, rows, size_t{1} << 32, 0); });
    ggml_tensor * larger = f32(8, 7);
    ggml_tensor * half = of(GGML_TYPE_F16, 8);
    expect_refused([&] { return ggml_set_2d(ctx, a, larger, 0, 0); });
    expect_refused([&] { return ggml_set_1d(ctx, a, half, 0); });
    ggml_tensor * far = of(GGML_TYPE_F32, int64_t{1} << 30, 4);
    expect_refused([&] { return ggml_set_1d(ctx, far, row, (size_t{1} << 32) + 16); });
}

TEST_F(Builders, RopeKeepsItsParametersInTheirPlaces) {
    ggml_tensor * a = f32(64, 4, 7);
    ggml_tensor * positions = of(GGML_TYPE_I32, 7);
    ggml_tensor * factors = f32(16);
    ggml_tensor * t = ggml_rope_ext(ctx, a, positions, factors, 32, GGML_ROPE_TYPE_NEOX, 4096, 500000.0f, 0.25f, 1.0f,
                                    0.5f, 32.0f, 2.0f);
    expect_op(t, GGML_OP_ROPE, {a, positions, factors});
    EXPECT_EQ(shape_of(t), shape_of(a));
    const int32_t integers[] = {0, 32, GGML_ROPE_TYPE_NEOX, 0, 4096};
    EXPECT_EQ(std::memcmp(t->op_params, integers, sizeof(integers)), 0);
    const float floats[] = {500000.0f, 0.25f, 1.0f, 0.5f, 32.0f, 2.0f};
    EXPECT_EQ(std::memcmp(&t->op_params[5], floats, sizeof(floats)), 0);
    for (int i = 11; i < 16; i++) {
        EXPECT_EQ(t->op_params[i], 0);
    }
    ggml_tensor * plain = ggml_rope(ctx, a, positions, 64, GGML_ROPE_TYPE_NORMAL);
    expect_op(plain, GGML_OP_ROPE, {a, positions});
    const float neutral[] = {10000.0f, 1.0f, 0.0f, 1.0f, 0.0f, 0.0f};
    EXPECT_EQ(std::memcmp(&plain->op_params[5], neutral, sizeof(neutral)), 0);
    EXPECT_EQ(ggml_rope_inplace(ctx, a, positions, 64, 0)->view_src, a);
    EXPECT_EQ(ggml_rope_ext_inplace(ctx, a, positions, nullptr, 64, 0, 0, 1e4f, 1, 0, 1, 0, 0)->view_src, a);
}

TEST_F(Builders, RopeRefusesWhatItCannotRotate) {
    ggml_tensor * a = f32(64, 4, 7);
    ggml_tensor * positions = of(GGML_TYPE_I32, 7);
    for (const int n_dims : {0, -2, 31, 66, INT32_MAX}) {
        expect_refused([&] { return ggml_rope(ctx, a, positions, n_dims, 0); });
    }
    for (const int mode : {1, 3, 4, 8, 24, -1}) {
        expect_refused([&] { return ggml_rope(ctx, a, positions, 32, mode); });
    }
    for (ggml_tensor * bad : {f32(7), of(GGML_TYPE_I32, 6), of(GGML_TYPE_I32, 7, 2), of(GGML_TYPE_I64, 7)}) {
        expect_refused([&] { return ggml_rope(ctx, a, bad, 32, 0); });
    }
    for (ggml_tensor * bad : {f32(15), of(GGML_TYPE_F16, 16)}) {
        expect_refused([&] { return ggml_rope_ext(ctx, a, positions, bad, 32, 0, 0, 1e4f, 1, 0, 1, 0, 0); });
    }
}

TEST_F(Builders, AChainWithAFailureEndsInNull) {
    LogCapture log;
    ggml_tensor * a = f32(4);
    ggml_tensor * broken = ggml_mul_mat(ctx, a, f32(5));
    EXPECT_EQ(ggml_set_name(ggml_rms_norm(ctx, ggml_add(ctx, broken, a), 1e-5f), "out"), nullptr);
    ASSERT_FALSE(log.errors.empty());
    EXPECT_NE(log.errors[0].find("ggml_mul_mat"), std::string::npos);
    EXPECT_NE(log.errors[0].find("f32[4, 1, 1, 1] f32[5, 1, 1, 1]"), std::string::npos) << log.errors[0];
}
