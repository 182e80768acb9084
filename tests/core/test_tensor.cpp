#include "core_test.h"

using namespace core_test;

class Tensor : public CoreTest {};

TEST_F(Tensor, OfAnUnknownTypeIsNotContiguous) {
    ggml_tensor tensor = {};
    tensor.type = GGML_TYPE_COUNT;
    std::fill_n(tensor.ne, GGML_MAX_DIMS, 1);
    EXPECT_FALSE(ggml_is_contiguous(&tensor));
    EXPECT_FALSE(ggml_is_contiguous_1(&tensor));
    EXPECT_FALSE(ggml_is_contiguously_allocated(&tensor));
}

TEST_F(Tensor, OfAnUnknownTypeHasNoBytes) {
    ggml_tensor tensor = {};
    tensor.type = GGML_TYPE_COUNT;
    std::fill_n(tensor.ne, GGML_MAX_DIMS, 2);
    std::fill_n(tensor.nb, GGML_MAX_DIMS, 1); // so that it is not contiguous
    EXPECT_EQ(ggml_nbytes(&tensor), 0U);
}

TEST_F(Tensor, IsContiguousAndEmptyOfContentWhenNew) {
    const ggml_tensor * t = of(GGML_TYPE_F16, 3, 4, 5, 6);
    EXPECT_EQ(shape_of(t), (Shape{3, 4, 5, 6}));
    EXPECT_EQ(strides_of(t), (Strides{2, 6, 24, 120}));
    EXPECT_EQ(t->op, GGML_OP_NONE);
    EXPECT_EQ(t->flags, 0);
    EXPECT_EQ(t->data, nullptr);
    EXPECT_EQ(t->view_src, nullptr);
    EXPECT_EQ(t->buffer, nullptr);
    EXPECT_STREQ(t->name, "");
    EXPECT_EQ(ggml_nelements(t), 360);
    EXPECT_EQ(ggml_nrows(t), 120);
    EXPECT_EQ(ggml_nbytes(t), 720u);
    EXPECT_EQ(ggml_element_size(t), 2u);
}

TEST_F(Tensor, RowsOfQuantizedTypesAreWholeBlocks) {
    const ggml_tensor * t = of(GGML_TYPE_Q8_0, 64, 3, 2);
    EXPECT_EQ(strides_of(t), (Strides{34, 68, 204, 408}));
    EXPECT_EQ(ggml_nbytes(t), 408u);
    EXPECT_TRUE(ggml_is_contiguous(t));
    expect_refused([&] { return of(GGML_TYPE_Q8_0, 33); });
    expect_refused([&] { return of(GGML_TYPE_Q4_0, 16, 2); });
}

TEST_F(Tensor, DimensionsThatAreNotGivenAreOne) {
    EXPECT_EQ(shape_of(ggml_new_tensor_1d(ctx, GGML_TYPE_F32, 7)), (Shape{7, 1, 1, 1}));
    EXPECT_EQ(shape_of(ggml_new_tensor_2d(ctx, GGML_TYPE_F32, 7, 6)), (Shape{7, 6, 1, 1}));
    EXPECT_EQ(shape_of(ggml_new_tensor_3d(ctx, GGML_TYPE_F32, 7, 6, 5)), (Shape{7, 6, 5, 1}));
    EXPECT_EQ(ggml_n_dims(f32(1)), 1);
    EXPECT_EQ(ggml_n_dims(f32(1, 2)), 2);
    EXPECT_EQ(ggml_n_dims(f32(3, 1, 2)), 3);
    EXPECT_EQ(ggml_n_dims(f32(1, 1, 1, 2)), 4);
}

TEST_F(Tensor, SizesThatCannotBeAddressedAreRefused) {
    const int64_t huge = int64_t{1} << 62;
    expect_refused([&] { return f32(-1); });
    expect_refused([&] { return f32(4, 3, -2); });
    expect_refused([&] { return f32(INT64_MIN); });
    expect_refused([&] { return f32(huge); });
    expect_refused([&] { return f32(huge, 0); }, "an empty dimension hides no overflow");
    expect_refused([&] { return f32(0, huge, 4); });
    expect_refused([&] { return f32(huge, huge, huge, huge); });
    expect_refused([&] { return f32(int64_t{1} << 31, int64_t{1} << 31, 4); });
    expect_refused([&] { return of(GGML_TYPE_I8, INT64_MAX, 2); });
    expect_refused([&] { return of(GGML_TYPE_Q4_0, huge, 2); });
    EXPECT_NE(of(GGML_TYPE_I8, INT64_MAX), nullptr);
}

