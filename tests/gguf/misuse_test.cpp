// Wrong ids, wrong types, NULL: a neutral result and a line in the log; a refused change changes nothing.

#include <gtest/gtest.h>

#include "gguf_support.h"

using namespace gguf_test;

namespace {

Gguf small_context() {
    Gguf ctx(gguf_init_empty());
    const uint32_t numbers[] = {1, 2};
    const char * strings[] = {"x"};
    gguf_set_val_u32(ctx.get(), "number", 7);
    gguf_set_val_str(ctx.get(), "string", "text");
    gguf_set_arr_data(ctx.get(), "numbers", GGUF_TYPE_UINT32, numbers, 2);
    gguf_set_arr_str(ctx.get(), "strings", strings, 1);
    return ctx;
}

// Runs every getter of a single value.
void get_all_values(const gguf_context * g, int64_t id) {
    EXPECT_EQ(gguf_get_val_u8(g, id), 0);
    EXPECT_EQ(gguf_get_val_i8(g, id), 0);
    EXPECT_EQ(gguf_get_val_u16(g, id), 0);
    EXPECT_EQ(gguf_get_val_i16(g, id), 0);
    EXPECT_EQ(gguf_get_val_u32(g, id), 0U);
    EXPECT_EQ(gguf_get_val_i32(g, id), 0);
    EXPECT_EQ(gguf_get_val_f32(g, id), 0.0F);
    EXPECT_EQ(gguf_get_val_u64(g, id), 0U);
    EXPECT_EQ(gguf_get_val_i64(g, id), 0);
    EXPECT_EQ(gguf_get_val_f64(g, id), 0.0);
    EXPECT_FALSE(gguf_get_val_bool(g, id));
    EXPECT_STREQ(gguf_get_val_str(g, id), "");
    EXPECT_EQ(gguf_get_val_data(g, id), nullptr);
}

} // namespace

TEST(GgufMisuse, IdsOutsideGiveNeutralResults) {
    const Gguf ctx = small_context();
    for (const gguf_context * g :
         {static_cast<const gguf_context *>(ctx.get()), static_cast<const gguf_context *>(nullptr)}) {
        for (const int64_t id : {int64_t{-1}, int64_t{4}, INT64_MAX, INT64_MIN}) {
            LogCapture log;
            get_all_values(g, id);
            EXPECT_STREQ(gguf_get_key(g, id), "");
            EXPECT_EQ(gguf_get_kv_type(g, id), GGUF_TYPE_COUNT);
            EXPECT_EQ(gguf_get_arr_type(g, id), GGUF_TYPE_COUNT);
            EXPECT_EQ(gguf_get_arr_n(g, id), 0U);
            EXPECT_EQ(gguf_get_arr_data(g, id), nullptr);
            EXPECT_STREQ(gguf_get_arr_str(g, id, 0), "");
            EXPECT_STREQ(gguf_get_tensor_name(g, id), "");
            EXPECT_EQ(gguf_get_tensor_ne(g, id), nullptr);
            EXPECT_EQ(gguf_get_tensor_type(g, id), GGML_TYPE_COUNT);
            EXPECT_EQ(gguf_get_tensor_size(g, id), 0U);
            EXPECT_EQ(gguf_get_tensor_offset(g, id), 0U);
            EXPECT_EQ(log.errors.size(), 24U);
        }
    }
}

TEST(GgufMisuse, ValuesOfAnotherTypeAreNotConverted) {
    const Gguf ctx = small_context();
    LogCapture log;
    get_all_values(ctx.get(), 2); // an array
    EXPECT_EQ(log.errors.size(), 13U);
    EXPECT_NE(log.errors[0].find("'numbers' is of type arr, not u8"), std::string::npos) << log.errors[0];
    log.errors.clear();

    EXPECT_EQ(gguf_get_val_i32(ctx.get(), 0), 0);
    EXPECT_EQ(gguf_get_val_u32(ctx.get(), 1), 0U);
    EXPECT_STREQ(gguf_get_val_str(ctx.get(), 3), "");
    EXPECT_EQ(gguf_get_val_data(ctx.get(), 1), nullptr);
    EXPECT_EQ(gguf_get_arr_type(ctx.get(), 0), GGUF_TYPE_COUNT);
    EXPECT_EQ(gguf_get_arr_n(ctx.get(), 0), 0U);
    EXPECT_EQ(gguf_get_arr_data(ctx.get(), 0), nullptr);
    EXPECT_EQ(gguf_get_arr_data(ctx.get(), 3), nullptr);
    EXPECT_STREQ(gguf_get_arr_str(ctx.get(), 2, 0), "");
    EXPECT_STREQ(gguf_get_arr_str(ctx.get(), 3, 1), "");
    EXPECT_EQ(log.errors.size(), 10U);
}

