#include "bench.h"

#include <cmath>
#include <limits>

using namespace bench;

namespace {

const Index kShapes[] = {{1, 1, 1, 1}, {7, 3, 2, 1}, {31, 1, 5, 2}, {33, 2, 1, 3}, {64, 5, 1, 1}, {1031, 2, 1, 1}};

} // namespace

TEST(Reduce, SumRowsAndRmsNormMatchTheReference) {
    for (const ggml_type type : kFloatTypes) {
        for (const Index & shape : kShapes) {
            for (const Layout layout : kAllLayouts) {
                Bench bench(static_cast<uint32_t>(shape[0]));
                bench.check(ggml_sum_rows(bench.ctx(), bench.random(type, shape, layout)));
                bench.check(ggml_rms_norm(bench.ctx(), bench.random(type, shape, layout), 1e-5f));
            }
        }
    }
    Bench bench(2);
    bench.check(ggml_rms_norm_inplace(bench.ctx(), bench.random(GGML_TYPE_F32, {33, 5, 1, 1}), 1e-5f));
}

TEST(SoftMax, MatchesTheReferenceForEveryShapeAndScale) {
    for (const Index & shape : kShapes) {
        for (const float scale : {1.0f, 0.125f, -3.0f}) {
            Bench bench(static_cast<uint32_t>(shape[0]));
            bench.check(ggml_soft_max_ext(bench.ctx(), bench.random(GGML_TYPE_F32, shape), nullptr, scale, 0.0f));
        }
    }
}

TEST(SoftMax, ReadsRowsThatAreNotContiguous) {
    for (const Layout layout : kAllLayouts) {
        Bench bench(3);
        const Index shape = {33, 4, 3, 1};
        ggml_tensor * node = ggml_soft_max(bench.ctx(), bench.random(GGML_TYPE_F32, shape));
        node->src[0] = bench.random(GGML_TYPE_F32, shape, layout); // the builder takes contiguous operands only
        bench.check(node);
    }
}

TEST(SoftMax, MaskIsAddedScaledByHeadAndRepeatedOverPlanes) {
    const Index masks[] = {{33, 5, 1, 1}, {33, 8, 1, 1}, {33, 5, 6, 1}, {33, 5, 3, 2}, {33, 5, 1, 2}};
    for (const ggml_type type : {GGML_TYPE_F32, GGML_TYPE_F16}) {
        for (const Index & shape : masks) {
            for (const float max_bias : {0.0f, 8.0f}) {
                Bench bench(4);
                ggml_tensor * a = bench.random(GGML_TYPE_F32, {33, 5, 6, 2}); // 6 heads: not a power of two
                bench.check(ggml_soft_max_ext(bench.ctx(), a, bench.random(type, shape), 0.5f, max_bias));
            }
        }
    }
}

TEST(SoftMax, MaskedEntriesGetExactlyNothingAndMaskedRowsToo) {
    Bench bench(5);
    ggml_tensor * a = bench.random(GGML_TYPE_F32, {33, 3, 1, 1});
    ggml_tensor * mask = bench.random(GGML_TYPE_F32, {33, 3, 1, 1});
    float * m = ggml_get_data_f32(mask);
    std::fill(m + 10, m + 33, -std::numeric_limits<float>::infinity());
    std::fill(m + 33, m + 66, -std::numeric_limits<float>::infinity());
    ggml_tensor * node = ggml_soft_max_ext(bench.ctx(), a, mask, 1.0f, 0.0f);
    bench.check(node);
    const float * y = ggml_get_data_f32(node);
    for (int i = 10; i < 66; ++i) {
        EXPECT_EQ(y[i], 0.0f) << i;
    }
}

TEST(SoftMax, LargeValuesDoNotOverflowAndNanStaysVisible) {
    Bench bench(6);
    ggml_tensor * a = ggml_scale(bench.ctx(), bench.random(GGML_TYPE_F32, {64, 2, 1, 1}), 1e4f);
    ASSERT_EQ(bench.compute(a), GGML_STATUS_SUCCESS);
    bench.check(ggml_soft_max(bench.ctx(), a));

    ggml_tensor * b = ggml_new_tensor_1d(bench.ctx(), GGML_TYPE_F32, 4);
    std::fill_n(ggml_get_data_f32(b), 4, std::numeric_limits<float>::quiet_NaN());
    ggml_tensor * node = ggml_soft_max(bench.ctx(), b);
    ASSERT_EQ(bench.compute(node), GGML_STATUS_SUCCESS);
    EXPECT_TRUE(std::isnan(ggml_get_data_f32(node)[0]));
}

TEST(SoftMax, InplaceOverwritesItsOperand) {
    Bench bench(7);
    bench.check(ggml_soft_max_ext_inplace(bench.ctx(), bench.random(GGML_TYPE_F32, {31, 5, 1, 1}),
                                          bench.random(GGML_TYPE_F16, {31, 5, 1, 1}), 0.3f, 0.0f));
}
