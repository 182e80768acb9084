// The bits of a result depend on its operands alone: not on threads, not on what is computed in the same batch, not on
// zeros that pad a sum.

#include "bench.h"

#include <cstring>
#include <limits>

using namespace bench;

namespace {

struct Case {
    const char * name;
    std::function<ggml_tensor *(Bench &)> build;
};

constexpr Index kBig = {300, 400, 4, 1};

std::vector<Case> elementwise_cases() {
    return {
        {"add",
         [](Bench & b) {
             return ggml_add(b.ctx(), b.random(GGML_TYPE_F32, kBig), b.random(GGML_TYPE_F32, {300, 1, 4, 1}));
         }},
        {"add_1d",
         [](Bench & b) {
             return ggml_add(b.ctx(), b.random(GGML_TYPE_F16, {480001, 1, 1, 1}),
                             b.random(GGML_TYPE_F32, {1, 1, 1, 1}));
         }},
        {"gelu", [](Bench & b) { return ggml_gelu(b.ctx(), b.random(GGML_TYPE_F32, kBig)); }},
        {"swiglu", [](Bench & b) { return ggml_swiglu(b.ctx(), b.random(GGML_TYPE_BF16, kBig)); }},
        {"cont", [](Bench & b) { return ggml_cont(b.ctx(), b.random(GGML_TYPE_F32, kBig, Layout::Transposed)); }},
        {"quantize",
         [](Bench & b) {
             return ggml_cpy(b.ctx(), b.random(GGML_TYPE_F32, {320, 400, 4, 1}),
                             b.random(GGML_TYPE_Q4_0, {320, 400, 4, 1}));
         }},
        {"repeat",
         [](Bench & b) {
             return ggml_repeat_4d(b.ctx(), b.random(GGML_TYPE_F32, {300, 4, 1, 1}), 300, 400, 4, 1);
         }},
        {"concat",
         [](Bench & b) {
             return ggml_concat(b.ctx(), b.random(GGML_TYPE_F32, {200, 400, 4, 1}),
                                b.random(GGML_TYPE_F32, {100, 400, 4, 1}, Layout::Transposed), 0);
         }},
        {"set",
         [](Bench & b) {
             ggml_tensor * a = b.random(GGML_TYPE_F32, kBig);
             return ggml_set_2d(b.ctx(), a, b.random(GGML_TYPE_F32, {200, 399, 1, 1}), a->nb[1], 4);
         }},
    };
}

std::vector<Case> row_cases() {
    return {
        {"sum_rows", [](Bench & b) { return ggml_sum_rows(b.ctx(), b.random(GGML_TYPE_F32, kBig)); }},
        {"rms_norm", [](Bench & b) { return ggml_rms_norm(b.ctx(), b.random(GGML_TYPE_F32, kBig), 1e-5f); }},
        {"soft_max",
         [](Bench & b) {
             return ggml_soft_max_ext(b.ctx(), b.random(GGML_TYPE_F32, kBig), b.random(GGML_TYPE_F16, {300, 400, 1, 1}),
                                      0.3f, 8.0f);
         }},
        {"rope",
         [](Bench & b) {
             return ggml_rope(b.ctx(), b.random(GGML_TYPE_F32, {64, 8, 900, 1}), b.random_indices({900, 1, 1, 1}, 4000),
                              64, GGML_ROPE_TYPE_NEOX);
         }},
        {"argsort",
         [](Bench & b) { return ggml_argsort(b.ctx(), b.random(GGML_TYPE_F32, kBig), GGML_SORT_ORDER_DESC); }},
        {"top_k", [](Bench & b) { return ggml_top_k(b.ctx(), b.random(GGML_TYPE_F32, kBig), 9); }},
        {"argmax",
         [](Bench & b) {
             return ggml_argmax(b.ctx(), b.random(GGML_TYPE_F32, {300, 1600, 1, 1}));
         }},
        {"get_rows",
         [](Bench & b) {
             return ggml_get_rows(b.ctx(), b.random(GGML_TYPE_Q8_0, {320, 50, 1, 1}),
                                  b.random_indices({2000, 1, 1, 1}, 50));
         }},
        {"set_rows",
         [](Bench & b) {
             return ggml_set_rows(b.ctx(), b.random(GGML_TYPE_F16, {320, 50, 1, 1}),
                                  b.random(GGML_TYPE_F32, {320, 2000, 1, 1}), b.random_indices({2000, 1, 1, 1}, 50));
         }},
    };
}

std::vector<Case> product_cases() {
    const auto mul_mat = [](ggml_type type) {
        return [type](Bench & b) {
            return ggml_mul_mat(b.ctx(), b.random(type, {256, 131, 2, 1}), b.random(GGML_TYPE_F32, {256, 67, 4, 1}));
        };
    };
    return {
        {"mul_mat_f32", mul_mat(GGML_TYPE_F32)},
        {"mul_mat_f16", mul_mat(GGML_TYPE_F16)},
        {"mul_mat_q4_0", mul_mat(GGML_TYPE_Q4_0)},
        {"mul_mat_id",
         [](Bench & b) {
             return ggml_mul_mat_id(b.ctx(), b.random(GGML_TYPE_Q8_0, {256, 70, 6, 1}),
                                    b.random(GGML_TYPE_F32, {256, 2, 90, 1}), b.random_indices({4, 90, 1, 1}, 6));
         }},
    };
}

// Each case is large enough to be worth several threads.
std::vector<Case> large_cases() {
    std::vector<Case> all;
    for (const auto group : {elementwise_cases, row_cases, product_cases}) {
        const std::vector<Case> of_group = group();
        all.insert(all.end(), of_group.begin(), of_group.end());
    }
    return all;
}

std::vector<uint8_t> compute_bytes(const Case & c, int n_threads) {
    Bench bench(41, n_threads, 16u << 20);
    ggml_tensor * node = c.build(bench);
    EXPECT_EQ(bench.compute(node), GGML_STATUS_SUCCESS);
    return bytes_of(node);
}

// A new tensor with the first columns of t, as many as `shape` says, and zeros elsewhere
ggml_tensor * padded_with_zeros(Bench & bench, const ggml_tensor * t, const Index & shape) {
    ggml_tensor * result = ggml_new_tensor(bench.ctx(), t->type, 4, shape.data());
    std::memset(result->data, 0, ggml_nbytes(result));
    for (int64_t row = 0; row < t->ne[1]; ++row) {
        std::memcpy(static_cast<char *>(result->data) + static_cast<size_t>(row) * result->nb[1],
                    static_cast<const char *>(t->data) + static_cast<size_t>(row) * t->nb[1],
                    ggml_row_size(t->type, t->ne[0]));
    }
    return result;
}

std::vector<uint8_t> row_bytes(const ggml_tensor * t, int64_t row, int64_t n) {
    const auto * p = static_cast<const uint8_t *>(t->data) + static_cast<size_t>(row) * t->nb[1];
    return {p, p + ggml_row_size(t->type, n)};
}

} // namespace

