// Ranges of a buffer: the smallest free one that fits is taken, and none is lost.

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

#include "alloc/range_allocator.h"

namespace ggml_sched::test {
namespace {

Range allocate(RangeAllocator & ranges, size_t size) {
    Range range;
    EXPECT_TRUE(ranges.allocate(size, range)) << size;
    EXPECT_EQ(range.size, size);
    return range;
}

TEST(RangesOfABuffer, AreTheSmallestFreeOnesThatFit) {
    RangeAllocator ranges;
    ranges.reset(SIZE_MAX);
    const Range large = allocate(ranges, 300);
    allocate(ranges, 10);
    const Range small = allocate(ranges, 100);
    allocate(ranges, 10);
    ranges.release(large);
    ranges.release(small);
    EXPECT_EQ(allocate(ranges, 80).offset, small.offset);
    EXPECT_EQ(allocate(ranges, 80).offset, large.offset);
    EXPECT_EQ(allocate(ranges, 220).offset, large.offset + 80);
    EXPECT_EQ(allocate(ranges, 20).offset, small.offset + 80) << "the rest of it";
    EXPECT_EQ(ranges.peaks(), std::vector<size_t>{420});
}

TEST(RangesOfABuffer, AreJoinedWhenTheyTouch) {
    RangeAllocator ranges;
    for (const auto & order : {std::array<int, 3>{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}}) {
        ranges.reset(SIZE_MAX);
        std::array<Range, 3> three;
        for (Range & range : three) {
            range = allocate(ranges, 64);
        }
        allocate(ranges, 64);
        for (const int i : order) {
            ranges.release(three[i]);
        }
        EXPECT_EQ(allocate(ranges, 192).offset, 0u);
    }
}

TEST(RangesOfABuffer, AtItsEndMakeItShorterAgain) {
    RangeAllocator ranges;
    ranges.reset(SIZE_MAX);
    const Range first = allocate(ranges, 64);
    const Range second = allocate(ranges, 64);
    ranges.release(first);
    ranges.release(second);
    EXPECT_EQ(allocate(ranges, 128).offset, 0u);
    EXPECT_EQ(ranges.peaks(), std::vector<size_t>{128});
}

TEST(RangesOfABuffer, BeginAnotherOneWhereItMayNotBeLarger) {
    RangeAllocator ranges;
    ranges.reset(100);
    EXPECT_EQ(allocate(ranges, 60).part, 0u);
    const Range second = allocate(ranges, 60);
    EXPECT_EQ(second.part, 1u);
    EXPECT_EQ(second.offset, 0u);
    EXPECT_EQ(allocate(ranges, 40).part, 0u) << "there is room left";
    EXPECT_EQ(allocate(ranges, 150).part, 2u) << "too large for any, so it has one of its own";
    EXPECT_EQ(allocate(ranges, 50).part, 3u) << "and shares it with nobody";
    ranges.release(second);
    EXPECT_EQ(allocate(ranges, 100).part, 1u);
    EXPECT_EQ(ranges.peaks(), (std::vector<size_t>{100, 100, 150, 50}));
}

TEST(RangesOfABuffer, OfNoBytesOrTooManyAreNoTrouble) {
    RangeAllocator ranges;
    ranges.reset(SIZE_MAX);
    Range range;
    EXPECT_FALSE(ranges.allocate(SIZE_MAX, range));
    EXPECT_FALSE(ranges.allocate(size_t{1} << 63, range));
    ranges.release(allocate(ranges, 0));
    EXPECT_EQ(ranges.peaks(), std::vector<size_t>{0}) << "the empty range is in a buffer, too";
    allocate(ranges, PTRDIFF_MAX);
    EXPECT_EQ(allocate(ranges, 1).part, 1u) << "sums do not overflow";
}

TEST(RangesOfABuffer, NeverOverlapAndAreNeverLost) {
    for (uint64_t seed = 1; seed <= 200; seed++) {
        SCOPED_TRACE("seed " + std::to_string(seed));
        std::mt19937_64 random(seed);
        RangeAllocator ranges;
        const size_t max_part = seed % 3 == 0 ? 500 : SIZE_MAX;
        ranges.reset(max_part);
        std::vector<Range> live;
        for (int step = 0; step < 300; step++) {
            if (!live.empty() && random() % 2 == 0) {
                std::swap(live[random() % live.size()], live.back());
                Range & range = live.back();
                const size_t kept = random() % 4 == 0 ? random() % range.size : 0;
                ranges.release({range.part, range.offset + kept, range.size - kept});
                range.size = kept;
                if (kept == 0) {
                    live.pop_back();
                }
                continue;
            }
            const Range range = allocate(ranges, 1 + random() % 200);
            ASSERT_LE(range.offset + range.size, ranges.peaks()[range.part]);
            ASSERT_LE(range.offset + range.size, max_part);
            for (const Range & other : live) {
                ASSERT_TRUE(range.part != other.part || range.offset + range.size <= other.offset ||
                            other.offset + other.size <= range.offset)
                    << "step " << step;
            }
            live.push_back(range);
        }
        for (const Range & range : live) {
            ranges.release(range);
        }
        const std::vector<size_t> before = ranges.peaks();
        for (size_t part = 0; part < before.size(); part++) {
            EXPECT_EQ(allocate(ranges, before[part]).size, before[part]);
        }
        EXPECT_EQ(ranges.peaks(), before) << "everything was free";
    }
}

} // namespace
} // namespace ggml_sched::test
