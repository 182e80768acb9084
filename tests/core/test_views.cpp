#include "core_test.h"

using namespace core_test;

class Views : public CoreTest {};

TEST_F(Views, AlwaysPointToTheRootAndAddUpTheirOffsets) {
    ggml_tensor * a = f32(16, 8, 4);
    ggml_tensor * plane = ggml_view_3d(ctx, a, 16, 8, 2, a->nb[1], a->nb[2], a->nb[2]);
    ggml_tensor * rows = ggml_view_2d(ctx, plane, 16, 3, plane->nb[1], 2 * plane->nb[1]);
    ggml_tensor * cell = ggml_view_1d(ctx, rows, 4, 12);
    ggml_tensor * turned = ggml_transpose(ctx, rows);
    ggml_tensor * inplace = ggml_scale_inplace(ctx, rows, 2.0f);
    const struct {
        ggml_tensor * view;
        size_t offs;
    } expected[] = {{plane, 512}, {rows, 640}, {cell, 652}, {turned, 640}, {inplace, 640}};
    for (const auto & e : expected) {
        ASSERT_NE(e.view, nullptr);
        EXPECT_EQ(e.view->view_src, a);
        EXPECT_EQ(e.view->view_offs, e.offs);
        EXPECT_TRUE(ggml_is_view(e.view));
        EXPECT_EQ(e.view->data, nullptr);
    }
    expect_op(cell, GGML_OP_VIEW, {rows});
    size_t offset = 0;
    std::memcpy(&offset, cell->op_params, sizeof(offset));
    EXPECT_EQ(offset, 12u) << "the parameter is the offset in the operand";
}

TEST_F(Views, ShareTheDataOfTheirRoot) {
    ggml_context * with_data = ggml_init({1 << 14, nullptr, false});
    ggml_tensor * a = ggml_new_tensor_2d(with_data, GGML_TYPE_F32, 4, 4);
    auto * bytes = static_cast<char *>(a->data);
    ggml_tensor * row = ggml_view_1d(with_data, a, 4, 16);
    EXPECT_EQ(row->data, bytes + 16);
    EXPECT_EQ(ggml_view_1d(with_data, row, 2, 8)->data, bytes + 24);
    EXPECT_EQ(ggml_reshape_1d(with_data, a, 16)->data, bytes);
    EXPECT_EQ(ggml_permute(with_data, row, 1, 0, 2, 3)->data, bytes + 16);
    EXPECT_EQ(ggml_get_data_f32(row), reinterpret_cast<float *>(bytes + 16));
    EXPECT_EQ(ggml_get_data_f32(ggml_new_tensor_1d(with_data, GGML_TYPE_I32, 1)), nullptr);
    ggml_free(with_data);
}

TEST_F(Views, TakeTheGivenStridesAndFillInTheRest) {
    ggml_tensor * a = f32(8, 6, 4, 2);
    EXPECT_EQ(strides_of(ggml_view_1d(ctx, a, 5, 4)), (Strides{4, 20, 20, 20}));
    EXPECT_EQ(strides_of(ggml_view_2d(ctx, a, 5, 3, 32, 0)), (Strides{4, 32, 96, 96}));
    EXPECT_EQ(strides_of(ggml_view_3d(ctx, a, 5, 3, 2, 32, 192, 0)), (Strides{4, 32, 192, 384}));
    EXPECT_EQ(strides_of(ggml_view_4d(ctx, a, 5, 3, 2, 2, 32, 192, 768, 0)), (Strides{4, 32, 192, 768}));
}

