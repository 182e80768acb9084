// What a ring is known to hold, against a map of bytes.

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <random>

#include "stream/kept_weights.h"

namespace ggml_sched::test {
namespace {

using Parts = std::vector<bool>;

constexpr size_t kRing = 64;

TEST(KeptWeights, LeaveOutThePartsThatAreThere) {
    std::array<char, kRing> ring = {};
    const std::array<char, 3> host = {};
    KeptWeights kept;
    Parts parts = {true, false, true, false};
    kept.add({&ring[8], &host[0], 16, 4}, parts);
    EXPECT_EQ(parts, (Parts{true, false, true, false}));
    parts = {true, true, false, false};
    kept.add({&ring[8], &host[0], 16, 4}, parts);
    EXPECT_EQ(parts, (Parts{false, true, false, false}));
    parts = {true, true, true, true};
    kept.add({&ring[8], &host[0], 16, 4}, parts);
    EXPECT_EQ(parts, (Parts{false, false, false, true}));
    kept.forget();
    parts = {true, false, false, false};
    kept.add({&ring[8], &host[0], 16, 4}, parts);
    EXPECT_EQ(parts, (Parts{true, false, false, false}));
}

TEST(KeptWeights, AreNotMistakenForOthersInTheirPlace) {
    std::array<char, kRing> ring = {};
    const std::array<char, 3> host = {};
    KeptWeights kept;
    const auto is_sent = [&](const char * dst, const char * src, size_t bytes) {
        Parts parts = {true};
        kept.add({dst, src, bytes, 1}, parts);
        return static_cast<bool>(parts[0]);
    };
    EXPECT_TRUE(is_sent(&ring[8], &host[0], 16));
    EXPECT_FALSE(is_sent(&ring[8], &host[0], 16));
    EXPECT_TRUE(is_sent(&ring[8], &host[1], 16)) << "another weight";
    EXPECT_TRUE(is_sent(&ring[8], &host[0], 16)) << "which has overwritten it";
    EXPECT_TRUE(is_sent(&ring[8], &host[0], 12)) << "of another size";
    EXPECT_TRUE(is_sent(&ring[0], &host[2], 9)) << "beside it, but for one byte";
    EXPECT_TRUE(is_sent(&ring[8], &host[0], 12));
    EXPECT_TRUE(is_sent(&ring[20], &host[2], 4)) << "beside it";
    EXPECT_FALSE(is_sent(&ring[8], &host[0], 12));
    kept.overwrite(&ring[19], 1);
    EXPECT_TRUE(is_sent(&ring[8], &host[0], 12)) << "by something that is no weight";
}

TEST(KeptWeights, AreWhatAMapOfBytesSays) {
    constexpr size_t kWeights = 8;
    const std::array<char, kWeights> host = {};
    std::array<char, kRing> ring = {};
    for (uint32_t seed = 0; seed < 200; seed++) {
        SCOPED_TRACE("seed " + std::to_string(seed));
        std::mt19937 random(seed);
        KeptWeights kept;
        std::array<int, kRing> holder = {}; // by byte: which weight, at which begin
        for (int i = 0; i < 300; i++) {
            if (random() % 8 == 0) {
                const size_t bytes = 1 + random() % 16;
                const size_t begin = random() % (kRing - bytes);
                kept.overwrite(&ring[begin], bytes);
                std::fill_n(holder.begin() + static_cast<ptrdiff_t>(begin), bytes, 0);
                continue;
            }
            const size_t weight = random() % kWeights;
            const size_t bytes = 4 + weight; // always the same for a weight
            const size_t begin = random() % 4 == 0 ? random() % (kRing - bytes) : weight * (kRing - bytes) / kWeights;
            const int mark = static_cast<int>(1 + weight * kRing + begin);
            bool there = true;
            for (size_t at = begin; at < begin + bytes; at++) {
                there = there && holder[at] == mark;
                holder[at] = mark;
            }
            Parts parts = {true};
            kept.add({&ring[begin], &host[weight], bytes, 1}, parts);
            ASSERT_EQ(!parts[0], there) << "copy " << i;
        }
    }
}

} // namespace
} // namespace ggml_sched::test