TEST(Determinism, EveryNumberOfThreadsGivesTheSameBits) {
    for (const Case & c : large_cases()) {
        SCOPED_TRACE(c.name);
        const std::vector<uint8_t> expected = compute_bytes(c, 1);
        for (const int n_threads : {2, 3, 5, 8}) {
            ASSERT_EQ(compute_bytes(c, n_threads), expected) << n_threads << " threads";
        }
    }
}

TEST(Determinism, AColumnOfAProductDoesNotDependOnTheOthers) {
    for (const ggml_type type : kWeightTypes) {
        for (const int64_t k : {32, 96, 4096}) {
            Bench bench(42, 3, 16u << 20);
            ggml_tensor * a = bench.random(type, {k, 37, 1, 1});
            ggml_tensor * b = bench.random(GGML_TYPE_F32, {k, 67, 1, 1});
            ggml_tensor * all = ggml_mul_mat(bench.ctx(), a, b);
            ASSERT_EQ(bench.compute(all), GGML_STATUS_SUCCESS);
            for (const int64_t width : {1, 2, 3, 66}) {
                ggml_tensor * part =
                    ggml_view_2d(bench.ctx(), b, k, width, b->nb[1], (67 - static_cast<size_t>(width)) * b->nb[1]);
                ggml_tensor * alone = ggml_mul_mat(bench.ctx(), a, part);
                ASSERT_EQ(bench.compute(alone), GGML_STATUS_SUCCESS);
                for (int64_t c = 0; c < width; ++c) {
                    ASSERT_EQ(row_bytes(alone, c, 37), row_bytes(all, 67 - width + c, 37));
                }
            }
        }
    }
}

