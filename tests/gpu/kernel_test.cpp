// Kernels beyond the conformance suite: results that must not depend on what else is computed, and sizes at the edges.

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <functional>
#include <random>

#include "gpu_test.h"

namespace gpu_tests {
namespace {

class Kernels : public GpuTest {};
INSTANTIATE_TEST_SUITE_P(Vendors, Kernels, testing::ValuesIn(vendors()), vendor_name);
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(Kernels);

constexpr ggml_type kWeightTypes[] = {GGML_TYPE_F32, GGML_TYPE_F16, GGML_TYPE_BF16, GGML_TYPE_Q8_0, GGML_TYPE_Q4_0};

std::vector<float> random_floats(size_t n, uint32_t seed) {
    std::mt19937 random(seed);
    std::uniform_real_distribution<float> uniform(-1.0f, 1.0f);
    std::vector<float> values(n);
    for (float & value : values) {
        value = uniform(random);
    }
    return values;
}

// The bytes of floats in a type
std::vector<uint8_t> encode(ggml_type type, const std::vector<float> & values) {
    const auto n = static_cast<int64_t>(values.size());
    std::vector<uint8_t> bytes(ggml_row_size(type, n));
    if (type == GGML_TYPE_F32) {
        std::memcpy(bytes.data(), values.data(), bytes.size());
    } else {
        ggml_get_type_traits(type)->from_float_ref(values.data(), bytes.data(), n);
    }
    return bytes;
}

// a [k, m] of a type times the first n columns of one fixed matrix
std::vector<float> multiply(ggml_backend_t backend, ggml_type type, int64_t k, int64_t m, int64_t n) {
    const ContextPtr ctx(ggml_init({size_t{1} << 18, nullptr, true}));
    ggml_tensor * a = ggml_new_tensor_2d(ctx.get(), type, k, m);
    ggml_tensor * b = ggml_new_tensor_2d(ctx.get(), GGML_TYPE_F32, k, n);
    ggml_tensor * c = ggml_mul_mat(ctx.get(), a, b);
    ggml_cgraph * graph = ggml_new_graph_custom(ctx.get(), 8, false);
    ggml_build_forward_expand(graph, c);
    const BufferPtr buffer(ggml_backend_alloc_ctx_tensors(ctx.get(), backend));
    const std::vector<uint8_t> weights = encode(type, random_floats(static_cast<size_t>(k * m), 1));
    const std::vector<float> columns = random_floats(static_cast<size_t>(k * n), 2);
    ggml_backend_tensor_set(a, weights.data(), 0, weights.size());
    ggml_backend_tensor_set(b, columns.data(), 0, columns.size() * sizeof(float));
    EXPECT_EQ(ggml_backend_graph_compute(backend, graph), GGML_STATUS_SUCCESS);
    std::vector<float> result(static_cast<size_t>(m * n));
    ggml_backend_tensor_get(c, result.data(), 0, result.size() * sizeof(float));
    return result;
}

double error_of(const std::vector<float> & actual, const std::vector<float> & expected) {
    double difference = 0;
    double square = 0;
    for (size_t i = 0; i < expected.size(); i++) {
        difference += std::pow(double{actual[i]} - expected[i], 2);
        square += std::pow(double{expected[i]}, 2);
    }
    return difference / square;
}

void expect_columns_alike(ggml_backend_t backend, ggml_type type, int64_t k, int64_t m,
                          const std::vector<int64_t> & counts, int64_t all) {
    SCOPED_TRACE(std::string(ggml_type_name(type)) + ", " + std::to_string(k) + " x " + std::to_string(m));
    const std::vector<float> together = multiply(backend, type, k, m, all);
    for (const int64_t n : counts) {
        const std::vector<float> some = multiply(backend, type, k, m, n);
        EXPECT_EQ(std::memcmp(some.data(), together.data(), some.size() * sizeof(float)), 0) << n << " columns";
    }
}

// So that logits do not depend on how a text is cut into micro-batches.
TEST_P(Kernels, ColumnsHaveTheSameBitsInAnyBatch) {
    const BackendPtr backend = open_backend();
    for (const ggml_type type : kWeightTypes) {
        expect_columns_alike(backend.get(), type, 128, 70, {1, 2, 3, 4, 7, 8, 9, 31, 64, 65, 100}, 130);
        expect_columns_alike(backend.get(), type, 1056, 33, {1, 5, 9, 64}, 70);
    }
    expect_columns_alike(backend.get(), GGML_TYPE_F32, 37, 5, {1, 2, 8, 9}, 20); // no whole blocks
}

TEST_P(Kernels, AColumnsProductWithALargeMatrixHasTheSameBitsToo) {
    const BackendPtr backend = open_backend();
    for (const ggml_type type : {GGML_TYPE_F32, GGML_TYPE_F16, GGML_TYPE_BF16}) { // those go to a BLAS if there is one
        expect_columns_alike(backend.get(), type, 2048, 2304, {1, 3, 63, 64, 65, 127, 128, 129}, 300);
    }
}

TEST_P(Kernels, LargeProductsAgreeWithTheCpu) {
    const BackendPtr backend = open_backend();
    const BackendPtr cpu(ggml_backend_cpu_init());
    for (const ggml_type type : kWeightTypes) {
        for (const int64_t n : {1, 70}) {
            const std::vector<float> actual = multiply(backend.get(), type, 2048, 2304, n);
            const double error = error_of(actual, multiply(cpu.get(), type, 2048, 2304, n));
            RecordProperty(std::string("error_") + ggml_type_name(type) + "_" + std::to_string(n),
                           std::to_string(error));
            EXPECT_LE(error, type == GGML_TYPE_F32    ? 1e-9
                             : type == GGML_TYPE_BF16 ? 1e-5
                             : type == GGML_TYPE_F16  ? 1e-6
                                                      : 1e-9) // quantized: the same values are multiplied
                << ggml_type_name(type) << ", " << n << " columns";
        }
    }
}

// More blocks of work than a launch has
TEST_P(Kernels, ManyRowsAndLongRowsAgreeWithTheCpu) {
    const BackendPtr backend = open_backend();
    const BackendPtr cpu(ggml_backend_cpu_init());
    for (const auto & [width, rows] : {std::pair<int64_t, int64_t>{3, 70000}, {70001, 2}}) {
        SCOPED_TRACE(std::to_string(width) + " x " + std::to_string(rows));
        const std::vector<float> values = random_floats(static_cast<size_t>(width * rows), 3);
        for (const auto & op : std::vector<std::function<ggml_tensor *(ggml_context *, ggml_tensor *)>>{
                 [](ggml_context *ctx, ggml_tensor *x) { return ggml_rms_norm(ctx, x, 1e-5f); },
                 [](ggml_context *ctx, ggml_tensor *x) { return ggml_soft_max(ctx, x); },
                 [](ggml_context *ctx, ggml_tensor *x) { return ggml_sum_rows(ctx, x); },
                 [](ggml_context *ctx, ggml_tensor *x) { return ggml_add(ctx, x, x); },
                 [](ggml_context *ctx, ggml_tensor *x) { return ggml_cont(ctx, ggml_transpose(ctx, x)); },
                 [](ggml_context *ctx, ggml_tensor *x) { return ggml_top_k(ctx, x, 2); }}) {
            std::vector<std::vector<float>> results;
            ggml_type type = GGML_TYPE_F32;
            for (ggml_backend_t each : {backend.get(), cpu.get()}) {
                const ContextPtr ctx(ggml_init({size_t{1} << 16, nullptr, true}));
                ggml_tensor * x = ggml_new_tensor_2d(ctx.get(), GGML_TYPE_F32, width, rows);
                ggml_tensor * y = op(ctx.get(), x);
                type = y->type;
                results.push_back(compute(each, ctx.get(), y, {{x, values}}));
            }
            if (type == GGML_TYPE_F32) {
                EXPECT_LE(error_of(results[0], results[1]), 1e-9);
            } else {
                EXPECT_EQ(std::memcmp(results[0].data(), results[1].data(), results[0].size() * sizeof(float)), 0);
            }
        }
    }
}

// Equal values, NaN and infinities have one order.
TEST_P(Kernels, SortingIsTheCpusWithEqualValuesAndNaN) {
    const BackendPtr backend = open_backend();
    const BackendPtr cpu(ggml_backend_cpu_init());
    std::vector<float> values = random_floats(1000, 4);
    for (size_t i = 0; i < values.size(); i++) {
        values[i] = std::round(values[i] * 4.0f);
    }
    values[3] = values[500] = NAN;
    values[7] = INFINITY;
    values[8] = -INFINITY;
    for (int kind = 0; kind < 3; kind++) {
        std::vector<std::vector<float>> results;
        for (ggml_backend_t each : {backend.get(), cpu.get()}) {
            const ContextPtr ctx(ggml_init({size_t{1} << 16, nullptr, true}));
            ggml_tensor * x = ggml_new_tensor_2d(ctx.get(), GGML_TYPE_F32, 500, 2);
            ggml_tensor * y = kind == 0   ? ggml_argsort(ctx.get(), x, GGML_SORT_ORDER_ASC)
                              : kind == 1 ? ggml_top_k(ctx.get(), x, 100)
                                          : ggml_argmax(ctx.get(), x);
            results.push_back(compute(each, ctx.get(), y, {{x, values}}));
        }
        EXPECT_EQ(std::memcmp(results[0].data(), results[1].data(), results[0].size() * sizeof(float)), 0) << kind;
    }
}

// The last of several rows that go to the same place counts.
TEST_P(Kernels, RowsThatAreSetTwiceKeepTheLast) {
    const BackendPtr backend = open_backend();
    for (const ggml_type type : {GGML_TYPE_F32, GGML_TYPE_F16, GGML_TYPE_Q8_0}) {
        const ContextPtr ctx(ggml_init({size_t{1} << 16, nullptr, true}));
        ggml_tensor * rows = ggml_new_tensor_2d(ctx.get(), GGML_TYPE_F32, 64, 300);
        ggml_tensor * ids = ggml_new_tensor_1d(ctx.get(), GGML_TYPE_I32, 300);
        ggml_tensor * cache = ggml_new_tensor_2d(ctx.get(), type, 64, 7);
        ggml_tensor * set = ggml_set_rows(ctx.get(), cache, rows, ids);
        ggml_tensor * all = ggml_new_tensor_1d(ctx.get(), GGML_TYPE_I32, 7);
        ggml_tensor * got = ggml_get_rows(ctx.get(), set, all);
        std::vector<float> values;
        for (int i = 0; i < 300; i++) {
            values.insert(values.end(), 64, static_cast<float>(i % 127));
        }
        const BufferPtr buffer(ggml_backend_alloc_ctx_tensors(ctx.get(), backend.get()));
        std::vector<int32_t> places(300);
        for (int i = 0; i < 300; i++) {
            places[static_cast<size_t>(i)] = i % 7;
        }
        const std::vector<int32_t> in_order = {0, 1, 2, 3, 4, 5, 6};
        ggml_backend_tensor_set(rows, values.data(), 0, ggml_nbytes(rows));
        ggml_backend_tensor_set(ids, places.data(), 0, ggml_nbytes(ids));
        ggml_backend_tensor_set(all, in_order.data(), 0, ggml_nbytes(all));
        ggml_cgraph * graph = ggml_new_graph_custom(ctx.get(), 8, false);
        ggml_build_forward_expand(graph, got);
        ASSERT_EQ(ggml_backend_graph_compute(backend.get(), graph), GGML_STATUS_SUCCESS);
        std::vector<float> result(64 * 7);
        ggml_backend_tensor_get(got, result.data(), 0, ggml_nbytes(got));
        for (int row = 0; row < 7; row++) {
            const int last = 299 - (299 - row) % 7; // the last index that goes there
            EXPECT_NEAR(result[static_cast<size_t>(row) * 64], static_cast<float>(last % 127), 0.5) << row;
        }
    }
}

} // namespace
} // namespace gpu_tests