TEST(GgufMisuse, NullContextsAndNamesAreRefused) {
    const Gguf ctx = small_context();
    LogCapture log;
    gguf_free(nullptr);
    EXPECT_EQ(log.errors.size(), 0U);
    EXPECT_EQ(gguf_get_version(nullptr), 0U);
    EXPECT_EQ(gguf_get_alignment(nullptr), 0U);
    EXPECT_EQ(gguf_get_data_offset(nullptr), 0U);
    EXPECT_EQ(gguf_get_n_kv(nullptr), 0);
    EXPECT_EQ(gguf_get_n_tensors(nullptr), 0);
    EXPECT_EQ(gguf_find_key(ctx.get(), nullptr), -1);
    EXPECT_EQ(gguf_find_key(nullptr, "k"), -1);
    EXPECT_EQ(gguf_find_tensor(ctx.get(), nullptr), -1);
    EXPECT_EQ(gguf_remove_key(nullptr, "k"), -1);
    EXPECT_EQ(gguf_get_meta_size(nullptr), 0U);
    gguf_get_meta_data(ctx.get(), nullptr);
    EXPECT_FALSE(gguf_write_to_file(nullptr, "x", false));
    EXPECT_FALSE(gguf_write_to_file(ctx.get(), nullptr, false));
    EXPECT_FALSE(gguf_write_to_file_ptr(ctx.get(), nullptr, false));
    gguf_set_val_u8(nullptr, "k", 1);
    gguf_set_kv(ctx.get(), nullptr);
    gguf_add_tensor(ctx.get(), nullptr);
    gguf_set_tensor_data(ctx.get(), nullptr, nullptr);
    EXPECT_EQ(log.errors.size(), 18U);
    EXPECT_EQ(gguf_type_name(static_cast<gguf_type>(13)), nullptr);
}

TEST(GgufMisuse, RefusedValuesLeaveTheContextAsItWas) {
    const Gguf ctx = small_context();
    gguf_set_val_u32(ctx.get(), "general.alignment", 16);
    const std::string before = to_bytes(ctx.get());
    const uint32_t number = 16;
    const char * with_null[] = {"a", nullptr};
    LogCapture log;
    gguf_set_val_u32(ctx.get(), nullptr, 1);
    gguf_set_val_u32(ctx.get(), "", 1);
    gguf_set_val_u32(ctx.get(), std::string(65536, 'k').c_str(), 1);
    gguf_set_val_u32(ctx.get(), "general.alignment", 0);
    gguf_set_val_u32(ctx.get(), "general.alignment", 24);
    gguf_set_val_u64(ctx.get(), "general.alignment", 16);
    gguf_set_val_str(ctx.get(), "general.alignment", "16");
    gguf_set_arr_data(ctx.get(), "general.alignment", GGUF_TYPE_UINT32, &number, 1);
    gguf_set_val_str(ctx.get(), "number", nullptr);
    gguf_set_arr_data(ctx.get(), "number", GGUF_TYPE_STRING, &number, 1);
    gguf_set_arr_data(ctx.get(), "number", GGUF_TYPE_ARRAY, &number, 1);
    gguf_set_arr_data(ctx.get(), "number", static_cast<gguf_type>(15), &number, 1);
    gguf_set_arr_data(ctx.get(), "number", GGUF_TYPE_UINT32, nullptr, 1);
    gguf_set_arr_data(ctx.get(), "number", GGUF_TYPE_UINT64, &number, SIZE_MAX / 8 + 2);
    gguf_set_arr_str(ctx.get(), "number", nullptr, 1);
    gguf_set_arr_str(ctx.get(), "number", with_null, 2);
    EXPECT_EQ(log.errors.size(), 16U);
    EXPECT_EQ(to_bytes(ctx.get()), before);
}

TEST(GgufMisuse, ImpossibleAllocationsAreReported) {
    const Gguf ctx = small_context();
    const std::string before = to_bytes(ctx.get());
    const char * text = "x";
    LogCapture log;
    gguf_set_arr_str(ctx.get(), "number", &text, SIZE_MAX / 2);
    ASSERT_EQ(log.errors.size(), 1U);
    EXPECT_NE(log.errors[0].find("out of memory"), std::string::npos);
    EXPECT_EQ(to_bytes(ctx.get()), before);
}

TEST(GgufMisuse, TensorsThatCannotBeAddedAreRefused) {
    const Ggml ggml(ggml_init({1 << 16, nullptr, true}));
    ggml_tensor * a = ggml_set_name(ggml_new_tensor_2d(ggml.get(), GGML_TYPE_F32, 48, 2), "a");
    ggml_tensor * transposed = ggml_set_name(ggml_transpose(ggml.get(), a), "t");
    const Gguf ctx(gguf_init_empty());
    gguf_add_tensor(ctx.get(), a);
    LogCapture log;
    gguf_add_tensor(ctx.get(), a);
    gguf_add_tensor(ctx.get(), transposed);
    gguf_add_tensor(ctx.get(), ggml_new_tensor_1d(ggml.get(), GGML_TYPE_F32, 1)); // without a name
    gguf_set_tensor_type(ctx.get(), "missing", GGML_TYPE_F16);
    gguf_set_tensor_data(ctx.get(), "missing", a);
    gguf_set_tensor_type(ctx.get(), "a", GGML_TYPE_Q8_0); // rows of 48
    gguf_set_tensor_type(ctx.get(), "a", GGML_TYPE_COUNT);
    EXPECT_EQ(log.errors.size(), 7U);
    EXPECT_EQ(gguf_get_n_tensors(ctx.get()), 1);
    EXPECT_EQ(gguf_get_tensor_type(ctx.get(), 0), GGML_TYPE_F32);
    EXPECT_EQ(gguf_get_tensor_size(ctx.get(), 0), 48U * 2 * 4);
}
