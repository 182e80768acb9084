// Where streamed weights lie in their ring.

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "stream/layout.h"

namespace ggml_sched::test {
namespace {

std::vector<StreamSlot> slots_of(const std::vector<size_t> & sizes) {
    std::vector<StreamSlot> slots;
    for (size_t i = 0; i < sizes.size(); i++) {
        slots.push_back({static_cast<uint32_t>(i), static_cast<int32_t>(i), 0, sizes[i]});
    }
    return slots;
}

TEST(StreamLayout, WaitsForTheLastUseOfTheBytes) {
    std::vector<StreamSlot> slots = slots_of({3, 3, 3, 3, 3});
    ASSERT_TRUE(lay_out(slots, 7)); // two fit; the third takes the place of the first
    const std::vector<size_t> offsets = {0, 3, 0, 3, 0};
    const std::vector<int32_t> free_after = {kBeforeTheRun, kBeforeTheRun, 0, 1, 2};
    for (size_t i = 0; i < slots.size(); i++) {
        EXPECT_EQ(slots[i].offset, offsets[i]) << i;
        EXPECT_EQ(slots[i].free_after, free_after[i]) << i;
    }
}

TEST(StreamLayout, RefusesASplitThatNeedsMoreThanTheRing) {
    std::vector<StreamSlot> slots = slots_of({3, 3, 3});
    for (StreamSlot & slot : slots) {
        slot.split = 0;
    }
    EXPECT_FALSE(lay_out(slots, 8));
    EXPECT_TRUE(lay_out(slots, 9));
    std::vector<StreamSlot> large = slots_of({10});
    EXPECT_FALSE(lay_out(large, 9));
}

TEST(StreamLayout, MakesLapsOfAboutTheSameLength) {
    EXPECT_EQ(ring_size(slots_of({10, 10, 10}), 100), 30U); // all of it
    EXPECT_EQ(ring_size({}, 100), 0U);
    const std::vector<StreamSlot> slots = slots_of(std::vector<size_t>(11, 10));
    const size_t ring = ring_size(slots, 100); // not one lap of 100 and one of 10
    EXPECT_LE(ring, 70U);
    EXPECT_GE(ring, 55U);
}

// Whatever the order in which they are copied: caches may be copied behind weights that are needed later.
TEST(StreamLayout, NeverLetsTwoWeightsShareBytesWhileBothAreNeeded) {
    for (uint32_t seed = 1; seed <= 300; seed++) {
        SCOPED_TRACE("seed " + std::to_string(seed));
        std::mt19937 random(seed);
        std::vector<size_t> sizes(1 + random() % 60);
        std::generate(sizes.begin(), sizes.end(), [&] { return 1 + random() % 40; });
        std::vector<StreamSlot> slots = slots_of(sizes);
        const size_t ring = ring_size(slots, 80 + random() % 200);
        ASSERT_TRUE(lay_out(slots, ring));
        for (size_t later = 0; later < slots.size(); later++) {
            const StreamSlot & slot = slots[later];
            ASSERT_LE(slot.offset + slot.size, ring);
            ASSERT_LT(slot.free_after, slot.split);
            for (size_t before = 0; before < later; before++) {
                const StreamSlot & other = slots[before];
                const bool overlap = other.offset < slot.offset + slot.size && slot.offset < other.offset + other.size;
                ASSERT_TRUE(!overlap || slot.free_after >= other.split) << before << " and " << later;
            }
        }
    }
}

} // namespace
} // namespace ggml_sched::test
