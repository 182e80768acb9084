// Files that are wrong in one way each. Every one gives NULL and exactly one line that names the file and the mistake,
// whichever way it is read, and takes no more memory than its size justifies.

#include <gtest/gtest.h>

#include <algorithm>

#include "allocation_peak.h"
#include "gguf_support.h"

using namespace gguf_test;

namespace {

struct Corruption {
    const char * name;
    std::string (*make)();
    const char * message; // part of it
};

std::string with_kv(const std::string & pair) {
    FileParts parts = good_parts();
    parts.kv[0] = pair;
    return parts.build();
}

std::string with_tensors(const std::vector<std::string> & tensors) {
    FileParts parts = good_parts();
    parts.tensors = tensors;
    parts.data += std::string(4096, '\0');
    return parts.build();
}

std::string with_second_at(uint64_t offset) {
    return with_tensors({tensor("a", {4}, 0, 0), tensor("b", {3, 2}, 0, offset)});
}

std::string with_alignment(uint32_t alignment) {
    return with_kv(kv_u32("general.alignment", alignment));
}

std::string with_version(uint32_t version) {
    FileParts parts = good_parts();
    parts.version = version;
    return parts.build();
}

std::string cut(size_t n) {
    std::string bytes = good_parts().build();
    bytes.resize(bytes.size() - n);
    return bytes;
}

Bytes array(uint32_t type, uint64_t n) {
    return Bytes().str("array").u32(9).u32(type).u64(n);
}

constexpr uint64_t huge = uint64_t{1} << 63;

const Corruption corruptions[] = {
    {"Empty", [] { return std::string(); }, "cut off"},
    {"MagicOnly", [] { return std::string("GGUF"); }, "cut off"},
    {"OtherMagic",
     [] {
         FileParts p = good_parts();
         p.magic = "GG\nF";
         return p.build();
     },
     "begins with 'GG?F'"},
    {"VersionZero", [] { return with_version(0); }, "version 0"},
    {"VersionOne", [] { return with_version(1); }, "version 1"},
    {"VersionFour", [] { return with_version(4); }, "version 4"},
    {"OtherByteOrder", [] { return with_version(0x03000000); }, "other byte order"},
    {"TensorCountHuge",
     [] {
         FileParts p = good_parts();
         p.n_tensors = huge;
         return p.build();
     },
     ""},
    {"TensorCountTooLarge",
     [] {
         FileParts p = good_parts();
         p.n_tensors = 3;
         return p.build();
     },
     ""},
    {"KvCountHuge",
     [] {
         FileParts p = good_parts();
         p.n_kv = UINT64_MAX - 1;
         return p.build();
     },
     ""},
    {"KvCountTooLarge",
     [] {
         FileParts p = good_parts();
         p.n_kv = 3;
         return p.build();
     },
     ""},
    {"KvCountTooSmall",
     [] {
         FileParts p = good_parts();
         p.n_kv = 1;
         return p.build();
     },
     ""},

    {"KeyEmpty", [] { return with_kv(kv_u32("", 1)); }, "kv pair 0 is empty"},
    {"KeyWithZeroByte", [] { return with_kv(kv_u32(std::string("a\0b", 3), 1)); }, "zero byte"},
    {"KeyTooLong", [] { return with_kv(kv_u32(std::string(65536, 'k'), 1)); }, "65536 bytes"},
    {"KeyLengthHuge", [] { return with_kv(Bytes().u64(huge).raw("k").u32(4).u32(1).get()); }, "9223372036854775808"},
    {"KeyTwice", [] { return with_kv(kv_str("general.name", "again")); }, "two keys 'general.name'"},
    {"TypeUnknown", [] { return with_kv(Bytes().str("key").u32(13).u32(0).get()); }, "'key' is of the unknown type 13"},
    {"TypeNegative", [] { return with_kv(Bytes().str("key").u32(0xffffffff).u32(0).get()); },
     "unknown type 4294967295"},
    {"StringLengthHuge", [] { return with_kv(Bytes().str("key").u32(8).u64(huge).get()); }, "9223372036854775808"},
    {"StringLengthMax", [] { return with_kv(Bytes().str("key").u32(8).u64(UINT64_MAX).get()); },
     "18446744073709551615"},
    {"BoolTwo", [] { return with_kv(Bytes().str("key").u32(7).u8(2).get()); }, "neither 0 nor 1"},
    {"BoolTwoInArray", [] { return with_kv(array(7, 3).u8(1).u8(0).u8(2).get()); }, "neither 0 nor 1"},
    {"ArrayOfArrays", [] { return with_kv(array(9, 1).u32(4).u64(1).u32(7).get()); }, "array of arrays"},
    {"ArrayTypeUnknown", [] { return with_kv(array(99, 1).u32(1).get()); }, "unknown type 99"},
    {"ArrayLengthHuge", [] { return with_kv(array(4, huge).get()); }, "9223372036854775808 elements"},
    {"ArrayBytesOverflow", [] { return with_kv(array(10, (uint64_t{1} << 61) + 1).u64(1).get()); },
     "elements of 8 bytes"},
    {"ArrayJustTooLong", [] { return with_kv(array(0, 400).get()); }, "400 elements"},
    {"ArrayOfStringsHuge", [] { return with_kv(array(8, huge).get()); }, "9223372036854775808 strings"},
    {"ArrayOfStringsOverflow", [] { return with_kv(array(8, uint64_t{1} << 61).str("x").get()); }, "strings"},
    {"ArrayStringLengthHuge", [] { return with_kv(array(8, 2).str("x").u64(huge).get()); }, "9223372036854775808"},

    {"AlignmentZero", [] { return with_alignment(0); }, "not a power of two"},
    {"AlignmentOdd", [] { return with_alignment(48); }, "general.alignment is 48"},
    {"AlignmentBeyondTheEnd", [] { return with_alignment(1U << 31); }, "2147483648"},
    {"AlignmentOfOtherType", [] { return with_kv(kv_str("general.alignment", "32")); }, "not a u32"},
    {"AlignmentAnArray", [] { return with_kv(Bytes().str("general.alignment").u32(9).u32(4).u64(1).u32(32).get()); },
     "not a u32"},

    {"NameTooLong", [] { return with_tensors({tensor(std::string(64, 'n'), {4}, 0, 0)}); }, "64 bytes"},
    {"NameLengthHuge", [] { return with_tensors({Bytes().u64(huge).raw("a").get()}); }, "9223372036854775808"},
    {"NameEmpty", [] { return with_tensors({tensor("", {4}, 0, 0)}); }, "name '' is empty"},
    {"NameWithZeroByte", [] { return with_tensors({tensor(std::string("a\0b", 3), {4}, 0, 0)}); },
     "'a?b' is empty or has a zero byte"},
    {"NameTwice",
     [] {
         return with_tensors({tensor("a", {4}, 0, 0), tensor("a", {4}, 0, 32)});
     },
     "two tensors 'a'"},
    {"FiveDimensions",
     [] {
         return with_tensors({tensor("a", {1, 1, 1, 1, 1}, 0, 0)});
     },
     "5 dimensions"},
    {"DimensionsHuge", [] { return with_tensors({Bytes().str("a").u32(0xffffffff).u64(1).get()}); },
     "4294967295 dimensions"},
    {"DimensionNegative",
     [] {
         return with_tensors({tensor("a", {4, UINT64_MAX}, 0, 0)});
     },
     "-1 elements in dimension 1"},
    {"ElementsOverflow",
     [] {
         return with_tensors({tensor("a", {1ULL << 32, 1ULL << 31}, 24, 0)});
     },
     "2^63"},
    {"ElementsOverflowToZero",
     [] {
         return with_tensors({tensor("a", {1ULL << 62, 4}, 24, 0)});
     },
     "2^63"},
    {"EmptyButOverflowing",
     [] {
         return with_tensors({tensor("a", {0, 1ULL << 62, 4}, 24, 0)});
     },
     "2^63"},
    {"BytesOverflow", [] { return with_tensors({tensor("a", {1ULL << 62}, 28, 0)}); }, "more than 2^63 bytes"},
    {"SumOverflow",
     [] {
         return with_tensors({tensor("a", {(1ULL << 62) - 64}, 24, 0),
                              tensor("b", {(1ULL << 62)}, 24, (1ULL << 62) - 64),
                              tensor("c", {4096}, 24, (1ULL << 63) - 64)});
     },
     "2^63 bytes"},
    {"TypeRemoved", [] { return with_tensors({tensor("a", {32}, 4, 0)}); }, "tensor 'a' is of ggml type 4"},
    {"TypeNotHere", [] { return with_tensors({tensor("a", {256}, 12, 0)}); }, "tensor 'a' is of ggml type 12"},
    {"TypeBeyond", [] { return with_tensors({tensor("a", {256}, 43, 0)}); }, "tensor 'a' is of ggml type 43"},
    {"TypeFarBeyond", [] { return with_tensors({tensor("a", {256}, 0x80000000, 0)}); }, "ggml type 2147483648"},
    {"RowNotOfBlocks", [] { return with_tensors({tensor("a", {33}, 8, 0)}); }, "33 elements, not a multiple of 32"},

    {"OffsetMisaligned", [] { return with_second_at(33); }, "'b' is not aligned"},
    {"OffsetOverlapping", [] { return with_second_at(0); }, "'b' overlaps"},
    {"OffsetGap", [] { return with_second_at(64); }, "'b' leaves a gap"},
    {"OffsetHuge", [] { return with_second_at(huge); }, "'b' leaves a gap"},
    {"OffsetWrapping", [] { return with_second_at(UINT64_MAX - 31); }, "'b' leaves a gap"},
    {"FirstOffsetNotZero", [] { return with_tensors({tensor("a", {4}, 0, 32)}); }, "'a' leaves a gap"},
    {"DataCutByOneByte", [] { return cut(9); }, "tensor data has 56 bytes, but only 55"},
    {"DataMissing", [] { return cut(good_parts().data.size()); }, "tensor data has 56 bytes, but only 0"},
    {"DataPaddingMissing", [] { return cut(good_parts().data.size() + 1); }, "ends before the tensor data"},
    {"TensorLargerThanTheFile", [] { return with_tensors({tensor("a", {1ULL << 60}, 24, 0)}); }, "1152921504606846976"},
};

size_t read_string(void * userdata, void * output, uint64_t offset, size_t len) {
    const auto * bytes = static_cast<const std::string *>(userdata);
    if (offset >= bytes->size()) {
        return 0;
    }
    const size_t n = std::min<size_t>(len, bytes->size() - offset);
    std::memcpy(output, bytes->data() + offset, n);
    return n;
}

void expect_one_line(const LogCapture & log, const std::string & file, const std::string & message) {
    ASSERT_EQ(log.errors.size(), 1U);
    const std::string & line = log.errors[0];
    EXPECT_NE(line.find("'" + file + "'"), std::string::npos) << line;
    EXPECT_NE(line.find(message), std::string::npos) << line;
    EXPECT_EQ(std::count(line.begin(), line.end(), '\n'), 1) << line;
    EXPECT_EQ(line.back(), '\n');
}

class GgufCorruption : public testing::TestWithParam<Corruption> {};

} // namespace

