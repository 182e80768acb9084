// The bytes of a file, written out from the GGUF specification, against what the library reads and writes.

#include <gtest/gtest.h>

#include "gguf_support.h"

using namespace gguf_test;

namespace {

// Every type of value, alignment 64, two tensors. Built from numbers only.
std::string specified_file() {
    Bytes file;
    file.raw("GGUF").u32(3).u64(2).u64(15);
    file.str("general.alignment").u32(4).u32(64);
    file.str("k.u8").u32(0).u8(200);
    file.str("k.i8").u32(1).u8(0x80);         // -128
    file.str("k.u16").u32(2).raw("\x34\x12"); // 0x1234
    file.str("k.i16").u32(3).raw("\xfe\xff"); // -2
    file.str("k.i32").u32(5).u32(0xfffffffd); // -3
    file.str("k.f32").u32(6).u32(0xc0200000); // -2.5
    file.str("k.bool").u32(7).u8(1);
    file.str("k.str").u32(8).str("caf\xc3\xa9");
    file.str("k.u64").u32(10).u64(0xfedcba9876543210);
    file.str("k.i64").u32(11).u64(0x8000000000000000);
    file.str("k.f64").u32(12).u64(0x3ff8000000000000); // 1.5
    file.str("a.i16").u32(9).u32(3).u64(3).raw("\x01").u8(0).raw("\xff\xff\xff\x7f");
    file.str("a.str").u32(9).u32(8).u64(2).str("").str("xy");
    file.str("a.bool").u32(9).u32(7).u64(0);
    file.str("w").u32(2).u64(3).u64(2).u32(0).u64(0); // F32 [3, 2] at 0
    file.str("h").u32(1).u64(5).u32(1).u64(64);       // F16 [5] at 64
    file.pad(64);
    for (const uint32_t bits : {0x3f800000u, 0x40000000u, 0x40400000u, 0x40800000u, 0x40a00000u, 0x40c00000u}) {
        file.u32(bits); // 1 to 6
    }
    file.zeros(40);
    file.raw("\x01\x3c\x02\x3c\x03\x3c\x04\x3c\x05\x3c").zeros(54);
    return file.get();
}

Gguf specified_context() {
    Gguf ctx(gguf_init_empty());
    gguf_context * g = ctx.get();
    const int16_t numbers[] = {1, -1, 32767};
    const char * strings[] = {"", "xy"};
    gguf_set_val_u32(g, "general.alignment", 64);
    gguf_set_val_u8(g, "k.u8", 200);
    gguf_set_val_i8(g, "k.i8", -128);
    gguf_set_val_u16(g, "k.u16", 0x1234);
    gguf_set_val_i16(g, "k.i16", -2);
    gguf_set_val_i32(g, "k.i32", -3);
    gguf_set_val_f32(g, "k.f32", -2.5F);
    gguf_set_val_bool(g, "k.bool", true);
    gguf_set_val_str(g, "k.str", "caf\xc3\xa9");
    gguf_set_val_u64(g, "k.u64", 0xfedcba9876543210);
    gguf_set_val_i64(g, "k.i64", INT64_MIN);
    gguf_set_val_f64(g, "k.f64", 1.5);
    gguf_set_arr_data(g, "a.i16", GGUF_TYPE_INT16, numbers, 3);
    gguf_set_arr_str(g, "a.str", strings, 2);
    gguf_set_arr_data(g, "a.bool", GGUF_TYPE_BOOL, nullptr, 0);
    return ctx;
}

} // namespace

TEST(GgufLayout, WriterProducesTheSpecifiedBytes) {
    const Ggml ggml(ggml_init({1 << 16, nullptr, false}));
    ggml_tensor * w = ggml_set_name(ggml_new_tensor_2d(ggml.get(), GGML_TYPE_F32, 3, 2), "w");
    ggml_tensor * h = ggml_set_name(ggml_new_tensor_1d(ggml.get(), GGML_TYPE_F16, 5), "h");
    ASSERT_TRUE(w && h);
    for (int i = 0; i < 6; i++) {
        ggml_get_data_f32(w)[i] = static_cast<float>(i + 1);
    }
    for (int i = 0; i < 5; i++) {
        static_cast<uint16_t *>(h->data)[i] = static_cast<uint16_t>(0x3c01 + i);
    }
    const Gguf ctx = specified_context();
    gguf_add_tensor(ctx.get(), w);
    gguf_add_tensor(ctx.get(), h);
    EXPECT_EQ(to_bytes(ctx.get()), specified_file());
}

