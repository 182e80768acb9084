// Ranges whose lifetimes are all known: what lives at the same time is kept apart, in little memory.

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <string>
#include <vector>

#include "alloc/compaction.h"

namespace ggml_sched::test {
namespace {

size_t most_live(const std::vector<LivingRange> & ranges) {
    size_t most = 0;
    for (const LivingRange & moment : ranges) {
        size_t live = 0;
        for (const LivingRange & range : ranges) {
            live += range.born <= moment.born && moment.born < range.died ? range.size : 0;
        }
        most = std::max(most, live);
    }
    return most;
}

void expect_apart(const std::vector<LivingRange> & ranges, size_t end, const std::string & what) {
    for (size_t i = 0; i < ranges.size(); i++) {
        const LivingRange & a = ranges[i];
        ASSERT_LE(a.offset + a.size, end) << what;
        for (size_t j = 0; j < i; j++) {
            const LivingRange & b = ranges[j];
            const bool together = a.born < b.died && b.born < a.died;
            const bool overlap = a.offset < b.offset + b.size && b.offset < a.offset + a.size;
            ASSERT_FALSE(together && overlap && a.size > 0 && b.size > 0) << what << ": ranges " << j << ", " << i;
        }
    }
}

TEST(CompactedRanges, LeaveNoHoleBelowTheLargestOne) {
    // A small result is placed behind a large one that dies, and lives until the largest of all.
    std::vector<LivingRange> ranges = {{0, 32, 0, 2}, {32, 4, 1, 4}, {36, 300, 3, INT32_MAX}};
    EXPECT_EQ(compact(ranges), 304U);
    expect_apart(ranges, 304, "directed");
}

TEST(CompactedRanges, MayBeNoneOrEmpty) {
    std::vector<LivingRange> ranges;
    EXPECT_EQ(compact(ranges), 0U);
    ranges = {{0, 0, 0, 1}, {0, 8, 0, 3}, {0, 0, 1, INT32_MAX}};
    EXPECT_EQ(compact(ranges), 8U);
}

TEST(CompactedRanges, AreApartAndNearTheLeastThatIsPossible) {
    const uint64_t seed = std::random_device{}();
    std::mt19937_64 random(seed);
    size_t total = 0;
    size_t least = 0;
    for (int round = 0; round < 300; round++) {
        std::vector<LivingRange> ranges;
        for (int32_t i = 0; i < 60; i++) {
            const size_t size = random() % 4 == 0 ? random() % 1000 : random() % 40;
            const auto life = static_cast<int32_t>(1 + random() % (random() % 5 == 0 ? 40 : 5));
            ranges.push_back({0, size, i, random() % 20 == 0 ? INT32_MAX : i + life});
        }
        const size_t end = compact(ranges);
        const std::string what = "seed " + std::to_string(seed) + ", round " + std::to_string(round);
        expect_apart(ranges, end, what);
        ASSERT_GE(end, most_live(ranges)) << what;
        total += end;
        least += most_live(ranges);
    }
    EXPECT_LT(total, least + least / 20) << "seed " << seed;
}

} // namespace
} // namespace ggml_sched::test