TEST_P(GgufCorruption, InAFileGivesNullAndOneLineThatNamesIt) {
    const TempDir dir;
    const std::string path = dir.path("bad.gguf");
    write_bytes(path, GetParam().make());
    LogCapture log;
    const Loaded loaded = load_file(path);
    EXPECT_FALSE(loaded.gguf);
    EXPECT_FALSE(loaded.tensors);
    expect_one_line(log, path, GetParam().message);
}

TEST_P(GgufCorruption, InMemoryGivesNull) {
    // An allocation of exactly this size, so that a sanitizer sees a read beyond it
    const std::string bytes = GetParam().make();
    const std::vector<char> exact(bytes.begin(), bytes.end());
    ggml_context * tensors = nullptr;
    LogCapture log;
    const Gguf gguf(gguf_init_from_buffer(exact.empty() ? "" : exact.data(), exact.size(), {false, &tensors}));
    EXPECT_FALSE(gguf);
    EXPECT_EQ(tensors, nullptr);
    expect_one_line(log, "buffer", GetParam().message);
}

TEST_P(GgufCorruption, FromACallbackOfUnknownSizeTakesLittleMemory) {
    std::string bytes = GetParam().make();
    ggml_context * tensors = nullptr;
    LogCapture log;
    AllocationPeak peak;
    const Gguf gguf(gguf_init_from_callback(read_string, &bytes, 0, UINT64_MAX, {false, &tensors}));
    EXPECT_FALSE(gguf);
    EXPECT_EQ(tensors, nullptr);
    EXPECT_EQ(log.errors.size(), 1U);
    // A piece of reading is a megabyte.
    EXPECT_LE(peak.largest(), (size_t{2} << 20) + 16 * bytes.size());
}

