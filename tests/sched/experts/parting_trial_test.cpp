// Whether it pays to part pairs.

#include <gtest/gtest.h>

#include "experts/parting_trial.h"

namespace ggml_sched::test {
namespace {

// Runs that the trial has asked for
struct Ran {
    int parted = 0;
    int whole = 0;
    std::string said;
};

// Runs so often, and tells these times.
Ran run(PartingTrial & trial, int n_runs, double parted_us, double whole_us, int64_t n_pairs = 8) {
    Ran ran;
    for (int i = 0; i < n_runs; i++) {
        const bool is_parted = trial.parts(n_pairs);
        (is_parted ? ran.parted : ran.whole)++;
        ran.said += trial.note(n_pairs, is_parted, is_parted ? parted_us : whole_us);
    }
    return ran;
}

TEST(PartingTrial, ComparesTwoRunsOnceTheEntriesAreFilled) {
    PartingTrial trial;
    EXPECT_EQ(run(trial, 32, 500.0, 1000.0).whole, 0);
    EXPECT_EQ(run(trial, 2, 500.0, 1000.0).whole, 2);
    EXPECT_EQ(run(trial, 1000, 500.0, 1000.0).whole, 0);
    EXPECT_EQ(trial.n_off(), 0);
}

TEST(PartingTrial, IsRepeatedNowAndThen) {
    PartingTrial trial;
    const Ran ran = run(trial, 10000, 500.0, 1000.0);
    EXPECT_GE(ran.whole, 16);
    EXPECT_LE(ran.whole, 22);
}

TEST(PartingTrial, EndsThePartingAfterTwoLosses) {
    PartingTrial trial;
    const Ran ran = run(trial, 1000, 1100.0, 1000.0);
    EXPECT_EQ(ran.parted, 64);
    EXPECT_EQ(ran.said,
              "a run took 1.100000 ms with banks of experts and 1.000000 ms without, so the banks are not used "
              "for graphs with 8 pairs of a token and an expert");
    EXPECT_EQ(trial.n_off(), 1);
    EXPECT_FALSE(trial.parts(8));
}

TEST(PartingTrial, ForgivesALossThatIsFollowedByAWin) {
    PartingTrial trial;
    run(trial, 34, 1100.0, 1000.0);
    EXPECT_EQ(run(trial, 34, 500.0, 1000.0).parted, 32);
    EXPECT_EQ(run(trial, 1026, 1100.0, 1000.0).said, "");
    EXPECT_TRUE(trial.parts(8)) << "the loss before does not count any more";
}

TEST(PartingTrial, IsOneForEachNumberOfPairs) {
    PartingTrial trial;
    run(trial, 100, 1100.0, 1000.0, 64);
    EXPECT_FALSE(trial.parts(64));
    EXPECT_TRUE(trial.parts(8));
}

TEST(PartingTrial, CountsTheShortestOfTheLastRuns) {
    PartingTrial trial;
    run(trial, 24, 100.0, 0.0); // while entries fill: they do not count
    run(trial, 4, 5000.0, 0.0); // the machine was disturbed
    run(trial, 4, 900.0, 0.0);
    EXPECT_EQ(trial.note(8, false, 9000.0), "") << "with the allocation";
    EXPECT_EQ(trial.note(8, false, 1000.0), "");
    EXPECT_EQ(run(trial, 500, 900.0, 1000.0).parted, 500) << "the trial was won";
}

} // namespace
} // namespace ggml_sched::test
