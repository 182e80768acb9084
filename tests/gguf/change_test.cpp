// Changing a context, and writing it where that may fail.

#include <gtest/gtest.h>

#include <filesystem>

#include "gguf_support.h"

using namespace gguf_test;

namespace {

// F32 tensors "a" (10), "b" (64), "c" (3), with data
struct Three {
    Ggml tensors{ggml_init({1 << 16, nullptr, false})};
    Gguf gguf{gguf_init_empty()};

    Three() {
        const std::pair<const char *, int64_t> sizes[] = {{"a", 10}, {"b", 64}, {"c", 3}};
        for (const auto & [name, n] : sizes) {
            ggml_tensor * t = ggml_set_name(ggml_new_tensor_1d(tensors.get(), GGML_TYPE_F32, n), name);
            std::memset(t->data, name[0], ggml_nbytes(t));
            gguf_add_tensor(gguf.get(), t);
        }
    }

    std::vector<size_t> offsets() const {
        std::vector<size_t> result;
        for (int64_t i = 0; i < gguf_get_n_tensors(gguf.get()); i++) {
            result.push_back(gguf_get_tensor_offset(gguf.get(), i));
        }
        return result;
    }
};

using Offsets = std::vector<size_t>;

} // namespace

TEST(GgufChange, SettingAKeyAgainMovesItToTheEnd) {
    const Gguf ctx(gguf_init_empty());
    gguf_set_val_u32(ctx.get(), "a", 1);
    gguf_set_val_u32(ctx.get(), "b", 2);
    gguf_set_val_str(ctx.get(), "a", "now a string");
    ASSERT_EQ(gguf_get_n_kv(ctx.get()), 2);
    EXPECT_STREQ(gguf_get_key(ctx.get(), 0), "b");
    EXPECT_STREQ(gguf_get_val_str(ctx.get(), 1), "now a string");
}

TEST(GgufChange, AKeyAndValueMayPointIntoTheContext) {
    const Gguf ctx(gguf_init_empty());
    gguf_set_val_str(ctx.get(), "a-key-that-is-longer-than-short-strings", "a-value-that-is-longer-than-short-strings");
    gguf_set_val_str(ctx.get(), gguf_get_key(ctx.get(), 0), gguf_get_val_str(ctx.get(), 0));
    ASSERT_EQ(gguf_get_n_kv(ctx.get()), 1);
    EXPECT_STREQ(gguf_get_key(ctx.get(), 0), "a-key-that-is-longer-than-short-strings");
    EXPECT_STREQ(gguf_get_val_str(ctx.get(), 0), "a-value-that-is-longer-than-short-strings");
}

TEST(GgufChange, RemovingAKeyTellsItsFormerId) {
    const Gguf ctx(gguf_init_empty());
    gguf_set_val_u32(ctx.get(), "a", 1);
    gguf_set_val_u32(ctx.get(), "b", 2);
    EXPECT_EQ(gguf_remove_key(ctx.get(), "missing"), -1);
    EXPECT_EQ(gguf_remove_key(ctx.get(), "a"), 0);
    EXPECT_EQ(gguf_find_key(ctx.get(), "b"), 0);
    EXPECT_EQ(gguf_get_n_kv(ctx.get()), 1);
}

TEST(GgufChange, PairsOfAnotherContextOverrideAndAdd) {
    const Gguf ctx(gguf_init_empty());
    const Gguf src(gguf_init_empty());
    const char * strings[] = {"x", "y"};
    gguf_set_val_u32(ctx.get(), "own", 1);
    gguf_set_val_u32(ctx.get(), "both", 2);
    gguf_set_val_f64(src.get(), "both", 3);
    gguf_set_arr_str(src.get(), "strings", strings, 2);
    gguf_set_kv(ctx.get(), src.get());
    gguf_set_kv(ctx.get(), ctx.get());
    ASSERT_EQ(gguf_get_n_kv(ctx.get()), 3);
    EXPECT_EQ(gguf_get_val_u32(ctx.get(), gguf_find_key(ctx.get(), "own")), 1U);
    EXPECT_EQ(gguf_get_val_f64(ctx.get(), gguf_find_key(ctx.get(), "both")), 3);
    EXPECT_STREQ(gguf_get_arr_str(ctx.get(), gguf_find_key(ctx.get(), "strings"), 1), "y");
    EXPECT_EQ(gguf_get_n_kv(src.get()), 2);
}

TEST(GgufChange, AlignmentMovesTheTensorsAndComesBackWhenRemoved) {
    const Three three;
    EXPECT_EQ(three.offsets(), (Offsets{0, 64, 320}));
    gguf_set_val_u32(three.gguf.get(), "general.alignment", 128);
    EXPECT_EQ(three.offsets(), (Offsets{0, 128, 384}));
    EXPECT_EQ(gguf_get_alignment(three.gguf.get()), 128U);
    EXPECT_EQ(gguf_get_meta_size(three.gguf.get()) % 128, 0U);
    EXPECT_TRUE(load_bytes(to_bytes(three.gguf.get())).gguf);
    gguf_remove_key(three.gguf.get(), "general.alignment");
    EXPECT_EQ(three.offsets(), (Offsets{0, 64, 320}));
}