TEST(GgufLayout, ReaderUnderstandsTheSpecifiedBytes) {
    const Loaded loaded = load_bytes(specified_file());
    ASSERT_TRUE(loaded.gguf);
    const gguf_context * g = loaded.gguf.get();
    const auto id = [g](const char * key) { return gguf_find_key(g, key); };

    EXPECT_EQ(gguf_get_version(g), 3U);
    EXPECT_EQ(gguf_get_alignment(g), 64U);
    EXPECT_EQ(gguf_get_n_kv(g), 15);
    EXPECT_EQ(gguf_get_val_u32(g, id("general.alignment")), 64U);
    EXPECT_EQ(gguf_get_val_u8(g, id("k.u8")), 200);
    EXPECT_EQ(gguf_get_val_i8(g, id("k.i8")), -128);
    EXPECT_EQ(gguf_get_val_u16(g, id("k.u16")), 0x1234);
    EXPECT_EQ(gguf_get_val_i16(g, id("k.i16")), -2);
    EXPECT_EQ(gguf_get_val_i32(g, id("k.i32")), -3);
    EXPECT_EQ(gguf_get_val_f32(g, id("k.f32")), -2.5F);
    EXPECT_TRUE(gguf_get_val_bool(g, id("k.bool")));
    EXPECT_STREQ(gguf_get_val_str(g, id("k.str")), "caf\xc3\xa9");
    EXPECT_EQ(gguf_get_val_u64(g, id("k.u64")), 0xfedcba9876543210);
    EXPECT_EQ(gguf_get_val_i64(g, id("k.i64")), INT64_MIN);
    EXPECT_EQ(gguf_get_val_f64(g, id("k.f64")), 1.5);

    ASSERT_EQ(gguf_get_arr_n(g, id("a.i16")), 3U);
    const auto * numbers = static_cast<const int16_t *>(gguf_get_arr_data(g, id("a.i16")));
    EXPECT_EQ(std::vector<int16_t>(numbers, numbers + 3), (std::vector<int16_t>{1, -1, 32767}));
    ASSERT_EQ(gguf_get_arr_n(g, id("a.str")), 2U);
    EXPECT_STREQ(gguf_get_arr_str(g, id("a.str"), 0), "");
    EXPECT_STREQ(gguf_get_arr_str(g, id("a.str"), 1), "xy");
    EXPECT_EQ(gguf_get_arr_type(g, id("a.bool")), GGUF_TYPE_BOOL);
    EXPECT_EQ(gguf_get_arr_n(g, id("a.bool")), 0U);

    EXPECT_EQ(gguf_get_data_offset(g) + 128, specified_file().size());
    ASSERT_EQ(gguf_get_n_tensors(g), 2);
    EXPECT_EQ(gguf_get_tensor_offset(g, 1), 64U);
    EXPECT_EQ(gguf_get_tensor_size(g, 1), 10U);
    EXPECT_EQ(gguf_get_tensor_type(g, 1), GGML_TYPE_F16);
    const int64_t * ne = gguf_get_tensor_ne(g, 0);
    EXPECT_EQ(std::vector<int64_t>(ne, ne + 4), (std::vector<int64_t>{3, 2, 1, 1}));
    const float * w = ggml_get_data_f32(ggml_get_tensor(loaded.tensors.get(), "w"));
    EXPECT_EQ(std::vector<float>(w, w + 6), (std::vector<float>{1, 2, 3, 4, 5, 6}));
    const auto * h = static_cast<const uint16_t *>(ggml_get_tensor(loaded.tensors.get(), "h")->data);
    EXPECT_EQ(h[4], 0x3c05);
}

TEST(GgufLayout, ReadingAndWritingAgainGivesTheSameBytes) {
    const Loaded loaded = load_bytes(specified_file());
    ASSERT_TRUE(loaded.gguf);
    take_data(loaded);
    EXPECT_EQ(to_bytes(loaded.gguf.get()), specified_file());
}

TEST(GgufLayout, DescriptionAloneIsTheBeginningOfTheFile) {
    const Loaded loaded = load_bytes(specified_file());
    ASSERT_TRUE(loaded.gguf);
    const std::string expected = specified_file().substr(0, gguf_get_data_offset(loaded.gguf.get()));
    EXPECT_EQ(to_bytes(loaded.gguf.get(), true), expected);

    ASSERT_EQ(gguf_get_meta_size(loaded.gguf.get()), expected.size());
    std::string meta(expected.size(), '\0');
    gguf_get_meta_data(loaded.gguf.get(), meta.data());
    EXPECT_EQ(meta, expected);
}

TEST(GgufLayout, VersionTwoIsReadAndKept) {
    FileParts parts = good_parts();
    parts.version = 2;
    const Loaded loaded = load_bytes(parts.build());
    ASSERT_TRUE(loaded.gguf);
    EXPECT_EQ(gguf_get_version(loaded.gguf.get()), 2U);
    take_data(loaded);
    EXPECT_EQ(to_bytes(loaded.gguf.get()), parts.build());
}

TEST(GgufLayout, PaddingBehindTheLastTensorMayBeMissing) {
    std::string bytes = good_parts().build();
    bytes.resize(bytes.size() - 8);
    EXPECT_TRUE(load_bytes(bytes).gguf);
}

TEST(GgufLayout, AlignmentMayComeAfterOtherPairsAndMoveTheData) {
    FileParts parts = good_parts();
    parts.kv.push_back(kv_u32("general.alignment", 8));
    parts.alignment = 8;
    parts.tensors[1] = tensor("b", {3, 2}, 0, 16);
    parts.data = std::string(16, 'a') + std::string(24, 'b');
    const Loaded loaded = load_bytes(parts.build());
    ASSERT_TRUE(loaded.gguf);
    const ggml_tensor * b = ggml_get_tensor(loaded.tensors.get(), "b");
    EXPECT_EQ(std::memcmp(b->data, "bbbb", 4), 0);
}

TEST(GgufLayout, AFileWithoutTensorsNeedsNoPadding) {
    FileParts parts;
    parts.kv = {kv_u32("answer", 42)};
    parts.alignment = 1;
    const Loaded loaded = load_bytes(parts.build());
    ASSERT_TRUE(loaded.gguf);
    EXPECT_TRUE(loaded.tensors);
    EXPECT_EQ(gguf_get_data_offset(loaded.gguf.get()), parts.build().size());
}
