#include "bench.h"

using namespace bench;

TEST(MulMat, MatchesTheReferenceForEveryTypeAndOddShape) {
    for (const ggml_type type : kWeightTypes) {
        for (const int64_t k : {1, 7, 31, 33, 64, 320}) {
            if (k % ggml_blck_size(type) != 0) {
                continue;
            }
            for (const int64_t n : {1, 7, 33}) {
                for (const int64_t m : {1, 2, 7, 65}) {
                    Bench bench(static_cast<uint32_t>(k * n * m));
                    bench.check(ggml_mul_mat(bench.ctx(), bench.random(type, {k, n, 1, 1}),
                                             bench.random(GGML_TYPE_F32, {k, m, 1, 1})));
                }
            }
        }
    }
}

TEST(MulMat, PlanesOfTheWeightsAreRepeatedOverTheColumns) {
    const Index weights[] = {{64, 9, 1, 1}, {64, 9, 2, 1}, {64, 9, 4, 3}, {64, 9, 1, 3}};
    for (const ggml_type type : kWeightTypes) {
        for (const Index & shape : weights) {
            for (const Layout layout : kRowLayouts) {
                Bench bench(31);
                ggml_tensor * a = bench.random(type, shape, layout);
                bench.check(ggml_mul_mat(bench.ctx(), a, bench.random(GGML_TYPE_F32, {64, 5, 4, 3}, layout)));
            }
        }
    }
}

TEST(MulMat, ColumnsMayBeOfAnyFloatTypeAndLayout) {
    for (const ggml_type type : kFloatTypes) {
        for (const Layout layout : kAllLayouts) {
            Bench bench(32);
            ggml_tensor * node = ggml_mul_mat(bench.ctx(), bench.random(GGML_TYPE_F16, {33, 9, 2, 1}),
                                              bench.random(GGML_TYPE_F32, {33, 5, 4, 2}));
            node->src[1] = bench.random(type, {33, 5, 4, 2}, layout);
            bench.check(node);
        }
    }
}

TEST(MulMat, TransposedWeightsAreReadByTheirStrides) {
    for (const ggml_type type : kFloatTypes) {
        Bench bench(33);
        ggml_tensor * node =
            ggml_mul_mat(bench.ctx(), bench.random(type, {33, 9, 2, 1}), bench.random(GGML_TYPE_F32, {33, 5, 4, 1}));
        node->src[0] = bench.random(type, {33, 9, 2, 1}, Layout::Transposed); // the builder refuses it, as ggml's does
        bench.check(node);
    }
}

TEST(MulMat, LongRowsOnManyThreads) {
    for (const ggml_type type : kWeightTypes) {
        Bench bench(34, 5, 16u << 20);
        ggml_tensor * a = bench.random(type, {4096, 37, 1, 1});
        ggml_tensor * node = ggml_mul_mat(bench.ctx(), a, bench.random(GGML_TYPE_F32, {4096, 70, 1, 1}));
        ASSERT_NE(node, nullptr);
        const reference::Array expected = reference::evaluate(node);
        ASSERT_EQ(bench.compute(node), GGML_STATUS_SUCCESS);
        const float * y = ggml_get_data_f32(node);
        for (size_t i = 0; i < expected.values.size(); ++i) {
            ASSERT_NEAR(y[i], expected.values[i], 2e-4) << i; // sums of 4096 products
        }
    }
}

TEST(MulMatId, MatchesTheReferenceForEveryType) {
    for (const ggml_type type : kWeightTypes) {
        for (const int64_t k : {7, 33, 64, 96}) {
            if (k % ggml_blck_size(type) != 0) {
                continue;
            }
            for (const int64_t n_b : {1, 2, 4}) {
                for (const int64_t m : {1, 7, 70}) {
                    Bench bench(static_cast<uint32_t>(k + n_b + m));
                    ggml_tensor * as = bench.random(type, {k, 13, 5, 1});
                    ggml_tensor * b = bench.random(GGML_TYPE_F32, {k, n_b, m, 1});
                    bench.check(ggml_mul_mat_id(bench.ctx(), as, b, bench.random_indices({4, m, 1, 1}, 5)));
                }
            }
        }
    }
}

TEST(MulMatId, IdsMayBeAViewWithGaps) {
    Bench bench(35);
    ggml_tensor * sorted = bench.random_indices({8, 9, 1, 1}, 8);
    ggml_tensor * ids = ggml_view_2d(bench.ctx(), sorted, 2, 9, sorted->nb[1], 0); // as ggml_argsort_top_k makes it
    bench.check(ggml_mul_mat_id(bench.ctx(), bench.random(GGML_TYPE_Q8_0, {64, 6, 8, 1}),
                                bench.random(GGML_TYPE_F32, {64, 1, 9, 1}, Layout::GapsBetweenRows), ids));
}

TEST(MulMatId, IdsOutOfRangeFail) {
    for (const int bad : {-1, 5, INT32_MAX, INT32_MIN}) {
        Bench bench(36);
        const LogCapture log;
        ggml_tensor * as = bench.random(GGML_TYPE_F32, {16, 4, 5, 1});
        ggml_tensor * b = bench.random(GGML_TYPE_F32, {16, 1, 1, 1});
        ggml_tensor * ids = ggml_reshape_2d(bench.ctx(), bench.indices({0, bad, 4}), 3, 1);
        EXPECT_EQ(bench.compute(ggml_mul_mat_id(bench.ctx(), as, b, ids)), GGML_STATUS_FAILED);
        EXPECT_NE(log.text.find(std::to_string(bad)), std::string::npos) << log.text;
    }
}
