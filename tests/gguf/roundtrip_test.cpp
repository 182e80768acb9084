// What is set, written and read again is the same: every type of value and tensor, every way in and out.

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "gguf_support.h"

using namespace gguf_test;

namespace {

Loaded write_and_load(const gguf_context * ctx) {
    return load_bytes(to_bytes(ctx));
}

struct Region {
    const std::string * bytes;
    size_t largest_request;
};

size_t read_region(void * userdata, void * output, uint64_t offset, size_t len) {
    auto * region = static_cast<Region *>(userdata);
    region->largest_request = std::max(region->largest_request, len);
    if (offset >= region->bytes->size()) {
        return 0;
    }
    const size_t n = std::min<size_t>(len, region->bytes->size() - offset);
    std::memcpy(output, region->bytes->data() + offset, n);
    return n;
}

const ggml_type all_types[] = {GGML_TYPE_F32, GGML_TYPE_F16, GGML_TYPE_BF16, GGML_TYPE_Q4_0, GGML_TYPE_Q8_0,
                               GGML_TYPE_I8,  GGML_TYPE_I16, GGML_TYPE_I32,  GGML_TYPE_I64,  GGML_TYPE_F64};

// One tensor of each type, 64 x 3 x 1 x 2, full of bytes that differ
Ggml all_tensors() {
    Ggml ctx(ggml_init({1 << 20, nullptr, false}));
    for (const ggml_type type : all_types) {
        ggml_tensor * tensor = ggml_new_tensor_4d(ctx.get(), type, 64, 3, 1, 2);
        ggml_set_name(tensor, ggml_type_name(type));
        for (size_t i = 0; i < ggml_nbytes(tensor); i++) {
            static_cast<uint8_t *>(tensor->data)[i] = static_cast<uint8_t>(i * 7 + static_cast<size_t>(type));
        }
    }
    return ctx;
}

void add_all(gguf_context * gguf, const ggml_context * ctx) {
    for (ggml_tensor * t = ggml_get_first_tensor(ctx); t; t = ggml_get_next_tensor(ctx, t)) {
        gguf_add_tensor(gguf, t);
    }
}

void expect_same_tensors(const ggml_context * a, ggml_context * b) {
    for (ggml_tensor * t = ggml_get_first_tensor(a); t; t = ggml_get_next_tensor(a, t)) {
        const ggml_tensor * u = ggml_get_tensor(b, t->name);
        ASSERT_TRUE(u) << t->name;
        EXPECT_EQ(u->type, t->type);
        ASSERT_TRUE(ggml_are_same_shape(t, u)) << t->name;
        EXPECT_EQ(std::memcmp(t->data, u->data, ggml_nbytes(t)), 0) << t->name;
    }
}

} // namespace

TEST(GgufRoundTrip, ExtremeNumbersSurvive) {
    const Gguf ctx(gguf_init_empty());
    gguf_context * g = ctx.get();
    gguf_set_val_u8(g, "u8", UINT8_MAX);
    gguf_set_val_i8(g, "i8", INT8_MIN);
    gguf_set_val_u16(g, "u16", UINT16_MAX);
    gguf_set_val_i16(g, "i16", INT16_MIN);
    gguf_set_val_u32(g, "u32", UINT32_MAX);
    gguf_set_val_i32(g, "i32", INT32_MIN);
    gguf_set_val_u64(g, "u64", UINT64_MAX);
    gguf_set_val_i64(g, "i64", INT64_MIN);
    gguf_set_val_f32(g, "f32", std::numeric_limits<float>::denorm_min());
    gguf_set_val_f64(g, "nan", std::nan(""));
    gguf_set_val_f64(g, "-0", -0.0);
    gguf_set_val_bool(g, "yes", true);
    gguf_set_val_bool(g, "no", false);
    gguf_set_val_str(g, "empty", "");

    const Loaded loaded = write_and_load(g);
    ASSERT_TRUE(loaded.gguf);
    const gguf_context * r = loaded.gguf.get();
    const auto id = [r](const char * key) { return gguf_find_key(r, key); };
    EXPECT_EQ(gguf_get_n_kv(r), 14);
    EXPECT_EQ(gguf_get_val_u8(r, id("u8")), UINT8_MAX);
    EXPECT_EQ(gguf_get_val_i8(r, id("i8")), INT8_MIN);
    EXPECT_EQ(gguf_get_val_u16(r, id("u16")), UINT16_MAX);
    EXPECT_EQ(gguf_get_val_i16(r, id("i16")), INT16_MIN);
    EXPECT_EQ(gguf_get_val_u32(r, id("u32")), UINT32_MAX);
    EXPECT_EQ(gguf_get_val_i32(r, id("i32")), INT32_MIN);
    EXPECT_EQ(gguf_get_val_u64(r, id("u64")), UINT64_MAX);
    EXPECT_EQ(gguf_get_val_i64(r, id("i64")), INT64_MIN);
    EXPECT_EQ(gguf_get_val_f32(r, id("f32")), std::numeric_limits<float>::denorm_min());
    EXPECT_TRUE(std::isnan(gguf_get_val_f64(r, id("nan"))));
    EXPECT_TRUE(std::signbit(gguf_get_val_f64(r, id("-0"))));
    EXPECT_TRUE(gguf_get_val_bool(r, id("yes")));
    EXPECT_FALSE(gguf_get_val_bool(r, id("no")));
    EXPECT_STREQ(gguf_get_val_str(r, id("empty")), "");
    EXPECT_EQ(*static_cast<const uint64_t *>(gguf_get_val_data(r, id("u64"))), UINT64_MAX);
}

