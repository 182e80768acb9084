// Which uploads of experts that replace others are worth their time.

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "experts/promotion_budget.h"
#include "host/tuning.h"

namespace ggml_sched::test {
namespace {

constexpr double kRunUs = 1000.0;
constexpr double kUploadUs = 700.0;
constexpr double kCpuUs = 50.0;

// Makes as many uploads as it may for so many runs. Returns the time of all uploads.
double spend(PromotionBudget & budget, int n_runs, double saved_us) {
    double spent_us = 0.0;
    for (int i = 0; i < n_runs; i++) {
        const auto n = std::min<size_t>(budget.limits_of(kUploadUs, kCpuUs).most_replaced, 8);
        budget.take(static_cast<double>(n) * kUploadUs);
        spent_us += static_cast<double>(n) * kUploadUs;
        budget.note_run(kRunUs, saved_us);
    }
    return spent_us;
}

TEST(PromotionBudget, HasNoLimitsUntilTheCpuIsMeasured) {
    const PromotionLimits limits = PromotionBudget().limits_of(kUploadUs, 0.0);
    EXPECT_EQ(limits.most_replaced, SIZE_MAX);
    EXPECT_EQ(limits.least_gain, 0.0);
}

TEST(PromotionBudget, LetsUploadsTakeAPartOfWhatEntriesHaveSaved) {
    PromotionBudget budget;
    constexpr double kSavedUs = 600.0;
    const double expected = 1000 * (kSavedUs * Tuning::kSavedForPromotions + kRunUs * Tuning::kRunForPromotions);
    EXPECT_NEAR(spend(budget, 1000, kSavedUs), expected, kUploadUs);
}

TEST(PromotionBudget, RenewsABankThatNobodyHits) {
    PromotionBudget budget;
    const double spent_us = spend(budget, 1000, 0.0);
    EXPECT_GT(spent_us, 0.0);
    EXPECT_NEAR(spent_us, 1000 * kRunUs * Tuning::kRunForPromotions, kUploadUs);
}

TEST(PromotionBudget, KeepsTheTimeOfSomeRunsForANewTopic) {
    PromotionBudget budget;
    for (int i = 0; i < 1000000; i++) {
        budget.note_run(kRunUs, kRunUs);
    }
    const double kept_us = static_cast<double>(budget.limits_of(kUploadUs, kCpuUs).most_replaced) * kUploadUs;
    EXPECT_NEAR(kept_us, Tuning::kMostRunsOfPromotions * kRunUs, kUploadUs);
}

TEST(PromotionBudget, WantsAnUploadToPaySoon) {
    const PromotionBudget budget;
    // An expert that each run chooses saves the time of its upload after 14 runs. So it needs 14 of 96 parts of its
    // score.
    const double score = 1.0 / (1.0 - std::exp2(-1.0 / Tuning::kExpertHalfLife));
    EXPECT_NEAR(budget.limits_of(kUploadUs, kCpuUs).least_gain, score * 14 / Tuning::kRunsToPayUpload, 1e-9);
    EXPECT_GT(budget.limits_of(2 * kUploadUs, kCpuUs).least_gain, budget.limits_of(kUploadUs, kCpuUs).least_gain);
    EXPECT_GT(budget.limits_of(kUploadUs, kCpuUs / 2).least_gain, budget.limits_of(kUploadUs, kCpuUs).least_gain);
}

} // namespace
} // namespace ggml_sched::test