TEST(Determinism, ARowOfAProductDoesNotDependOnTheOthers) {
    for (const ggml_type type : kWeightTypes) {
        Bench bench(43);
        ggml_tensor * a = bench.random(type, {96, 37, 1, 1});
        ggml_tensor * b = bench.random(GGML_TYPE_F32, {96, 5, 1, 1});
        ggml_tensor * all = ggml_mul_mat(bench.ctx(), a, b);
        ASSERT_EQ(bench.compute(all), GGML_STATUS_SUCCESS);
        for (int64_t row = 0; row < 37; ++row) {
            ggml_tensor * one = ggml_view_2d(bench.ctx(), a, 96, 1, a->nb[1], static_cast<size_t>(row) * a->nb[1]);
            ggml_tensor * alone = ggml_mul_mat(bench.ctx(), one, b);
            ASSERT_EQ(bench.compute(alone), GGML_STATUS_SUCCESS);
            for (int64_t c = 0; c < 5; ++c) {
                ASSERT_EQ(ggml_get_data_f32(alone)[c], ggml_get_data_f32(all)[c * 37 + row]);
            }
        }
    }
}

TEST(Determinism, AnExpertGivesTheBitsOfAPlainProduct) {
    Bench bench(44);
    ggml_tensor * as = bench.random(GGML_TYPE_Q8_0, {96, 37, 3, 1});
    ggml_tensor * b = bench.random(GGML_TYPE_F32, {96, 1, 5, 1});
    ggml_tensor * by_id =
        ggml_mul_mat_id(bench.ctx(), as, b, ggml_reshape_2d(bench.ctx(), bench.indices({2, 0, 2, 1, 2}), 1, 5));
    ggml_tensor * expert = ggml_view_2d(bench.ctx(), as, 96, 37, as->nb[1], 2 * as->nb[2]);
    ggml_tensor * plain = ggml_mul_mat(bench.ctx(), expert, ggml_reshape_2d(bench.ctx(), b, 96, 5));
    ASSERT_EQ(bench.compute(by_id), GGML_STATUS_SUCCESS);
    ASSERT_EQ(bench.compute(plain), GGML_STATUS_SUCCESS);
    for (const int64_t token : {0, 2, 4}) {
        EXPECT_EQ(row_bytes(by_id, token, 37), row_bytes(plain, token, 37));
    }
}

TEST(Determinism, TrailingZerosDoNotChangeAProduct) {
    for (const ggml_type type : kFloatTypes) {
        for (int64_t k = 1; k <= 40; ++k) {
            for (const int64_t zeros : {1, 3, 8, 100}) {
                Bench bench(static_cast<uint32_t>(k));
                ggml_tensor * a = bench.random(type, {k, 5, 1, 1});
                ggml_tensor * b = bench.random(GGML_TYPE_F32, {k, 3, 1, 1});
                ggml_tensor * plain = ggml_mul_mat(bench.ctx(), a, b);
                // What the zeros of b are multiplied with does not matter.
                ggml_tensor * wide = bench.random(type, {k + zeros, 5, 1, 1});
                for (int64_t row = 0; row < 5; ++row) {
                    std::memcpy(static_cast<char *>(wide->data) + static_cast<size_t>(row) * wide->nb[1],
                                static_cast<char *>(a->data) + static_cast<size_t>(row) * a->nb[1],
                                ggml_row_size(type, k));
                }
                ggml_tensor * padded =
                    ggml_mul_mat(bench.ctx(), wide, padded_with_zeros(bench, b, {k + zeros, 3, 1, 1}));
                ASSERT_EQ(bench.compute(plain), GGML_STATUS_SUCCESS);
                ASSERT_EQ(bench.compute(padded), GGML_STATUS_SUCCESS);
                ASSERT_EQ(bytes_of(padded), bytes_of(plain)) << k << " + " << zeros;
            }
        }
    }
}