TEST(GgufRoundTrip, ArraysOfEveryTypeAndLengthSurvive) {
    const gguf_type types[] = {GGUF_TYPE_UINT8,   GGUF_TYPE_INT8,   GGUF_TYPE_UINT16, GGUF_TYPE_INT16,
                               GGUF_TYPE_UINT32,  GGUF_TYPE_INT32,  GGUF_TYPE_UINT64, GGUF_TYPE_INT64,
                               GGUF_TYPE_FLOAT32, GGUF_TYPE_FLOAT64};
    const size_t sizes[] = {1, 1, 2, 2, 4, 4, 8, 8, 4, 8};
    std::string data;
    for (int i = 0; i < 8 * 1000; i++) {
        data += static_cast<char>(i * 31 + i / 256);
    }
    const Gguf ctx(gguf_init_empty());
    for (const gguf_type type : types) {
        for (const size_t n : {0, 1, 3, 1000}) {
            const std::string key = std::string(gguf_type_name(type)) + "." + std::to_string(n);
            gguf_set_arr_data(ctx.get(), key.c_str(), type, data.data(), n);
        }
    }
    const Loaded loaded = write_and_load(ctx.get());
    ASSERT_TRUE(loaded.gguf);
    for (size_t t = 0; t < std::size(types); t++) {
        for (const size_t n : {0, 1, 3, 1000}) {
            const std::string key = std::string(gguf_type_name(types[t])) + "." + std::to_string(n);
            const int64_t id = gguf_find_key(loaded.gguf.get(), key.c_str());
            ASSERT_GE(id, 0) << key;
            EXPECT_EQ(gguf_get_kv_type(loaded.gguf.get(), id), GGUF_TYPE_ARRAY);
            EXPECT_EQ(gguf_get_arr_type(loaded.gguf.get(), id), types[t]);
            ASSERT_EQ(gguf_get_arr_n(loaded.gguf.get(), id), n) << key;
            const void * read = gguf_get_arr_data(loaded.gguf.get(), id);
            EXPECT_EQ(n == 0 ? 0 : std::memcmp(read, data.data(), n * sizes[t]), 0) << key;
        }
    }
}

TEST(GgufRoundTrip, BoolArraysBecomeZerosAndOnes) {
    const Gguf ctx(gguf_init_empty());
    const int8_t values[] = {0, 1, 2, -1};
    gguf_set_arr_data(ctx.get(), "bools", GGUF_TYPE_BOOL, values, 4);
    const Loaded loaded = write_and_load(ctx.get());
    ASSERT_TRUE(loaded.gguf);
    const auto * read = static_cast<const int8_t *>(gguf_get_arr_data(loaded.gguf.get(), 0));
    EXPECT_EQ(std::vector<int8_t>(read, read + 4), (std::vector<int8_t>{0, 1, 1, 1}));
}