TEST_F(Tensor, BadTypesDimensionsAndPointersAreRefused) {
    const int64_t ne[] = {1, 1, 1, 1, 1};
    expect_refused([&] { return ggml_new_tensor(ctx, GGML_TYPE_COUNT, 1, ne); });
    expect_refused([&] { return ggml_new_tensor(ctx, static_cast<ggml_type>(3), 1, ne); });
    expect_refused([&] { return ggml_new_tensor(ctx, GGML_TYPE_F32, 0, ne); });
    expect_refused([&] { return ggml_new_tensor(ctx, GGML_TYPE_F32, 5, ne); });
    expect_refused([&] { return ggml_new_tensor(ctx, GGML_TYPE_F32, -1, ne); });
    expect_refused([&] { return ggml_new_tensor(ctx, GGML_TYPE_F32, 1, nullptr); });
    expect_refused([&] { return ggml_new_tensor(nullptr, GGML_TYPE_F32, 1, ne); });
    expect_refused([&] { return ggml_dup_tensor(ctx, nullptr); });
    ggml_tensor * t = f32(1);
    expect_refused([&] { return ggml_dup_tensor(nullptr, t); });
    expect_refused([&] { return ggml_view_tensor(ctx, nullptr); });
    expect_refused([&] { return ggml_dup_tensor_layout(ctx, nullptr); });
}

TEST_F(Tensor, EmptyTensorsHaveNoBytes) {
    const ggml_tensor * t = f32(4, 0, 3);
    ASSERT_NE(t, nullptr);
    EXPECT_TRUE(ggml_is_empty(t));
    EXPECT_EQ(ggml_nbytes(t), 0u);
    EXPECT_EQ(ggml_nelements(t), 0);
}

TEST_F(Tensor, NamesAreCutAndMayBuildOnThemselves) {
    ggml_tensor * t = f32(1);
    const std::string longer(100, 'n');
    EXPECT_EQ(ggml_set_name(t, longer.c_str()), t);
    EXPECT_EQ(std::string(ggml_get_name(t)), longer.substr(0, GGML_MAX_NAME - 1));
    ggml_set_name(t, "w");
    EXPECT_EQ(ggml_format_name(t, "%s-%d", t->name, 4), t);
    EXPECT_STREQ(t->name, "w-4");
    ggml_set_name(t, t->name + 2);
    EXPECT_STREQ(t->name, "4");
    EXPECT_EQ(ggml_set_name(nullptr, "x"), nullptr);
    EXPECT_EQ(ggml_format_name(nullptr, "x"), nullptr);
    EXPECT_STREQ(ggml_get_name(nullptr), "");
}

TEST_F(Tensor, FlagsAddUpAndOnlyUncomputedTensorsBecomeParameters) {
    ggml_tensor * t = f32(1);
    ggml_set_input(t);
    ggml_set_output(t);
    ggml_set_param(t);
    EXPECT_EQ(t->flags, GGML_TENSOR_FLAG_INPUT | GGML_TENSOR_FLAG_OUTPUT | GGML_TENSOR_FLAG_PARAM);
    ggml_tensor * sum = ggml_add(ctx, t, t);
    LogCapture log;
    ggml_set_param(sum);
    EXPECT_EQ(sum->flags, 0);
    EXPECT_EQ(log.errors.size(), 1u);
    ggml_set_input(nullptr);
    ggml_set_output(nullptr);
    ggml_set_param(nullptr);
}

TEST_F(Tensor, ShapeClassesNest) {
    EXPECT_TRUE(ggml_is_scalar(f32(1)));
    EXPECT_FALSE(ggml_is_scalar(f32(2)));
    EXPECT_TRUE(ggml_is_vector(f32(2)));
    EXPECT_FALSE(ggml_is_vector(f32(2, 2)));
    EXPECT_FALSE(ggml_is_vector(f32(2, 1, 2)));
    EXPECT_TRUE(ggml_is_matrix(f32(2, 2)));
    EXPECT_FALSE(ggml_is_matrix(f32(2, 2, 2)));
    EXPECT_FALSE(ggml_is_matrix(f32(2, 2, 1, 2)));
    EXPECT_TRUE(ggml_is_3d(f32(2, 2, 2)));
    EXPECT_FALSE(ggml_is_3d(f32(1, 1, 1, 2)));
}