TEST_F(Views, MayTouchTheLastByteAndNoneBehind) {
    ggml_tensor * a = f32(8, 4);
    EXPECT_NE(ggml_view_1d(ctx, a, 32, 0), nullptr);
    EXPECT_NE(ggml_view_1d(ctx, a, 1, 124), nullptr);
    EXPECT_NE(ggml_view_1d(ctx, a, 0, 128), nullptr);
    EXPECT_NE(ggml_view_2d(ctx, a, 4, 4, 32, 16), nullptr);
    EXPECT_NE(ggml_view_2d(ctx, a, 8, 4, 0, 0), nullptr) << "rows may overlap";
    expect_refused([&] { return ggml_view_1d(ctx, a, 33, 0); });
    expect_refused([&] { return ggml_view_1d(ctx, a, 1, 128); });
    EXPECT_NE(ggml_view_1d(ctx, a, 0, 132), nullptr) << "without elements it may be anywhere, as in ggml";
    expect_refused([&] { return ggml_view_2d(ctx, a, 5, 4, 32, 16); });
    expect_refused([&] { return ggml_view_2d(ctx, a, 4, 4, 64, 0); });
    ggml_tensor * head = ggml_view_1d(ctx, a, 4, 0);
    EXPECT_NE(ggml_view_1d(ctx, head, 4, 112), nullptr) << "the root is the limit";
    expect_refused([&] { return ggml_view_1d(ctx, head, 4, 116); });
}

TEST_F(Views, OverflowingOffsetsAndStridesAreRefused) {
    ggml_tensor * a = f32(8, 4);
    ggml_tensor * tail = ggml_view_1d(ctx, a, 4, 64);
    expect_refused([&] { return ggml_view_1d(ctx, a, 1, SIZE_MAX - 3); });
    expect_refused([&] { return ggml_view_1d(ctx, tail, 1, SIZE_MAX - 63); });
    expect_refused([&] { return ggml_view_1d(ctx, tail, 0, SIZE_MAX - 63); });
    expect_refused([&] { return ggml_view_2d(ctx, a, 1, 3, SIZE_MAX / 2 + 1, 0); });
    expect_refused([&] { return ggml_view_2d(ctx, a, 1, 2, SIZE_MAX - 3, 8); });
    expect_refused([&] { return ggml_view_2d(ctx, a, 1, int64_t{1} << 40, size_t{1} << 40, 0); });
    expect_refused([&] { return ggml_view_1d(ctx, a, int64_t{1} << 62, 0); });
    expect_refused([&] { return ggml_view_1d(ctx, a, -1, 0); });
}

TEST_F(Views, ElementsStayAligned) {
    ggml_tensor * a = f32(8, 4);
    expect_refused([&] { return ggml_view_1d(ctx, a, 1, 2); });
    expect_refused([&] { return ggml_view_2d(ctx, a, 1, 2, 30, 0); });
    EXPECT_NE(ggml_view_2d(ctx, a, 1, 1, 30, 0), nullptr) << "the stride of a single row is not used";
    ggml_tensor * q = of(GGML_TYPE_Q8_0, 64, 4);
    EXPECT_NE(ggml_view_2d(ctx, q, 32, 4, q->nb[1], 34), nullptr);
    expect_refused([&] { return ggml_view_2d(ctx, q, 32, 4, q->nb[1], 16); });
    expect_refused([&] { return ggml_view_1d(ctx, q, 16, 0); });
}

TEST_F(Views, ReshapesKeepTheNumberOfElements) {
    ggml_tensor * a = f32(6, 4);
    ggml_tensor * r = ggml_reshape_3d(ctx, a, 2, 3, 4);
    expect_op(r, GGML_OP_RESHAPE, {a});
    EXPECT_EQ(shape_of(r), (Shape{2, 3, 4, 1}));
    EXPECT_EQ(strides_of(r), (Strides{4, 8, 24, 96}));
    EXPECT_EQ(r->view_src, a);
    EXPECT_EQ(shape_of(ggml_reshape_1d(ctx, a, 24)), (Shape{24, 1, 1, 1}));
    EXPECT_EQ(shape_of(ggml_reshape_2d(ctx, a, 8, 3)), (Shape{8, 3, 1, 1}));
    EXPECT_EQ(shape_of(ggml_reshape_4d(ctx, a, 1, 2, 3, 4)), (Shape{1, 2, 3, 4}));
    EXPECT_EQ(shape_of(ggml_reshape(ctx, a, ggml_transpose(ctx, f32(3, 8)))), (Shape{8, 3, 1, 1}));
    expect_refused([&] { return ggml_reshape_1d(ctx, a, 23); });
    expect_refused([&] { return ggml_reshape_2d(ctx, a, -6, -4); });
    expect_refused([&] { return ggml_reshape_2d(ctx, a, int64_t{1} << 62, 8); });
    ggml_tensor * turned = ggml_transpose(ctx, a);
    expect_refused([&] { return ggml_reshape_1d(ctx, turned, 24); });
    ggml_tensor * q = of(GGML_TYPE_Q4_0, 64, 2);
    EXPECT_NE(ggml_reshape_2d(ctx, q, 32, 4), nullptr);
    expect_refused([&] { return ggml_reshape_2d(ctx, q, 16, 8); });
}