TEST(GgufRoundTrip, LongStringsAndLongArraysOfStringsSurvive) {
    const Gguf ctx(gguf_init_empty());
    const std::string large(3 << 20, 'x');
    std::vector<std::string> strings;
    std::vector<const char *> pointers;
    for (int i = 0; i < 5000; i++) {
        strings.push_back(std::string(static_cast<size_t>(i % 40), 'y') + std::to_string(i));
    }
    for (const std::string & s : strings) {
        pointers.push_back(s.c_str());
    }
    gguf_set_val_str(ctx.get(), "large", large.c_str());
    gguf_set_arr_str(ctx.get(), "many", pointers.data(), pointers.size());
    const Loaded loaded = write_and_load(ctx.get());
    ASSERT_TRUE(loaded.gguf);
    EXPECT_EQ(gguf_get_val_str(loaded.gguf.get(), 0), large);
    ASSERT_EQ(gguf_get_arr_n(loaded.gguf.get(), 1), strings.size());
    for (size_t i = 0; i < strings.size(); i++) {
        ASSERT_EQ(gguf_get_arr_str(loaded.gguf.get(), 1, i), strings[i]);
    }
}

TEST(GgufRoundTrip, ZeroBytesInStringValuesAreKept) {
    FileParts parts = good_parts();
    parts.kv[1] = kv_str("token", std::string("a\0b", 3));
    const Loaded loaded = load_bytes(parts.build());
    ASSERT_TRUE(loaded.gguf);
    take_data(loaded);
    EXPECT_EQ(to_bytes(loaded.gguf.get()), parts.build());
}

TEST(GgufRoundTrip, TensorsOfEveryTypeSurvive) {
    const Ggml tensors = all_tensors();
    const Gguf ctx(gguf_init_empty());
    add_all(ctx.get(), tensors.get());
    const Loaded loaded = write_and_load(ctx.get());
    ASSERT_TRUE(loaded.gguf);
    EXPECT_EQ(gguf_get_n_tensors(loaded.gguf.get()), static_cast<int64_t>(std::size(all_types)));
    expect_same_tensors(tensors.get(), loaded.tensors.get());
}

TEST(GgufRoundTrip, TensorsInABackendBufferAreWritten) {
    const Ggml tensors = all_tensors();
    const Ggml copies(ggml_init({1 << 16, nullptr, true}));
    for (ggml_tensor * t = ggml_get_first_tensor(tensors.get()); t; t = ggml_get_next_tensor(tensors.get(), t)) {
        ggml_set_name(ggml_dup_tensor(copies.get(), t), t->name);
    }
    const Buffer buffer(ggml_backend_alloc_ctx_tensors_from_buft(copies.get(), ggml_backend_cpu_buffer_type()));
    ASSERT_TRUE(buffer);
    for (ggml_tensor * t = ggml_get_first_tensor(tensors.get()); t; t = ggml_get_next_tensor(tensors.get(), t)) {
        ggml_backend_tensor_set(ggml_get_tensor(copies.get(), t->name), t->data, 0, ggml_nbytes(t));
    }
    const Gguf ctx(gguf_init_empty());
    add_all(ctx.get(), copies.get());
    const Loaded loaded = write_and_load(ctx.get());
    ASSERT_TRUE(loaded.gguf);
    expect_same_tensors(tensors.get(), loaded.tensors.get());
}

TEST(GgufRoundTrip, LargeTensorInABackendBufferIsWrittenInPieces) {
    constexpr int64_t n = 3 * (1 << 20) + 17;
    const Ggml copies(ggml_init({1 << 12, nullptr, true}));
    ggml_tensor * t = ggml_set_name(ggml_new_tensor_1d(copies.get(), GGML_TYPE_I8, n), "large");
    const Buffer buffer(ggml_backend_alloc_ctx_tensors_from_buft(copies.get(), ggml_backend_cpu_buffer_type()));
    ASSERT_TRUE(buffer);
    for (int64_t i = 0; i < n; i++) {
        static_cast<int8_t *>(t->data)[i] = static_cast<int8_t>(i % 251);
    }
    const Gguf ctx(gguf_init_empty());
    gguf_add_tensor(ctx.get(), t);
    const Loaded loaded = write_and_load(ctx.get());
    ASSERT_TRUE(loaded.gguf);
    expect_same_tensors(copies.get(), loaded.tensors.get());
}

