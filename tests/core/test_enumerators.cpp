// Numbers that no enumerator has, from callers in C: refused or named "?", and no undefined behaviour.

#include <gtest/gtest.h>

#include <memory>

#include "ggml-backend.h"
#include "ggml-cpu.h"
#include "ggml.h"
#include "gguf.h"

namespace {

constexpr int numbers[] = {-1, 99, 1 << 20};

class WrongNumber : public testing::TestWithParam<int> {
  protected:
    WrongNumber() {
        ggml_log_set([](ggml_log_level, const char *, void *) {}, nullptr);
    }
    ~WrongNumber() override { ggml_log_set(nullptr, nullptr); }

    template <typename Enum> static Enum as() { return static_cast<Enum>(GetParam()); }

    ggml_context * ctx() { return ctx_.get(); }

  private:
    struct Free {
        void operator()(ggml_context * ctx) const { ggml_free(ctx); }
    };
    const std::unique_ptr<ggml_context, Free> ctx_{ggml_init({size_t{1} << 20, nullptr, false})};
};

TEST_P(WrongNumber, HasNoName) {
    EXPECT_STREQ(ggml_type_name(as<ggml_type>()), "?");
    EXPECT_STREQ(ggml_op_name(as<ggml_op>()), "?");
    EXPECT_STREQ(ggml_op_symbol(as<ggml_op>()), "?");
    EXPECT_STREQ(ggml_unary_op_name(as<ggml_unary_op>()), "?");
    EXPECT_STREQ(ggml_glu_op_name(as<ggml_glu_op>()), "?");
    EXPECT_EQ(gguf_type_name(as<gguf_type>()), nullptr);
    if (GetParam() > 1) { // -1 is one
        EXPECT_STREQ(ggml_status_to_string(as<ggml_status>()), "unknown status");
    }
}

TEST_P(WrongNumber, IsNoType) {
    EXPECT_EQ(ggml_get_type_traits(as<ggml_type>()), nullptr);
    EXPECT_EQ(ggml_blck_size(as<ggml_type>()), 0);
    EXPECT_EQ(ggml_type_size(as<ggml_type>()), 0u);
    EXPECT_EQ(ggml_row_size(as<ggml_type>(), 32), 0u);
    EXPECT_FALSE(ggml_is_quantized(as<ggml_type>()));
    const float x[32] = {};
    float y[32];
    EXPECT_EQ(ggml_quantize_chunk(as<ggml_type>(), x, y, 0, 1, 32, nullptr), 0u);
}

TEST_P(WrongNumber, MakesNoTensor) {
    const int64_t ne[] = {4};
    EXPECT_EQ(ggml_new_tensor(ctx(), as<ggml_type>(), 1, ne), nullptr);
    EXPECT_EQ(ggml_new_tensor_1d(ctx(), as<ggml_type>(), 4), nullptr);
    EXPECT_EQ(ggml_new_tensor_2d(ctx(), as<ggml_type>(), 4, 4), nullptr);
    EXPECT_EQ(ggml_new_tensor_3d(ctx(), as<ggml_type>(), 4, 4, 4), nullptr);
    EXPECT_EQ(ggml_new_tensor_4d(ctx(), as<ggml_type>(), 4, 4, 4, 4), nullptr);
    ggml_tensor * a = ggml_new_tensor_2d(ctx(), GGML_TYPE_F32, 4, 4);
    EXPECT_EQ(ggml_cast(ctx(), a, as<ggml_type>()), nullptr);
    EXPECT_EQ(ggml_unary(ctx(), a, as<ggml_unary_op>()), nullptr);
    EXPECT_EQ(ggml_unary_inplace(ctx(), a, as<ggml_unary_op>()), nullptr);
    EXPECT_EQ(ggml_glu(ctx(), a, as<ggml_glu_op>(), false), nullptr);
    EXPECT_EQ(ggml_glu_split(ctx(), a, a, as<ggml_glu_op>()), nullptr);
    EXPECT_EQ(ggml_argsort(ctx(), a, as<ggml_sort_order>()), nullptr);
    const auto nothing = [](ggml_tensor *, int, int, void *) {};
    EXPECT_EQ(ggml_custom_4d(ctx(), as<ggml_type>(), 4, 4, 1, 1, &a, 1, nothing, 1, nullptr), nullptr);
}

TEST_P(WrongNumber, ChangesNothing) {
    ggml_tensor * a = ggml_new_tensor_2d(ctx(), GGML_TYPE_F32, 4, 4);
    ggml_tensor * product = ggml_mul_mat(ctx(), a, a);
    ggml_mul_mat_set_prec(product, as<ggml_prec>());
    EXPECT_EQ(product->op_params[0], GGML_PREC_DEFAULT);
    ggml_backend_buffer_t buffer = ggml_backend_buft_alloc_buffer(ggml_backend_cpu_buffer_type(), 64);
    ggml_backend_buffer_set_usage(buffer, as<ggml_backend_buffer_usage>());
    EXPECT_EQ(ggml_backend_buffer_get_usage(buffer), GGML_BACKEND_BUFFER_USAGE_ANY);
    ggml_backend_buffer_free(buffer);
    EXPECT_EQ(ggml_backend_dev_by_type(as<enum ggml_backend_dev_type>()), nullptr);
    EXPECT_EQ(ggml_backend_init_by_type(as<enum ggml_backend_dev_type>(), nullptr), nullptr);
}

TEST_P(WrongNumber, IsWrittenToNoFile) {
    gguf_context * gguf = gguf_init_empty();
    const int32_t values[] = {1, 2};
    gguf_set_arr_data(gguf, "key", as<gguf_type>(), values, 2);
    EXPECT_LT(gguf_find_key(gguf, "key"), 0);
    ggml_tensor * a = ggml_new_tensor_1d(ctx(), GGML_TYPE_F32, 4);
    ggml_set_name(a, "a");
    gguf_add_tensor(gguf, a);
    gguf_set_tensor_type(gguf, "a", as<ggml_type>());
    EXPECT_EQ(gguf_get_tensor_type(gguf, 0), GGML_TYPE_F32);
    gguf_free(gguf);
}

INSTANTIATE_TEST_SUITE_P(Numbers, WrongNumber, testing::ValuesIn(numbers));

} // namespace
