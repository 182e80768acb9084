#include "core_test.h"

#include <cstring>
#include <set>

TEST(Types, SizesAreThoseOfTheFileFormat) {
    struct Expected {
        ggml_type type;
        const char * name;
        int64_t block;
        size_t size;
        bool quantized;
    };
    const Expected table[] = {
        {GGML_TYPE_F32, "f32", 1, 4, false},    {GGML_TYPE_F16, "f16", 1, 2, false},
        {GGML_TYPE_BF16, "bf16", 1, 2, false},  {GGML_TYPE_F64, "f64", 1, 8, false},
        {GGML_TYPE_I8, "i8", 1, 1, false},      {GGML_TYPE_I16, "i16", 1, 2, false},
        {GGML_TYPE_I32, "i32", 1, 4, false},    {GGML_TYPE_I64, "i64", 1, 8, false},
        {GGML_TYPE_Q4_0, "q4_0", 32, 18, true}, {GGML_TYPE_Q8_0, "q8_0", 32, 34, true},
    };
    for (const Expected & e : table) {
        EXPECT_STREQ(ggml_type_name(e.type), e.name);
        EXPECT_EQ(ggml_blck_size(e.type), e.block) << e.name;
        EXPECT_EQ(ggml_type_size(e.type), e.size) << e.name;
        EXPECT_EQ(ggml_is_quantized(e.type), e.quantized) << e.name;
        EXPECT_EQ(ggml_row_size(e.type, 96), 96 / static_cast<size_t>(e.block) * e.size) << e.name;
        EXPECT_STREQ(ggml_get_type_traits(e.type)->type_name, e.name);
    }
}

TEST(Types, UnknownTypesHaveNoTraits) {
    int known = 0;
    for (int i = 0; i <= GGML_TYPE_COUNT; i++) {
        const auto type = static_cast<ggml_type>(i);
        if (ggml_get_type_traits(type)) {
            known++;
            continue;
        }
        EXPECT_EQ(ggml_type_size(type), 0u) << i;
        EXPECT_EQ(ggml_blck_size(type), 0) << i;
        EXPECT_EQ(ggml_row_size(type, 32), 0u) << i;
        EXPECT_STREQ(ggml_type_name(type), "?") << i;
        EXPECT_FALSE(ggml_is_quantized(type)) << i;
    }
    EXPECT_EQ(known, 10);
}

TEST(Types, IntegersDoNotConvertToFloat) {
    for (const ggml_type type : {GGML_TYPE_I8, GGML_TYPE_I16, GGML_TYPE_I32, GGML_TYPE_I64}) {
        EXPECT_EQ(ggml_get_type_traits(type)->to_float, nullptr);
        EXPECT_EQ(ggml_get_type_traits(type)->from_float_ref, nullptr);
    }
}

TEST(Names, EveryOperationHasANameOfItsOwn) {
    std::set<std::string> names;
    for (int i = 0; i < GGML_OP_COUNT; i++) {
        names.insert(ggml_op_name(static_cast<ggml_op>(i)));
        EXPECT_GT(std::strlen(ggml_op_symbol(static_cast<ggml_op>(i))), 0u);
    }
    EXPECT_EQ(names.size(), static_cast<size_t>(GGML_OP_COUNT));
    EXPECT_EQ(names.count("?"), 0u);
    EXPECT_STREQ(ggml_op_name(GGML_OP_NONE), "NONE");
    EXPECT_STREQ(ggml_op_name(GGML_OP_MUL_MAT_ID), "MUL_MAT_ID");
    EXPECT_STREQ(ggml_op_name(GGML_OP_GLU), "GLU");
    EXPECT_STREQ(ggml_op_name(GGML_OP_COUNT), "?");
    EXPECT_STREQ(ggml_unary_op_name(GGML_UNARY_OP_COUNT), "?");
    EXPECT_STREQ(ggml_glu_op_name(GGML_GLU_OP_COUNT), "?");
    EXPECT_STREQ(ggml_op_desc(nullptr), "?");
}

TEST(Names, OnlyOperationsThatMoveNothingAreViews) {
    for (int i = 0; i < GGML_OP_COUNT; i++) {
        const auto op = static_cast<ggml_op>(i);
        const bool expected =
            op == GGML_OP_RESHAPE || op == GGML_OP_VIEW || op == GGML_OP_PERMUTE || op == GGML_OP_TRANSPOSE;
        EXPECT_EQ(ggml_is_view_op(op), expected) << ggml_op_name(op);
    }
}

TEST(Status, EveryStatusHasAText) {
    for (int i = -2; i <= 1; i++) {
        EXPECT_GT(std::strlen(ggml_status_to_string(static_cast<ggml_status>(i))), 0u);
    }
}

TEST(Time, MovesForwardInBothUnits) {
    ggml_time_init();
    const int64_t ms = ggml_time_ms();
    const int64_t us = ggml_time_us();
    EXPECT_LE(ms * 1000, us);
    EXPECT_LE(us, ggml_time_us());
}
