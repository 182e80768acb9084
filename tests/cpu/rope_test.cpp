#include "bench.h"

using namespace bench;

namespace {

ggml_tensor * rope(Bench & bench, ggml_tensor * a, int n_dims, int mode, bool divisors, float ext_factor) {
    ggml_tensor * positions = bench.random_indices({a->ne[2], 1, 1, 1}, 40);
    ggml_tensor * c = nullptr;
    if (divisors) {
        c = ggml_new_tensor_1d(bench.ctx(), GGML_TYPE_F32, n_dims / 2);
        for (int i = 0; i < n_dims / 2; ++i) {
            ggml_get_data_f32(c)[i] = 1.0f + 0.25f * static_cast<float>(i % 5);
        }
    }
    return ggml_rope_ext(bench.ctx(), a, positions, c, n_dims, mode, 4096, 10000.0f, 0.25f, ext_factor, 1.1f, 32.0f,
                         1.0f);
}

} // namespace

TEST(Rope, MatchesTheReferenceInBothModesEveryTypeAndLayout) {
    for (const int mode : {GGML_ROPE_TYPE_NORMAL, GGML_ROPE_TYPE_NEOX}) {
        for (const ggml_type type : kFloatTypes) {
            for (const Layout layout : kAllLayouts) {
                for (const int64_t head : {2, 8, 34, 64}) {
                    Bench bench(static_cast<uint32_t>(head));
                    ggml_tensor * a = bench.random(type, {head, 3, 5, 2}, layout);
                    bench.check(rope(bench, a, static_cast<int>(head), mode, false, 0.0f));
                }
            }
        }
    }
}

TEST(Rope, RotatesTheFirstDimensionsOnly) {
    for (const int mode : {GGML_ROPE_TYPE_NORMAL, GGML_ROPE_TYPE_NEOX}) {
        Bench bench(21);
        bench.check(rope(bench, bench.random(GGML_TYPE_F32, {65, 3, 5, 1}), 32, mode, false, 0.0f));
    }
}

TEST(Rope, DividesFrequenciesAndMixesThemAsYarn) {
    for (const int mode : {GGML_ROPE_TYPE_NORMAL, GGML_ROPE_TYPE_NEOX}) {
        for (const float ext_factor : {0.0f, 1.0f, 0.5f}) {
            for (const bool divisors : {false, true}) {
                Bench bench(22);
                bench.check(rope(bench, bench.random(GGML_TYPE_F32, {64, 3, 5, 1}), 64, mode, divisors, ext_factor));
            }
        }
    }
}

TEST(Rope, InplaceOverwritesItsOperand) {
    for (const int mode : {GGML_ROPE_TYPE_NORMAL, GGML_ROPE_TYPE_NEOX}) {
        for (const ggml_type type : kFloatTypes) {
            Bench bench(23);
            ggml_tensor * positions = bench.indices({0, 1, 17, 300});
            bench.check(ggml_rope_inplace(bench.ctx(), bench.random(type, {40, 2, 4, 1}), positions, 32, mode));
        }
    }
}

TEST(Rope, PositionZeroChangesNothing) {
    Bench bench(24);
    ggml_tensor * a = bench.random(GGML_TYPE_F32, {64, 2, 1, 1});
    ggml_tensor * node = ggml_rope(bench.ctx(), a, bench.indices({0}), 64, GGML_ROPE_TYPE_NEOX);
    ASSERT_EQ(bench.compute(node), GGML_STATUS_SUCCESS);
    EXPECT_EQ(bytes_of(node), bytes_of(a));
}