INSTANTIATE_TEST_SUITE_P(All, GgufCorruption, testing::ValuesIn(corruptions),
                         [](const testing::TestParamInfo<Corruption> & info) { return info.param.name; });

TEST(GgufCorruptionBasis, TheUncorruptedFileIsRead) {
    const Loaded loaded = load_bytes(good_parts().build());
    ASSERT_TRUE(loaded.gguf && loaded.tensors);
    EXPECT_EQ(gguf_get_val_u32(loaded.gguf.get(), 0), 42U);
}

TEST(GgufCorruptionBasis, RefusesAFileThatEndsTooEarly) {
    const std::string whole = good_parts().build();
    for (size_t n = 0; n < whole.size() - 8; n++) {
        LogCapture log;
        EXPECT_FALSE(load_bytes(whole.substr(0, n)).gguf) << n;
        EXPECT_EQ(log.errors.size(), 1U) << n;
    }
}

TEST(GgufCorruptionBasis, TakesNoMoreMemoryThanTheFileIsLarge) {
    // A megabyte of zero bytes where 2^40 strings are announced
    FileParts parts;
    parts.kv = {Bytes().str("strings").u32(9).u32(8).u64(1 << 17).zeros(1 << 20).get()};
    parts.n_kv = 2;
    const std::string bytes = parts.build();
    LogCapture log;
    const AllocationPeak peak;
    EXPECT_FALSE(load_bytes(bytes).gguf);
    EXPECT_LE(peak.largest(), 16 * bytes.size());
}