TEST(Determinism, TrailingZerosDoNotChangeASum) {
    for (const int64_t n : {1, 7, 8, 9, 31, 1023, 1024, 1025}) {
        for (const int64_t zeros : {1, 7, 1024}) {
            Bench bench(static_cast<uint32_t>(n));
            ggml_tensor * a = bench.random(GGML_TYPE_F32, {n, 3, 1, 1});
            ggml_tensor * plain = ggml_sum_rows(bench.ctx(), a);
            ggml_tensor * padded = ggml_sum_rows(bench.ctx(), padded_with_zeros(bench, a, {n + zeros, 3, 1, 1}));
            ASSERT_EQ(bench.compute(plain), GGML_STATUS_SUCCESS);
            ASSERT_EQ(bench.compute(padded), GGML_STATUS_SUCCESS);
            ASSERT_EQ(bytes_of(padded), bytes_of(plain)) << n << " + " << zeros;
        }
    }
}

// Attention over a cache that is padded: the masked places get no weight, so the result is that of the shorter cache.
TEST(Determinism, AttentionDoesNotDependOnThePaddingOfTheCache) {
    std::vector<uint8_t> expected;
    for (const int64_t padding : {0, 1, 19, 227}) {
        constexpr int64_t used = 29;
        Bench bench(45, 2, 16u << 20);
        ggml_tensor * q = bench.random(GGML_TYPE_F32, {32, 3, 1, 1});
        ggml_tensor * k_used = bench.random(GGML_TYPE_F32, {32, used, 1, 1});
        ggml_tensor * v_used = bench.random(GGML_TYPE_F32, {used, 32, 1, 1});
        ggml_tensor * k = padded_with_zeros(bench, k_used, {32, used + padding, 1, 1});
        ggml_tensor * v = padded_with_zeros(bench, v_used, {used + padding, 32, 1, 1});
        ggml_tensor * mask = ggml_new_tensor_2d(bench.ctx(), GGML_TYPE_F32, used + padding, 3);
        for (int64_t i = 0; i < ggml_nelements(mask); ++i) {
            const bool masked = i % (used + padding) >= used;
            ggml_get_data_f32(mask)[i] = masked ? -std::numeric_limits<float>::infinity() : 0.0f;
        }
        ggml_tensor * weights = ggml_soft_max_ext(bench.ctx(), ggml_mul_mat(bench.ctx(), k, q), mask, 0.2f, 0.0f);
        ggml_tensor * result = ggml_mul_mat(bench.ctx(), v, weights);
        ASSERT_EQ(bench.compute(result), GGML_STATUS_SUCCESS);
        if (padding == 0) {
            expected = bytes_of(result);
        }
        EXPECT_EQ(bytes_of(result), expected) << padding;
    }
}

TEST(Determinism, ABackendGivesTheSameBitsAgainAfterOtherWork) {
    const Case c = large_cases()[19];
    Bench bench(46, 4, 32u << 20);
    ggml_tensor * node = c.build(bench);
    ASSERT_EQ(bench.compute(node), GGML_STATUS_SUCCESS);
    const std::vector<uint8_t> expected = bytes_of(node);
    ASSERT_EQ(
        bench.compute(ggml_argsort(bench.ctx(), bench.random(GGML_TYPE_F32, {9000, 40, 1, 1}), GGML_SORT_ORDER_ASC)),
        GGML_STATUS_SUCCESS);
    std::memset(node->data, 0xff, ggml_nbytes(node));
    for (const int n_threads : {4, 1, 7, 2}) {
        ggml_backend_cpu_set_n_threads(bench.backend(), n_threads);
        ASSERT_EQ(bench.compute(node), GGML_STATUS_SUCCESS);
        EXPECT_EQ(bytes_of(node), expected) << n_threads;
    }
}
