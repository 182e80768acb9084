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
    return {compute_us + share * kAll, share * kAll, kAll, slots};
}

void measure(ExpertChoice & gate, const ExpertBatch & batch, double compute_us, double share,
             double slots = kManySlots) {
    for (int i = 0; i < kFirstRuns; i++) {
        gate.note_by_ids(batch, run(compute_us, share, slots));
    }
}

TEST(ExpertChoice, GoesByTheIdsUntilItHasMeasuredAFewRuns) {
    ExpertChoice gate;
    for (int i = 0; i < kFirstRuns; i++) {
        EXPECT_FALSE(gate.streams_whole(kLarge));
        gate.note_by_ids(kLarge, run(kAll, 0.9));
    }
    EXPECT_TRUE(gate.streams_whole(kLarge));
}

TEST(ExpertChoice, IsNotMisledByRunsThatWereDisturbed) {
    ExpertChoice gate;
    gate.note_by_ids(kSmall, run(900000, 0.3)); // also pays for what devices do once
    gate.note_by_ids(kSmall, run(30000, 0.3));
    gate.note_by_ids(kSmall, run(400000, 0.3));
    gate.note_by_ids(kSmall, run(500000, 0.3));
    EXPECT_FALSE(gate.streams_whole(kSmall)) << gate.text_of(kSmall);
}

TEST(ExpertChoice, SendsAllWhereTheLongerOfBothTimesIsLessThanTheSum) {
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
        ExpertChoice gate;
        measure(gate, kLarge, c.compute_us, c.share);
        EXPECT_EQ(gate.streams_whole(kLarge), c.whole) << c.compute_us << " us, share " << c.share;
        EXPECT_NE(gate.text_of(kLarge).find(c.whole ? "streamed whole" : "by the ids"), std::string::npos);
    }
}

TEST(ExpertChoice, ExpectsLittleOfARingOfFewSlots) {
    for (const auto & [slots, whole] : {std::pair(2.0, false), {3.0, false}, {5.0, true}, {20.0, true}}) {
        ExpertChoice gate;
        measure(gate, kLarge, 110000, 0.6, slots); // by the ids 200; whole 260, 205, 178, 156
        EXPECT_EQ(gate.streams_whole(kLarge), whole) << slots << " slots";
    }
}

TEST(ExpertChoice, TellsBatchesOfOtherSizesApart) {
    ExpertChoice gate;
    measure(gate, kLarge, 100000, 0.8);
    measure(gate, kSmall, 30000, 0.3);
    EXPECT_TRUE(gate.streams_whole(kLarge));
    EXPECT_TRUE(gate.streams_whole({128, 8, 2000})); // about as many
    EXPECT_FALSE(gate.streams_whole(kSmall));
    EXPECT_FALSE(gate.streams_whole({128, 4, 2048}));
    EXPECT_FALSE(gate.streams_whole({64, 8, 2048}));
}

TEST(ExpertChoice, MeasuresAgainNowAndThen) {
    ExpertChoice gate;
    measure(gate, kLarge, 100000, 0.8);
    int n_whole = 0;
    while (gate.streams_whole(kLarge) && n_whole < 1000) {
        gate.note_whole(kLarge);
        n_whole++;
    }
    EXPECT_GE(n_whole, 32);
    EXPECT_LE(n_whole, 128);
    gate.note_by_ids(kLarge, run(20000, 0.2)); // the text has changed
    EXPECT_FALSE(gate.streams_whole(kLarge));
}

TEST(ExpertChoice, SaysWhenItsAnswerChanges) {
    ExpertChoice gate;
    for (int i = 1; i < kFirstRuns; i++) {
        EXPECT_FALSE(gate.note_by_ids(kLarge, run(100000, 0.8)));
    }
    EXPECT_TRUE(gate.note_by_ids(kLarge, run(100000, 0.8)));
    EXPECT_TRUE(gate.note_by_ids(kLarge, run(10, 0.1)));
}

} // namespace
} // namespace ggml_sched::test
