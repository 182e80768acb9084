#include "core_test.h"

#include <functional>
#include <vector>

using namespace core_test;

namespace {

using C = ggml_context *;
using T = ggml_tensor *;

struct Builder {
    const char * name;
    int operands;
    std::function<T(C, T, T, T)> build;
};

const std::vector<Builder> kBuilders = {
    {"dup", 1, [](C c, T a, T, T) { return ggml_dup(c, a); }},
    {"dup_inplace", 1, [](C c, T a, T, T) { return ggml_dup_inplace(c, a); }},
    {"add", 2, [](C c, T a, T b, T) { return ggml_add(c, a, b); }},
    {"add_inplace", 2, [](C c, T a, T b, T) { return ggml_add_inplace(c, a, b); }},
    {"mul", 2, [](C c, T a, T b, T) { return ggml_mul(c, a, b); }},
    {"mul_inplace", 2, [](C c, T a, T b, T) { return ggml_mul_inplace(c, a, b); }},
    {"div", 2, [](C c, T a, T b, T) { return ggml_div(c, a, b); }},
    {"div_inplace", 2, [](C c, T a, T b, T) { return ggml_div_inplace(c, a, b); }},
    {"scale", 1, [](C c, T a, T, T) { return ggml_scale(c, a, 1); }},
    {"scale_inplace", 1, [](C c, T a, T, T) { return ggml_scale_inplace(c, a, 1); }},
    {"scale_bias", 1, [](C c, T a, T, T) { return ggml_scale_bias(c, a, 1, 1); }},
    {"sum_rows", 1, [](C c, T a, T, T) { return ggml_sum_rows(c, a); }},
    {"argmax", 1, [](C c, T a, T, T) { return ggml_argmax(c, a); }},
    {"repeat", 2, [](C c, T a, T b, T) { return ggml_repeat(c, a, b); }},
    {"repeat_4d", 1, [](C c, T a, T, T) { return ggml_repeat_4d(c, a, 4, 1, 1, 1); }},
    {"concat", 2, [](C c, T a, T b, T) { return ggml_concat(c, a, b, 0); }},
    {"custom_4d", 3,
     [](C c, T a, T b, T d) {
         T args[] = {a, b, d};
         return ggml_custom_4d(
             c, GGML_TYPE_F32, 4, 1, 1, 1, args, 3, [](T, int, int, void *) {}, 1, nullptr);
     }},
    {"rms_norm", 1, [](C c, T a, T, T) { return ggml_rms_norm(c, a, 1); }},
    {"rms_norm_inplace", 1, [](C c, T a, T, T) { return ggml_rms_norm_inplace(c, a, 1); }},
    {"unary", 1, [](C c, T a, T, T) { return ggml_unary(c, a, GGML_UNARY_OP_RELU); }},
    {"unary_inplace", 1, [](C c, T a, T, T) { return ggml_unary_inplace(c, a, GGML_UNARY_OP_RELU); }},
    {"silu", 1, [](C c, T a, T, T) { return ggml_silu(c, a); }},
    {"glu", 1, [](C c, T a, T, T) { return ggml_glu(c, a, GGML_GLU_OP_SWIGLU, false); }},
    {"glu_split", 2, [](C c, T a, T b, T) { return ggml_glu_split(c, a, b, GGML_GLU_OP_SWIGLU); }},
    {"mul_mat", 2, [](C c, T a, T b, T) { return ggml_mul_mat(c, a, b); }},
    {"mul_mat_id", 3, [](C c, T a, T b, T d) { return ggml_mul_mat_id(c, a, b, d); }},
    {"soft_max", 1, [](C c, T a, T, T) { return ggml_soft_max(c, a); }},
    {"soft_max_ext", 1, [](C c, T a, T, T) { return ggml_soft_max_ext(c, a, nullptr, 1, 0); }},
    {"rope", 2, [](C c, T a, T b, T) { return ggml_rope(c, a, b, 4, 0); }},
    {"rope_inplace", 2, [](C c, T a, T b, T) { return ggml_rope_inplace(c, a, b, 4, 0); }},
    {"argsort", 1, [](C c, T a, T, T) { return ggml_argsort(c, a, GGML_SORT_ORDER_ASC); }},
    {"argsort_top_k", 1, [](C c, T a, T, T) { return ggml_argsort_top_k(c, a, 1); }},
    {"top_k", 1, [](C c, T a, T, T) { return ggml_top_k(c, a, 1); }},
    {"cpy", 2, [](C c, T a, T b, T) { return ggml_cpy(c, a, b); }},
    {"cast", 1, [](C c, T a, T, T) { return ggml_cast(c, a, GGML_TYPE_F16); }},
    {"cont", 1, [](C c, T a, T, T) { return ggml_cont(c, a); }},
    {"cont_1d", 1, [](C c, T a, T, T) { return ggml_cont_1d(c, a, 4); }},
    {"reshape", 2, [](C c, T a, T b, T) { return ggml_reshape(c, a, b); }},
    {"reshape_1d", 1, [](C c, T a, T, T) { return ggml_reshape_1d(c, a, 4); }},
    {"view_1d", 1, [](C c, T a, T, T) { return ggml_view_1d(c, a, 4, 0); }},
    {"view_2d", 1, [](C c, T a, T, T) { return ggml_view_2d(c, a, 4, 1, 16, 0); }},
    {"permute", 1, [](C c, T a, T, T) { return ggml_permute(c, a, 0, 1, 2, 3); }},
    {"transpose", 1, [](C c, T a, T, T) { return ggml_transpose(c, a); }},
    {"get_rows", 2, [](C c, T a, T b, T) { return ggml_get_rows(c, a, b); }},
    {"set_rows", 3, [](C c, T a, T b, T d) { return ggml_set_rows(c, a, b, d); }},
    {"set", 2, [](C c, T a, T b, T) { return ggml_set(c, a, b, 16, 16, 16, 0); }},
    {"set_1d", 2, [](C c, T a, T b, T) { return ggml_set_1d(c, a, b, 0); }},
    {"set_1d_inplace", 2, [](C c, T a, T b, T) { return ggml_set_1d_inplace(c, a, b, 0); }},
    {"set_2d", 2, [](C c, T a, T b, T) { return ggml_set_2d(c, a, b, 16, 0); }},
    {"set_2d_inplace", 2, [](C c, T a, T b, T) { return ggml_set_2d_inplace(c, a, b, 16, 0); }},
};

} // namespace

class NullOperands : public CoreTest {};

TEST_F(NullOperands, AreRefusedByEveryBuilderWithOneLine) {
    ggml_tensor * t = f32(4);
    for (const Builder & builder : kBuilders) {
        expect_refused([&] { return builder.build(nullptr, t, t, t); }, builder.name);
        for (int missing = 0; missing < builder.operands; missing++) {
            ggml_tensor * operands[] = {t, t, t};
            operands[missing] = nullptr;
            expect_refused([&] { return builder.build(ctx, operands[0], operands[1], operands[2]); }, builder.name);
        }
    }
}
