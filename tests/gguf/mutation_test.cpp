// Valid files with random changes and cuts: whatever comes, the reader gives a context that can be walked through and
// written again, or NULL and one line.

#include <gtest/gtest.h>

#include <cstdlib>
#include <random>

#include "gguf_exercise.h"
#include "gguf_support.h"

using namespace gguf_test;

namespace {

std::vector<std::string> seeds() {
    std::vector<std::string> files = {good_parts().build()};

    Gguf ctx(gguf_init_empty());
    const char * strings[] = {"", "one", "a longer string than fits into short ones"};
    const double numbers[] = {0.5, -1, 3};
    gguf_set_val_u32(ctx.get(), "general.alignment", 8);
    gguf_set_arr_str(ctx.get(), "tokens", strings, 3);
    gguf_set_arr_data(ctx.get(), "scores", GGUF_TYPE_FLOAT64, numbers, 3);
    gguf_set_arr_data(ctx.get(), "flags", GGUF_TYPE_BOOL, strings, 5);
    gguf_set_val_bool(ctx.get(), "bool", true);
    gguf_set_val_i64(ctx.get(), "i64", -5);
    files.push_back(to_bytes(ctx.get()));

    FileParts quantized;
    quantized.tensors = {tensor("q8", {32, 2}, 8, 0), tensor("q4", {64, 1, 3}, 2, 96), tensor("none", {0, 7}, 1, 224),
                         tensor("bf16", {5, 1, 1, 2}, 30, 224)};
    quantized.data = std::string(256, 'd');
    files.push_back(quantized.build());
    return files;
}

uint64_t pick_size(std::mt19937_64 & random) {
    const uint64_t special[] = {0,
                                1,
                                2,
                                7,
                                31,
                                32,
                                33,
                                64,
                                255,
                                1U << 16,
                                1ULL << 31,
                                1ULL << 32,
                                1ULL << 60,
                                1ULL << 61,
                                1ULL << 62,
                                1ULL << 63,
                                UINT64_MAX,
                                UINT64_MAX - 1,
                                UINT64_MAX - 31};
    return special[random() % std::size(special)] + random() % 3;
}

void change(std::string & bytes, std::mt19937_64 & random) {
    const size_t at = random() % bytes.size();
    switch (random() % 6) {
    case 0: bytes[at] = static_cast<char>(random()); break;
    case 1: bytes[at] = static_cast<char>(bytes[at] ^ 1 << random() % 8); break;
    case 2: {
        const uint64_t value = pick_size(random);
        std::memcpy(&bytes[at], &value, std::min<size_t>(random() % 2 ? 8 : 4, bytes.size() - at));
        break;
    }
    case 3: bytes.erase(at, 1 + random() % 16); break;
    case 4: bytes.insert(at, bytes.substr(random() % bytes.size(), 1 + random() % 32)); break;
    default: bytes[at] = static_cast<char>(bytes[at] + (random() % 2 ? 1 : -1)); break;
    }
}

} // namespace

TEST(GgufMutation, ChangedFilesAreReadOrRefused) {
    const char * given = std::getenv("GGUF_TEST_SEED");
    const uint64_t seed = given ? std::strtoull(given, nullptr, 10) : 20250607;
    RecordProperty("seed", std::to_string(seed));
    std::printf("GGUF_TEST_SEED=%llu\n", static_cast<unsigned long long>(seed));

    std::mt19937_64 random(seed);
    const std::vector<std::string> files = seeds();
    int n_read = 0;
    int n_refused = 0;
    for (int i = 0; i < 100000; i++) {
        std::string bytes = files[random() % files.size()];
        for (uint64_t n = random() % 4; n > 0 && !bytes.empty(); n--) {
            change(bytes, random);
        }
        if (random() % 4 == 0) {
            bytes.resize(random() % (bytes.size() + 1));
        }
        // An allocation of exactly this size, so that a sanitizer sees a read beyond it
        const std::vector<char> exact(bytes.begin(), bytes.end());
        LogCapture log;
        const bool read = exercise(exact.empty() ? "" : exact.data(), exact.size(), random() % 2 == 0);
        ASSERT_EQ(log.errors.size(), read ? 0U : 1U) << "variant " << i;
        (read ? n_read : n_refused)++;
    }
    // Both sides of the reader have been tried.
    EXPECT_GT(n_read, 8000);
    EXPECT_GT(n_refused, 40000);
}
