// Whether it pays to part pairs.

#include <gtest/gtest.h>

#include <optional>
#include <string>

#include "experts/parting_trial.h"

namespace ggml_sched::test {
namespace {

constexpr int64_t kPairs = 8;

// Runs by how they were computed
struct Ran {
    int parted = 0;
    int whole = 0;
    std::string said;
};

// Allocates so many graphs, computes each so often, and tells these times.
Ran run(PartingTrial & trial, int n_graphs, int n_runs, double parted_us, double whole_us, int64_t n_pairs = kPairs,
        std::optional<double> saved_us = std::nullopt) {
    Ran ran;
    for (int graph = 0; graph < n_graphs; graph++) {
        const bool is_parted = trial.begin(n_pairs);
        for (int i = 0; i < n_runs; i++) {
            (is_parted ? ran.parted : ran.whole)++;
            ran.said += trial.note(n_pairs, is_parted, is_parted ? parted_us : whole_us, saved_us);
        }
    }
    return ran;
}

TEST(PartingTrial, ComparesTwoRunsOnceTheBanksAreFilled) {
    PartingTrial trial;
    EXPECT_EQ(run(trial, 32, 1, 500.0, 1000.0).whole, 0);
    EXPECT_EQ(run(trial, 2, 1, 500.0, 1000.0).whole, 2);
    EXPECT_EQ(run(trial, 1000, 1, 500.0, 1000.0).whole, 0);
    EXPECT_EQ(trial.n_off(), 0);
}

TEST(PartingTrial, IsRepeatedNowAndThen) {
    PartingTrial trial;
    const Ran ran = run(trial, 10000, 1, 500.0, 1000.0);
    EXPECT_GE(ran.whole, 16);
    EXPECT_LE(ran.whole, 22);
}

TEST(PartingTrial, EndsThePartingAfterTwoLosses) {
    PartingTrial trial;
    const Ran ran = run(trial, 1000, 1, 1100.0, 1000.0);
    EXPECT_EQ(ran.parted, 64);
    EXPECT_EQ(ran.said, "a run took 1.100000 ms with banks of experts and 1.000000 ms without, so graphs are no "
                        "longer parted that have 8 pairs of a token and an expert; GGML_SCHED_EXPERT_MISSES=none uses "
                        "the memory for whole layers");
    EXPECT_EQ(trial.n_off(), 1);
    EXPECT_FALSE(trial.begin(kPairs));
}

TEST(PartingTrial, ForgivesALossThatIsFollowedByAWin) {
    PartingTrial trial;
    run(trial, 34, 1, 1100.0, 1000.0);
    EXPECT_EQ(run(trial, 34, 1, 500.0, 1000.0).parted, 32);
    EXPECT_EQ(run(trial, 1026, 1, 1100.0, 1000.0).said, "");
    EXPECT_TRUE(trial.begin(kPairs)) << "the loss before does not count any more";
}

TEST(PartingTrial, IsOneForEachNumberOfPairs) {
    PartingTrial trial;
    run(trial, 100, 1, 1100.0, 1000.0, 64);
    EXPECT_FALSE(trial.begin(64));
    EXPECT_TRUE(trial.begin(kPairs));
}

TEST(PartingTrial, CountsTheUploadsOfTheLastRuns) {
    PartingTrial trial;
    run(trial, 24, 1, 5000.0, 0.0); // while banks fill
    run(trial, 8, 1, 900.0, 0.0);
    EXPECT_FALSE(trial.begin(kPairs));
    EXPECT_EQ(trial.note(kPairs, false, 9000.0, {}), "") << "with the allocation";
    EXPECT_EQ(trial.note(kPairs, false, 1000.0, {}), "");
    EXPECT_EQ(run(trial, 500, 1, 900.0, 1000.0).parted, 500) << "the trial was won";
    for (int i = 0; i < 524; i++) { // one run in four uploads much
        trial.begin(kPairs);
        trial.note(kPairs, true, i % 4 == 0 ? 3000.0 : 500.0, {});
    }
    EXPECT_FALSE(trial.begin(kPairs));
    trial.note(kPairs, false, 1000.0, {});
    trial.note(kPairs, false, 1000.0, {});
    EXPECT_EQ(run(trial, 40, 1, 3000.0, 1000.0).parted, 32) << "the mean was more than 1000";
}

TEST(PartingTrial, IsNoneForGraphsThatAreKept) {
    PartingTrial trial;
    for (int i = 0; i < 10; i++) {
        const Ran ran = run(trial, 1, 256, 1100.0, 1000.0);
        EXPECT_EQ(ran.parted, 256);
        EXPECT_EQ(ran.said, "");
        run(trial, 1, 1, 10.0, 10.0, 512); // a prompt
    }
    EXPECT_EQ(trial.n_off(), 0);
}

TEST(PartingTrial, EndsAfterTwoRunsThoughTheGraphStays) {
    PartingTrial trial;
    run(trial, 32, 1, 100.0, 300.0);
    const Ran ran = run(trial, 1, 256, 100.0, 300.0);
    EXPECT_EQ(ran.whole, 256) << "nobody knew that this graph would be kept";
    EXPECT_EQ(ran.said, "");
    EXPECT_EQ(trial.n_off(), 0);
    EXPECT_EQ(run(trial, 100, 256, 100.0, 300.0).whole, 0);
}

TEST(PartingTrial, EndsThePartingOfKeptGraphsThatSaveTooLittle) {
    PartingTrial trial;
    const Ran ran = run(trial, 4, 256, 1000.0, 1000.0, kPairs, 20.0);
    EXPECT_EQ(ran.parted, 768) << "twice 256 runs, less the first ones, and what was left of a graph";
    EXPECT_EQ(ran.said, "banks of experts have saved 2 % of the time of runs, which is probably less than they cost, "
                        "so graphs are no longer parted that have 8 pairs of a token and an expert; "
                        "GGML_SCHED_EXPERT_MISSES=none uses the memory for whole layers");
    EXPECT_EQ(trial.n_off(), 1);
}

TEST(PartingTrial, EndsThePartingOfBanksThatNobodyHits) {
    PartingTrial trial;
    EXPECT_NE(run(trial, 4, 256, 1000.0, 1000.0, kPairs, 0.0).said, "");
    EXPECT_EQ(trial.n_off(), 1);
}

TEST(PartingTrial, KeepsBanksThatSaveEnough) {
    PartingTrial trial;
    EXPECT_EQ(run(trial, 40, 256, 1000.0, 1000.0, kPairs, 60.0).said, "");
    EXPECT_EQ(trial.n_off(), 0);
}

TEST(PartingTrial, KeepsBanksWhoseFirstRunsHaveSavedLittle) {
    PartingTrial trial;
    run(trial, 1, 300, 1000.0, 1000.0, kPairs, 0.0);
    EXPECT_EQ(run(trial, 40, 256, 1000.0, 1000.0, kPairs, 500.0).said, "") << "one of two was lost";
    EXPECT_EQ(trial.n_off(), 0);
}

TEST(PartingTrial, KeepsBanksThatSaveEnoughNowAndThen) {
    PartingTrial trial;
    run(trial, 1, 4, 1000.0, 1000.0, kPairs, 0.0); // These runs say nothing: the graph may be a short one.
    for (int i = 0; i < 10; i++) {
        EXPECT_EQ(run(trial, 1, i == 0 ? 260 : 256, 1000.0, 1000.0, kPairs, i % 2 == 0 ? 0.0 : 500.0).said, "") << i;
    }
    EXPECT_EQ(trial.n_off(), 0);
    run(trial, 1, 256, 1000.0, 1000.0, kPairs, 0.0);
    EXPECT_EQ(trial.n_off(), 0);
    run(trial, 1, 256, 1000.0, 1000.0, kPairs, 0.0);
    EXPECT_EQ(trial.n_off(), 1);
}

TEST(PartingTrial, JudgesEachNumberOfPairsByItself) {
    PartingTrial trial;
    for (int i = 0; i < 4; i++) {
        run(trial, 1, 256, 1000.0, 1000.0, kPairs, 0.0);
        run(trial, 1, 256, 1000.0, 1000.0, 64, 500.0);
    }
    EXPECT_FALSE(trial.begin(kPairs));
    EXPECT_TRUE(trial.begin(64));
}

TEST(PartingTrial, DoesNotJudgeKeptGraphsBeforeTheCpuIsMeasured) {
    PartingTrial trial;
    EXPECT_EQ(run(trial, 40, 256, 1000.0, 1000.0).parted, 40 * 256);
    EXPECT_EQ(trial.n_off(), 0);
}

TEST(PartingTrial, DoesNotJudgeGraphsThatHaveTrials) {
    PartingTrial trial;
    EXPECT_EQ(run(trial, 1000, 1, 500.0, 1000.0, kPairs, 0.0).said, "") << "the trial has shown that it pays";
    EXPECT_EQ(trial.n_off(), 0);
}

} // namespace
} // namespace ggml_sched::test