TEST_F(Tensor, ContiguityIsSeenDimensionByDimension) {
    ggml_tensor * a = f32(8, 4, 3, 2);
    const ggml_tensor * rows = ggml_view_4d(ctx, a, 4, 4, 3, 2, a->nb[1], a->nb[2], a->nb[3], 0);
    EXPECT_FALSE(ggml_is_contiguous(rows));
    EXPECT_TRUE(ggml_is_contiguous_1(rows));
    EXPECT_TRUE(ggml_is_contiguous_2(rows));
    EXPECT_TRUE(ggml_is_contiguous_rows(rows));
    EXPECT_FALSE(ggml_is_contiguously_allocated(rows));
    const ggml_tensor * planes = ggml_view_4d(ctx, a, 8, 2, 3, 2, a->nb[1], a->nb[2], a->nb[3], 0);
    EXPECT_FALSE(ggml_is_contiguous_1(planes));
    EXPECT_TRUE(ggml_is_contiguous_2(planes));
    const ggml_tensor * swapped = ggml_permute(ctx, a, 0, 2, 1, 3);
    EXPECT_FALSE(ggml_is_contiguous(swapped));
    EXPECT_FALSE(ggml_is_contiguous_1(swapped));
    EXPECT_FALSE(ggml_is_contiguous_2(swapped)) << "dimension 3 does not follow dimension 2";
    EXPECT_TRUE(ggml_is_contiguous_2(ggml_permute(ctx, f32(8, 4, 3), 0, 2, 1, 3)));
    EXPECT_TRUE(ggml_is_permuted(swapped));
    EXPECT_FALSE(ggml_is_transposed(swapped));
    EXPECT_TRUE(ggml_is_contiguously_allocated(swapped));
    const ggml_tensor * transposed = ggml_transpose(ctx, a);
    EXPECT_TRUE(ggml_is_transposed(transposed));
    EXPECT_FALSE(ggml_is_contiguous_rows(transposed));
    EXPECT_TRUE(ggml_is_contiguously_allocated(transposed));
}

TEST_F(Tensor, ContiguityIgnoresStridesOfOneElement) {
    ggml_tensor * a = f32(8, 4);
    const ggml_tensor * row = ggml_view_4d(ctx, a, 8, 1, 1, 1, 4096, 8192, 12288, 32);
    ASSERT_NE(row, nullptr);
    EXPECT_TRUE(ggml_is_contiguous(row));
    EXPECT_TRUE(ggml_is_contiguously_allocated(row));
}

TEST_F(Tensor, RepeatsNeedEveryDimensionToDivide) {
    EXPECT_TRUE(ggml_can_repeat(f32(2, 1, 3), f32(4, 5, 3, 2)));
    EXPECT_FALSE(ggml_can_repeat(f32(2, 2), f32(4, 5)));
    EXPECT_FALSE(ggml_can_repeat(f32(4), f32(2)));
    EXPECT_TRUE(ggml_can_repeat(f32(0), f32(0)));
    EXPECT_FALSE(ggml_can_repeat(f32(0), f32(3)));
    EXPECT_TRUE(ggml_can_repeat(f32(3), f32(0)));
    EXPECT_TRUE(ggml_are_same_shape(f32(2, 3), f32(2, 3)));
    EXPECT_FALSE(ggml_are_same_shape(f32(2, 3), f32(3, 2)));
    EXPECT_TRUE(ggml_are_same_stride(f32(2, 3), f32(2, 3)));
    EXPECT_FALSE(ggml_are_same_stride(f32(2, 3), ggml_transpose(ctx, f32(3, 2))));
}

TEST_F(Tensor, DuplicatesTakeShapeOrLayout) {
    ggml_tensor * a = ggml_transpose(ctx, of(GGML_TYPE_F16, 5, 7));
    const ggml_tensor * shape = ggml_dup_tensor(ctx, a);
    EXPECT_EQ(shape_of(shape), shape_of(a));
    EXPECT_EQ(strides_of(shape), (Strides{2, 14, 70, 70}));
    const ggml_tensor * layout = ggml_dup_tensor_layout(ctx, a);
    EXPECT_EQ(shape_of(layout), shape_of(a));
    EXPECT_EQ(strides_of(layout), strides_of(a));
    EXPECT_EQ(layout->type, GGML_TYPE_F16);
    EXPECT_EQ(layout->view_src, nullptr);
    EXPECT_EQ(layout->data, nullptr);
}

TEST_F(Tensor, CountsOfNullAreZero) {
    EXPECT_EQ(ggml_nelements(nullptr), 0);
    EXPECT_EQ(ggml_nrows(nullptr), 0);
    EXPECT_EQ(ggml_nbytes(nullptr), 0u);
    EXPECT_EQ(ggml_nbytes_pad(nullptr), 0u);
    EXPECT_EQ(ggml_element_size(nullptr), 0u);
    EXPECT_EQ(ggml_get_data(nullptr), nullptr);
    EXPECT_EQ(ggml_get_data_f32(nullptr), nullptr);
    EXPECT_EQ(ggml_nbytes_pad(f32(1)), 16u);
    EXPECT_EQ(ggml_nbytes_pad(f32(5)), 32u);
}