TEST(GgufCorruptionBasis, MessagesShowNamesShortAndPrintable) {
    LogCapture log;
    const std::string key = "\x1b[31m\r\n" + std::string(300, 'k');
    EXPECT_FALSE(load_bytes(with_kv(Bytes().str(key).u32(77).get())).gguf);
    ASSERT_EQ(log.errors.size(), 1U);
    EXPECT_EQ(log.errors[0].find('\x1b'), std::string::npos);
    EXPECT_EQ(log.errors[0].find('\r'), std::string::npos);
    EXPECT_LT(log.errors[0].size(), 250U);
}

TEST(GgufCorruptionBasis, ThingsThatAreNoFileAreRefused) {
    const TempDir dir;
    for (const std::string & path : {dir.path("missing"), dir.path("."), std::string("/dev/zero"), std::string()}) {
        LogCapture log;
        EXPECT_FALSE(load_file(path).gguf) << path;
        ASSERT_EQ(log.errors.size(), 1U) << path;
        EXPECT_NE(log.errors[0].find("'" + path + "'"), std::string::npos) << log.errors[0];
    }
    LogCapture log;
    EXPECT_EQ(gguf_init_from_file(nullptr, {false, nullptr}), nullptr);
    EXPECT_EQ(gguf_init_from_file_ptr(nullptr, {false, nullptr}), nullptr);
    EXPECT_EQ(gguf_init_from_buffer(nullptr, 10, {false, nullptr}), nullptr);
    EXPECT_EQ(gguf_init_from_callback(nullptr, nullptr, 0, 10, {false, nullptr}), nullptr);
    EXPECT_EQ(log.errors.size(), 4U);
}