TEST(GgufChange, AlignmentsBelowThatOfMemoryWork) {
    const Three three;
    for (const uint32_t alignment : {1U, 2U, 4U}) {
        gguf_set_val_u32(three.gguf.get(), "general.alignment", alignment);
        const Loaded loaded = load_bytes(to_bytes(three.gguf.get()));
        ASSERT_TRUE(loaded.gguf);
        const ggml_tensor * c = ggml_get_tensor(loaded.tensors.get(), "c");
        EXPECT_EQ(std::memcmp(c->data, "cccccccccccc", 12), 0);
    }
}

TEST(GgufChange, ATypeMovesTheTensorsBehindAndForgetsTheData) {
    const Three three;
    gguf_set_tensor_type(three.gguf.get(), "b", GGML_TYPE_Q8_0);
    EXPECT_EQ(three.offsets(), (Offsets{0, 64, 160}));
    EXPECT_EQ(gguf_get_tensor_size(three.gguf.get(), 1), 68U);
    {
        LogCapture log;
        EXPECT_EQ(to_bytes(three.gguf.get()), "");
        ASSERT_EQ(log.errors.size(), 1U);
        EXPECT_NE(log.errors[0].find("tensor 'b' has no data"), std::string::npos);
    }
    const std::string data(68, 'q');
    gguf_set_tensor_data(three.gguf.get(), "b", data.data());
    const Loaded loaded = load_bytes(to_bytes(three.gguf.get()));
    ASSERT_TRUE(loaded.gguf);
    const ggml_tensor * b = ggml_get_tensor(loaded.tensors.get(), "b");
    EXPECT_EQ(b->type, GGML_TYPE_Q8_0);
    EXPECT_EQ(std::memcmp(b->data, data.data(), 68), 0);
    EXPECT_EQ(std::memcmp(ggml_get_tensor(loaded.tensors.get(), "c")->data, "cccccccccccc", 12), 0);
}

TEST(GgufChange, AFileIsOverwrittenByACompleteOneOnly) {
    const Three three;
    const TempDir dir;
    const std::string path = dir.path("model.gguf");
    ASSERT_TRUE(gguf_write_to_file(three.gguf.get(), path.c_str(), false));
    const std::string first = read_bytes(path);
    EXPECT_EQ(first, to_bytes(three.gguf.get()));

    LogCapture log;
    gguf_set_tensor_type(three.gguf.get(), "c", GGML_TYPE_I32); // now without data
    EXPECT_FALSE(gguf_write_to_file(three.gguf.get(), path.c_str(), false));
    EXPECT_EQ(read_bytes(path), first);
    ASSERT_EQ(log.errors.size(), 1U);
    EXPECT_NE(log.errors[0].find(path), std::string::npos);

    EXPECT_TRUE(gguf_write_to_file(three.gguf.get(), path.c_str(), true));
    EXPECT_EQ(read_bytes(path), to_bytes(three.gguf.get(), true));
    EXPECT_FALSE(std::filesystem::exists(path + ".partial"));
}

TEST(GgufChange, ALinkKeepsPointingToTheFile) {
    const Three three;
    const TempDir dir;
    write_bytes(dir.path("target"), "old");
    std::error_code error;
    std::filesystem::create_symlink(dir.path("target"), dir.path("link"), error);
    if (error) {
        GTEST_SKIP() << "this system makes no links: " << error.message();
    }
    EXPECT_TRUE(gguf_write_to_file(three.gguf.get(), dir.path("link").c_str(), false));
    EXPECT_TRUE(std::filesystem::is_symlink(dir.path("link")));
    EXPECT_EQ(read_bytes(dir.path("target")), to_bytes(three.gguf.get()));
}

TEST(GgufChange, AFullDiskIsReported) {
    if (!std::filesystem::exists("/dev/full")) {
        GTEST_SKIP() << "no /dev/full here";
    }
    const Three three;
    for (const bool only_meta : {false, true}) {
        LogCapture log;
        EXPECT_FALSE(gguf_write_to_file(three.gguf.get(), "/dev/full", only_meta));
        ASSERT_EQ(log.errors.size(), 1U);
        EXPECT_NE(log.errors[0].find("'/dev/full': No space left"), std::string::npos) << log.errors[0];
    }
    // Still a device
    EXPECT_TRUE(std::filesystem::is_character_file("/dev/full"));
}

TEST(GgufChange, APlaceThatCannotBeWrittenIsReported) {
    const Three three;
    const TempDir dir;
    for (const std::string & path : {dir.path("missing/model.gguf"), dir.path("."), std::string()}) {
        LogCapture log;
        EXPECT_FALSE(gguf_write_to_file(three.gguf.get(), path.c_str(), false)) << path;
        EXPECT_EQ(log.errors.size(), 1U) << path;
    }
}
