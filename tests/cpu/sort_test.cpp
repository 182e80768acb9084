#include "bench.h"

#include <cmath>
#include <limits>
#include <set>

using namespace bench;

namespace {

const Index kShapes[] = {{1, 1, 1, 1}, {7, 3, 2, 1}, {31, 1, 5, 2}, {33, 2, 1, 3}, {64, 5, 1, 1}, {1500, 2, 1, 1}};

// Few different values, so that equal ones are common
ggml_tensor * random_with_ties(Bench & bench, const Index & shape) {
    ggml_tensor * t = ggml_new_tensor(bench.ctx(), GGML_TYPE_F32, 4, shape.data());
    for (int64_t i = 0; i < ggml_nelements(t); ++i) {
        ggml_get_data_f32(t)[i] = static_cast<float>(bench.random_int(-2, 2));
    }
    return t;
}

} // namespace

TEST(Sort, ArgsortIsStableInBothOrders) {
    for (const Index & shape : kShapes) {
        for (const ggml_sort_order order : {GGML_SORT_ORDER_ASC, GGML_SORT_ORDER_DESC}) {
            Bench bench(static_cast<uint32_t>(shape[0]));
            bench.check(ggml_argsort(bench.ctx(), random_with_ties(bench, shape), order));
            bench.check(ggml_argsort(bench.ctx(), bench.random(GGML_TYPE_F32, shape, Layout::Transposed), order));
        }
    }
}

TEST(Sort, TopKIsTheBeginningOfTheDescendingOrder) {
    for (const Index & shape : kShapes) {
        for (const int64_t k : {int64_t{1}, (shape[0] + 1) / 2, shape[0]}) {
            Bench bench(static_cast<uint32_t>(shape[0]));
            bench.check(ggml_top_k(bench.ctx(), random_with_ties(bench, shape), static_cast<int>(k)));
        }
    }
}

TEST(Sort, ArgmaxIsTheFirstGreatestElement) {
    for (const int64_t n : {1, 7, 31, 33, 64, 1500}) {
        Bench bench(static_cast<uint32_t>(n));
        bench.check(ggml_argmax(bench.ctx(), random_with_ties(bench, {n, 9, 1, 1})));
        bench.check(ggml_argmax(bench.ctx(), bench.random(GGML_TYPE_F32, {n, 9, 1, 1}, Layout::GapsBetweenRows)));
    }
}

TEST(Sort, NanComesLastAndEveryIndexAppearsOnce) {
    Bench bench(9);
    ggml_tensor * a = random_with_ties(bench, {200, 1, 1, 1});
    for (int i = 0; i < 200; i += 3) {
        ggml_get_data_f32(a)[i] = std::numeric_limits<float>::quiet_NaN();
    }
    ggml_tensor * nodes[] = {ggml_argsort(bench.ctx(), a, GGML_SORT_ORDER_ASC),
                             ggml_argsort(bench.ctx(), a, GGML_SORT_ORDER_DESC), ggml_top_k(bench.ctx(), a, 200)};
    for (ggml_tensor * node : nodes) {
        ASSERT_EQ(bench.compute(node), GGML_STATUS_SUCCESS);
        const int32_t * indices = static_cast<const int32_t *>(node->data);
        EXPECT_EQ(std::set<int32_t>(indices, indices + 200).size(), 200u);
        for (int i = 0; i < 200; ++i) {
            EXPECT_EQ(std::isnan(ggml_get_data_f32(a)[indices[i]]), i >= 133) << i;
        }
    }
    ggml_tensor * best = ggml_argmax(bench.ctx(), a);
    ASSERT_EQ(bench.compute(best), GGML_STATUS_SUCCESS);
    EXPECT_EQ(ggml_get_data_f32(a)[*static_cast<const int32_t *>(best->data)], 2.0f);
}