TEST_F(Views, PermuteSendsDimensionIToAxisI) {
    ggml_tensor * a = f32(2, 3, 4, 5);
    ggml_tensor * p = ggml_permute(ctx, a, 2, 0, 3, 1);
    expect_op(p, GGML_OP_PERMUTE, {a});
    EXPECT_EQ(shape_of(p), (Shape{3, 5, 2, 4}));
    EXPECT_EQ(strides_of(p), (Strides{8, 96, 4, 24}));
    for (int i = 0; i < 4; i++) {
        const int axes[] = {2, 0, 3, 1};
        EXPECT_EQ(ggml_get_op_params_i32(p, static_cast<uint32_t>(i)), axes[i]);
    }
    expect_refused([&] { return ggml_permute(ctx, a, 0, 1, 2, 2); });
    expect_refused([&] { return ggml_permute(ctx, a, 0, 1, 2, 4); });
    expect_refused([&] { return ggml_permute(ctx, a, -1, 1, 2, 3); });
}

TEST_F(Views, StridesBeyond32BitsSurviveAPermutation) {
    ggml_tensor * a = of(GGML_TYPE_I8, int64_t{1} << 33, 2);
    EXPECT_EQ(strides_of(ggml_permute(ctx, a, 1, 0, 2, 3))[0], size_t{1} << 33);
    EXPECT_EQ(shape_of(ggml_permute(ctx, a, 1, 0, 2, 3))[1], int64_t{1} << 33);
}

TEST_F(Views, TransposeSwapsTheFirstTwo) {
    ggml_tensor * a = f32(2, 3, 4);
    ggml_tensor * t = ggml_transpose(ctx, a);
    expect_op(t, GGML_OP_TRANSPOSE, {a});
    EXPECT_EQ(shape_of(t), (Shape{3, 2, 4, 1}));
    EXPECT_EQ(strides_of(t), (Strides{8, 4, 24, 96}));
}

TEST_F(Views, RowsOfQuantizedTensorsStayRows) {
    ggml_tensor * q = of(GGML_TYPE_Q8_0, 64, 4, 2);
    EXPECT_NE(ggml_permute(ctx, q, 0, 2, 1, 3), nullptr);
    expect_refused([&] { return ggml_permute(ctx, q, 1, 0, 2, 3); });
    expect_refused([&] { return ggml_transpose(ctx, q); });
}

TEST_F(Views, NamesTellWhereTheyComeFrom) {
    ggml_tensor * a = ggml_set_name(f32(4, 4), "kv");
    EXPECT_STREQ(ggml_view_1d(ctx, a, 4, 0)->name, "kv (view)");
    EXPECT_STREQ(ggml_view_tensor(ctx, a)->name, "kv (view)");
    EXPECT_STREQ(ggml_reshape_1d(ctx, a, 16)->name, "kv (reshaped)");
    EXPECT_STREQ(ggml_permute(ctx, a, 1, 0, 2, 3)->name, "kv (permuted)");
    EXPECT_STREQ(ggml_transpose(ctx, a)->name, "kv (transposed)");
    EXPECT_STREQ(ggml_cont(ctx, a)->name, "kv (cont)");
    EXPECT_STREQ(ggml_cast(ctx, a, GGML_TYPE_F16)->name, "kv (copy)");
    EXPECT_STREQ(ggml_cpy(ctx, a, f32(16))->name, "kv (copy)");
    EXPECT_STREQ(ggml_cpy(ctx, a, ggml_set_name(f32(16), "b"))->name, "b (copy of kv)");
}
