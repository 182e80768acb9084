// How many missing experts are uploaded, and how many the CPU computes.

#include <gtest/gtest.h>

#include "experts/miss_share.h"
#include "host/tuning.h"

namespace ggml_sched::test {
namespace {

constexpr size_t kBytes = 1000;

// Returns a share after enough runs in which the CPU took `cpu_us`, and the link `link_us`, for one expert.
MissShare measured(double cpu_us, double link_us) {
    MissShare share(2);
    share.note_upload(0, link_us, kBytes);
    for (int i = 0; i < Tuning::kFirstRuns; i++) {
        share.note_cpu(cpu_us, kBytes);
    }
    return share;
}

TEST(MissShare, IsTheOneThatIsDoneFirst) {
    struct Case {
        double cpu_us;
        double link_us;
        std::vector<int> n_uploaded; // of no missing expert, one, two ...
    };
    const Case cases[] = {
        {100, 50, {0, 1, 1, 2, 3}},  // two uploads take as long as one expert on the CPU
        {100, 100, {0, 0, 1, 1, 2}}, // both alike
        {50, 100, {0, 0, 0, 1, 1}},  // the CPU is faster
        {10, 1000, {0, 0, 0, 0, 0}}, // a slow link
        {1000, 10, {0, 1, 2, 3, 4}}, // a slow CPU
    };
    for (const Case & c : cases) {
        const MissShare share = measured(c.cpu_us, c.link_us);
        for (size_t n = 0; n < c.n_uploaded.size(); n++) {
            EXPECT_EQ(share.n_uploaded(0, static_cast<int>(n)), c.n_uploaded[n]) << c.cpu_us << " " << c.link_us;
        }
    }
}

TEST(MissShare, IsThatOfTheCpuUntilBothAreMeasured) {
    MissShare share(2);
    share.note_upload(0, 1.0, kBytes);
    for (int i = 0; i < Tuning::kFirstRuns; i++) {
        EXPECT_EQ(share.n_uploaded(0, 8), 0);
        share.note_cpu(100.0, kBytes);
    }
    EXPECT_GT(share.n_uploaded(0, 8), 0);
    EXPECT_EQ(share.n_uploaded(1, 8), 0) << "nothing was uploaded to that device";
}

TEST(MissShare, TakesTheFastestUpload) {
    MissShare share = measured(100, 400);
    share.note_upload(0, 50, kBytes);
    share.note_upload(0, 800, kBytes);
    EXPECT_EQ(share.n_uploaded(0, 3), 2);
}

TEST(MissShare, IsMeasuredAgainAfterManyRunsWithoutTheCpu) {
    MissShare share = measured(1000, 10);
    for (int i = 0; i < Tuning::kMeasureEach; i++) {
        EXPECT_EQ(share.n_uploaded(0, 2), 2);
        share.note_cpu(0.0, 0);
    }
    EXPECT_EQ(share.n_uploaded(0, 2), 0);
    for (int i = 0; i < 100; i++) {
        share.note_cpu(1.0, kBytes); // The CPU has become faster.
    }
    EXPECT_EQ(share.n_uploaded(0, 2), 0);
}

TEST(MissShare, OfOneSlowRunChangesLittle) {
    MissShare share = measured(100, 100);
    share.note_cpu(200, kBytes);
    EXPECT_EQ(share.n_uploaded(0, 2), 1);
}

} // namespace
} // namespace ggml_sched::test
