// Which way of streaming experts is taken, by what was measured.

#include <gtest/gtest.h>

#include "stream/expert_choice.h"

namespace ggml_sched::test {
namespace {

constexpr ExpertBatch kLarge = {128, 8, 2048};
constexpr ExpertBatch kSmall = {128, 8, 512};
constexpr int kFirstRuns = 4;   // by the ids, before anything else is tried
constexpr double kAll = 150000; // microseconds that copying all experts takes

constexpr double kManySlots = 1000;

ExpertChoice::Run run(double compute_us, double share, double slots = kManySlots) {
    return {compute_us + share * kAll, share * kAll, kAll, slots, true};
}

void measure(ExpertChoice & choice, const ExpertBatch & batch, double compute_us, double share,
             double slots = kManySlots) {
    for (int i = 0; i < kFirstRuns; i++) {
        choice.note_by_ids(batch, run(compute_us, share, slots));
    }
}

TEST(ExpertChoice, GoesByTheIdsUntilItHasMeasuredAFewRuns) {
    ExpertChoice choice;
    for (int i = 0; i < kFirstRuns; i++) {
        EXPECT_FALSE(choice.streams_whole(kLarge));
        choice.note_by_ids(kLarge, run(kAll, 0.9));
    }
    EXPECT_TRUE(choice.streams_whole(kLarge));
}

TEST(ExpertChoice, GoesByTheIdsWhereTheDeviceDoesNotCopyAndComputeAtTheSameTime) {
    ExpertChoice choice;
    for (int i = 0; i < 2 * kFirstRuns; i++) {
        ExpertChoice::Run alone = run(kAll, 0.9);
        alone.overlaps = false;
        choice.note_by_ids(kLarge, alone);
        EXPECT_FALSE(choice.streams_whole(kLarge));
    }
}

TEST(ExpertChoice, IsNotMisledByRunsThatWereDisturbed) {
    ExpertChoice choice;
    choice.note_by_ids(kSmall, run(900000, 0.3)); // also pays for what devices do once
    choice.note_by_ids(kSmall, run(30000, 0.3));
    choice.note_by_ids(kSmall, run(400000, 0.3));
    choice.note_by_ids(kSmall, run(500000, 0.3));
    EXPECT_FALSE(choice.streams_whole(kSmall)) << choice.text_of(kSmall);
}

TEST(ExpertChoice, SendsAllExpertsWhereOverlapIsFaster) {
    // compute, share -> whole?
    struct {
        double compute_us;
        double share;
        bool whole;
    } const cases[] = {
        {100000, 0.80, true},  // 150 < 220
        {110000, 0.42, true},  // 150 < 173
        {40000, 0.30, false},  // 150 > 85
        {40000, 0.72, false},  // 150 > 148
        {300000, 0.20, true},  // 300 < 330: computing hides all of it
        {300000, 0.01, false}, // 300 < 301.5, which is no difference
    };
    for (const auto & c : cases) {
        ExpertChoice choice;
        measure(choice, kLarge, c.compute_us, c.share);
        EXPECT_EQ(choice.streams_whole(kLarge), c.whole) << c.compute_us << " us, share " << c.share;
        EXPECT_NE(choice.text_of(kLarge).find(c.whole ? "streamed whole" : "by the ids"), std::string::npos);
    }
}

TEST(ExpertChoice, ExpectsLittleOfARingOfFewSlots) {
    for (const auto & [slots, whole] : {std::pair(2.0, false), {3.0, false}, {5.0, true}, {20.0, true}}) {
        ExpertChoice choice;
        measure(choice, kLarge, 110000, 0.6, slots); // by the ids 200; whole 260, 205, 178, 156
        EXPECT_EQ(choice.streams_whole(kLarge), whole) << slots << " slots";
    }
}

TEST(ExpertChoice, TellsBatchesOfOtherSizesApart) {
    ExpertChoice choice;
    measure(choice, kLarge, 100000, 0.8);
    measure(choice, kSmall, 30000, 0.3);
    EXPECT_TRUE(choice.streams_whole(kLarge));
    EXPECT_TRUE(choice.streams_whole({128, 8, 2000})); // about as many
    EXPECT_FALSE(choice.streams_whole(kSmall));
    EXPECT_FALSE(choice.streams_whole({128, 4, 2048}));
    EXPECT_FALSE(choice.streams_whole({64, 8, 2048}));
}

TEST(ExpertChoice, MeasuresAgainNowAndThen) {
    ExpertChoice choice;
    measure(choice, kLarge, 100000, 0.8);
    int n_whole = 0;
    while (choice.streams_whole(kLarge) && n_whole < 1000) {
        choice.note_whole(kLarge);
        n_whole++;
    }
    EXPECT_GE(n_whole, 32);
    EXPECT_LE(n_whole, 128);
    choice.note_by_ids(kLarge, run(20000, 0.2)); // the text has changed
    EXPECT_FALSE(choice.streams_whole(kLarge));
}

TEST(ExpertChoice, SaysWhenItsAnswerChanges) {
    ExpertChoice choice;
    for (int i = 1; i < kFirstRuns; i++) {
        EXPECT_FALSE(choice.note_by_ids(kLarge, run(100000, 0.8)));
    }
    EXPECT_TRUE(choice.note_by_ids(kLarge, run(100000, 0.8)));
    EXPECT_TRUE(choice.note_by_ids(kLarge, run(10, 0.1)));
}

} // namespace
} // namespace ggml_sched::test
