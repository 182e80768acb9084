// Which experts get an entry.

#include <gtest/gtest.h>

#include "experts/expert_residency.h"

namespace ggml_sched::test {
namespace {

// Notes the choices of a run, and returns how many experts got an entry.
size_t run(ExpertResidency & residency, std::initializer_list<int> experts) {
    residency.begin_run();
    for (const int expert : experts) {
        residency.note(expert);
    }
    residency.promote();
    return residency.promotions().size();
}

TEST(ExpertResidency, GivesFreeEntriesToTheFirstThatAreMissing) {
    ExpertResidency residency(8, 4);
    EXPECT_EQ(run(residency, {3, 5, 3}), 2U);
    EXPECT_EQ(run(residency, {1, 6, 7}), 2U) << "two entries were free, and no other is clearly better";
    EXPECT_NE(residency.entry_of(3), ExpertResidency::kNone);
    EXPECT_NE(residency.entry_of(5), ExpertResidency::kNone);
    for (int entry = 0; entry < 4; entry++) {
        EXPECT_EQ(residency.entry_of(residency.expert_in(entry)), entry);
    }
}

TEST(ExpertResidency, KeepsTheExpertsThatAreUsedMost) {
    ExpertResidency residency(16, 2);
    for (int i = 0; i < 20; i++) {
        run(residency, {0, 1, 2 + i % 14});
    }
    EXPECT_NE(residency.entry_of(0), ExpertResidency::kNone);
    EXPECT_NE(residency.entry_of(1), ExpertResidency::kNone);
}

TEST(ExpertResidency, ReplacesAnExpertOnceAnotherIsClearlyBetter) {
    ExpertResidency residency(8, 1);
    for (int i = 0; i < 4; i++) {
        run(residency, {0});
    }
    int n_runs = 0;
    while (residency.entry_of(1) == ExpertResidency::kNone && n_runs < 100) {
        run(residency, {1});
        n_runs++;
    }
    EXPECT_GT(n_runs, 3) << "one choice is not enough";
    EXPECT_LT(n_runs, 9) << "old choices count less and less";
    EXPECT_EQ(residency.entry_of(0), ExpertResidency::kNone);
}

TEST(ExpertResidency, DoesNotExchangeTwoThatAreUsedInTurn) {
    ExpertResidency residency(2, 1);
    size_t n_promotions = 0;
    for (int i = 0; i < 1000; i++) {
        n_promotions += run(residency, {i % 2});
    }
    EXPECT_EQ(n_promotions, 1U);
}

TEST(ExpertResidency, ReplacesAtMostTwoAfterARun) {
    ExpertResidency residency(16, 8);
    run(residency, {0, 1, 2, 3, 4, 5, 6, 7});
    size_t most = 0;
    for (int i = 0; i < 20; i++) {
        most = std::max(most, run(residency, {8, 9, 10, 11, 12, 13, 14, 15}));
    }
    EXPECT_EQ(most, 2U);
    for (int expert = 8; expert < 16; expert++) {
        EXPECT_NE(residency.entry_of(expert), ExpertResidency::kNone) << expert;
    }
}

TEST(ExpertResidency, FillsFreeEntriesIfNoneMayBeReplaced) {
    ExpertResidency residency(8, 2);
    PromotionLimits limits;
    limits.most_replaced = 0;
    for (int i = 0; i < 20; i++) {
        residency.begin_run();
        for (const int expert : {i < 2 ? i : 5, i < 2 ? i : 6}) {
            residency.note(expert);
        }
        EXPECT_EQ(residency.promote(limits), 0U);
    }
    EXPECT_NE(residency.entry_of(0), ExpertResidency::kNone);
    EXPECT_NE(residency.entry_of(1), ExpertResidency::kNone);
}

TEST(ExpertResidency, ReplacesAnExpertOnceAnotherGainsEnough) {
    for (const double least_gain : {0.0, 3.0, 6.0}) {
        ExpertResidency residency(8, 1);
        run(residency, {0});
        PromotionLimits limits;
        limits.least_gain = least_gain;
        int n_runs = 0;
        while (residency.entry_of(1) == ExpertResidency::kNone && n_runs < 100) {
            residency.begin_run();
            residency.note(1);
            const size_t n_replaced = residency.promote(limits);
            EXPECT_EQ(n_replaced, residency.promotions().size());
            n_runs++;
        }
        // The score of the other one is below 1 then.
        EXPECT_GE(n_runs, least_gain);
        EXPECT_LE(n_runs, least_gain + 4) << "choices count for 16 runs";
    }
}

TEST(ExpertResidency, CountsOnForMillionsOfRuns) {
    ExpertResidency residency(4, 2);
    for (int i = 0; i < 1000000; i++) {
        run(residency, {2, 3});
    }
    EXPECT_EQ(run(residency, {0}), 0U);
    EXPECT_NE(residency.entry_of(2), ExpertResidency::kNone);
    EXPECT_NE(residency.entry_of(3), ExpertResidency::kNone);
}

TEST(ExpertResidency, AdmitsInPlaceOfNoneThatTheRunUses) {
    ExpertResidency residency(8, 2);
    for (const auto & [a, b] : {std::pair<int, int>{0, 1}, {1, 2}, {2, 3}, {5, 2}}) {
        residency.begin_run();
        residency.note(a);
        residency.note(b);
        for (const int expert : {a, b}) {
            if (residency.entry_of(expert) == ExpertResidency::kNone) {
                residency.admit(expert);
            }
        }
        EXPECT_NE(residency.entry_of(a), ExpertResidency::kNone);
        EXPECT_NE(residency.entry_of(b), ExpertResidency::kNone);
    }
}

} // namespace
} // namespace ggml_sched::test
