#include "bench.h"

#include <cstring>

using namespace bench;

TEST(GetRows, MatchesTheReferenceForEveryTypeAndLayout) {
    for (const ggml_type type :
         {GGML_TYPE_F32, GGML_TYPE_F16, GGML_TYPE_BF16, GGML_TYPE_I32, GGML_TYPE_Q8_0, GGML_TYPE_Q4_0}) {
        const bool quantized = ggml_is_quantized(type);
        for (const int64_t n : {1, 7, 31, 33, 64, 1056}) {
            if (quantized && n % 32 != 0) {
                continue;
            }
            for (const Layout layout : kAllLayouts) {
                if (quantized && layout == Layout::Transposed) {
                    continue;
                }
                Bench bench(static_cast<uint32_t>(n));
                ggml_tensor * a = bench.random(type, {n, 9, 3, 2}, layout);
                bench.check(ggml_get_rows(bench.ctx(), a, bench.random_indices({11, 3, 2, 1}, 9)));
            }
        }
    }
}

TEST(GetRows, TakesIdsOfAnyStride) {
    Bench bench(5);
    ggml_tensor * a = bench.random(GGML_TYPE_F32, {7, 9, 4, 1});
    ggml_tensor * ids = bench.random_indices({4, 6, 1, 1}, 9);
    bench.check(ggml_get_rows(bench.ctx(), a, ggml_transpose(bench.ctx(), ids)));
}

TEST(SetRows, MatchesTheReferenceForEveryTypeLayoutAndIndexType) {
    for (const ggml_type type : kWeightTypes) {
        const bool quantized = ggml_is_quantized(type);
        for (const int64_t n : {1, 7, 31, 33, 64, 160}) {
            if (quantized && n % 32 != 0) {
                continue;
            }
            for (const Layout layout : kRowLayouts) {
                for (const ggml_type id_type : {GGML_TYPE_I32, GGML_TYPE_I64}) {
                    Bench bench(static_cast<uint32_t>(n));
                    ggml_tensor * a = bench.random(type, {n, 9, 4, 2}, layout);
                    ggml_tensor * b = bench.random(GGML_TYPE_F32, {n, 5, 4, 2}, layout);
                    bench.check(ggml_set_rows(bench.ctx(), a, b, bench.random_indices({5, 2, 1, 1}, 9, id_type)));
                }
            }
        }
    }
}

TEST(SetRows, TheLastOfRowsWithTheSameIndexCountsOnManyThreads) {
    for (const ggml_type type : {GGML_TYPE_F32, GGML_TYPE_F16, GGML_TYPE_Q8_0}) {
        Bench bench(6, 8, 16u << 20);
        ggml_tensor * a = bench.random(type, {1024, 2, 1, 1});
        ggml_tensor * b = bench.random(GGML_TYPE_F32, {1024, 600, 1, 1});
        bench.check(ggml_set_rows(bench.ctx(), a, b, bench.random_indices({600, 1, 1, 1}, 2, GGML_TYPE_I64)));
    }
}

TEST(Rows, IndicesOutOfRangeFailAndTouchNothing) {
    for (const int bad : {-1, 9, INT32_MAX, INT32_MIN}) {
        Bench bench(7);
        const LogCapture log;
        ggml_tensor * a = bench.random(GGML_TYPE_F32, {16, 9, 1, 1});
        ggml_tensor * ids = bench.indices({0, 8, bad, 3});
        EXPECT_EQ(bench.compute(ggml_get_rows(bench.ctx(), a, ids)), GGML_STATUS_FAILED);
        const std::vector<uint8_t> before = bytes_of(a);
        ggml_tensor * b = bench.random(GGML_TYPE_F32, {16, 4, 1, 1});
        EXPECT_EQ(bench.compute(ggml_set_rows(bench.ctx(), a, b, ids)), GGML_STATUS_FAILED);
        EXPECT_EQ(bytes_of(a), before);
        EXPECT_NE(log.text.find(std::to_string(bad)), std::string::npos) << log.text;
    }
}

TEST(Rows, IndicesOf64BitsAreNotCutTo32) {
    Bench bench(8);
    const LogCapture log;
    ggml_tensor * a = bench.random(GGML_TYPE_F32, {16, 9, 1, 1});
    ggml_tensor * b = bench.random(GGML_TYPE_F32, {16, 1, 1, 1});
    ggml_tensor * ids = ggml_new_tensor_1d(bench.ctx(), GGML_TYPE_I64, 1);
    const int64_t far = (int64_t{1} << 32) + 1;
    std::memcpy(ids->data, &far, sizeof(far));
    EXPECT_EQ(bench.compute(ggml_set_rows(bench.ctx(), a, b, ids)), GGML_STATUS_FAILED);
}