TEST(GgufRoundTrip, EmptyTensorsKeepTheirShape) {
    FileParts parts;
    parts.tensors = {tensor("none", {5, 0, 3}, 0, 0), tensor("one", {1}, 0, 0)};
    parts.data = std::string(4, '1') + std::string(28, '\0');
    const Loaded loaded = load_bytes(parts.build());
    ASSERT_TRUE(loaded.gguf);
    const int64_t * ne = gguf_get_tensor_ne(loaded.gguf.get(), 0);
    EXPECT_EQ(std::vector<int64_t>(ne, ne + 4), (std::vector<int64_t>{5, 0, 3, 1}));
    EXPECT_EQ(gguf_get_tensor_size(loaded.gguf.get(), 0), 0U);
    take_data(loaded);
    EXPECT_EQ(to_bytes(loaded.gguf.get()), parts.build());
}

TEST(GgufRoundTrip, EveryWayInReadsTheSame) {
    const Ggml tensors = all_tensors();
    const Gguf ctx(gguf_init_empty());
    gguf_set_val_str(ctx.get(), "general.name", "ways in");
    add_all(ctx.get(), tensors.get());
    const std::string bytes = to_bytes(ctx.get());
    const TempDir dir;
    write_bytes(dir.path("m.gguf"), bytes);
    write_bytes(dir.path("embedded"), "some header" + bytes);

    const auto check = [&](gguf_context * gguf, ggml_context * loaded_tensors, size_t offset) {
        const Loaded loaded = {Gguf(gguf), Ggml(loaded_tensors)};
        ASSERT_TRUE(loaded.gguf && loaded.tensors);
        EXPECT_EQ(gguf_get_data_offset(gguf), gguf_get_meta_size(gguf) + offset);
        expect_same_tensors(tensors.get(), loaded_tensors);
        take_data(loaded);
        EXPECT_EQ(to_bytes(gguf), bytes);
    };
    ggml_context * out = nullptr;
    gguf_context * gguf = gguf_init_from_file(dir.path("m.gguf").c_str(), {false, &out});
    check(gguf, out, 0);

    gguf = gguf_init_from_buffer(bytes.data(), bytes.size(), {false, &out});
    check(gguf, out, 0);

    FILE * file = std::fopen(dir.path("embedded").c_str(), "rb");
    ASSERT_EQ(std::fseek(file, 11, SEEK_SET), 0);
    gguf = gguf_init_from_file_ptr(file, {false, &out});
    std::fclose(file);
    check(gguf, out, 11);

    for (const size_t chunk : {0, 1, 7}) {
        Region region = {&bytes, 0};
        gguf =
            gguf_init_from_callback(read_region, &region, chunk, chunk == 1 ? UINT64_MAX : bytes.size(), {false, &out});
        check(gguf, out, 0);
        EXPECT_TRUE(chunk == 0 || region.largest_request <= chunk);
    }
}

TEST(GgufRoundTrip, NoAllocGivesTensorsWithoutData) {
    const std::string bytes = good_parts().build();
    const size_t meta = bytes.size() - good_parts().data.size();
    const Loaded loaded = load_bytes(bytes.substr(0, meta), true);
    ASSERT_TRUE(loaded.gguf && loaded.tensors);
    const ggml_tensor * b = ggml_get_tensor(loaded.tensors.get(), "b");
    ASSERT_TRUE(b);
    EXPECT_EQ(b->ne[1], 2);
    EXPECT_EQ(b->data, nullptr);
    EXPECT_EQ(b->buffer, nullptr);
    EXPECT_TRUE(ggml_get_no_alloc(loaded.tensors.get()));
    EXPECT_EQ(ggml_get_next_tensor(loaded.tensors.get(), ggml_get_tensor(loaded.tensors.get(), "b")), nullptr);
}

TEST(GgufRoundTrip, WithoutAContextOnlyTheDescriptionIsRead) {
    const std::string bytes = good_parts().build();
    const Gguf ctx(gguf_init_from_buffer(bytes.data(), bytes.size(), {false, nullptr}));
    ASSERT_TRUE(ctx);
    EXPECT_EQ(gguf_get_n_tensors(ctx.get()), 2);
}
