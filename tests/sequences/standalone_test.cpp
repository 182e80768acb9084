// The sequences of sequences_test.cpp in a build of a real ggml with the drop-in, where there is no RapidCheck.
//
// GGML_SCHED_SEQUENCES="SEED COUNT" in the environment chooses others.

#include <gtest/gtest.h>

#include <cstdlib>
#include <sstream>

#include "host_system.h"
#include "isolated.h"
#include "sequence_gen.h"

namespace sequences {
namespace {

constexpr int kSizes = 100;

// The smallest sequence found that fails, too. Each one is tried in a process of its own.
Sequence smallest(Sequence sequence, const Checks & checks) {
    for (bool found = true; found;) {
        found = false;
        for (const Sequence & candidate : smaller(sequence)) {
            if (!run_isolated(candidate, checks).empty()) {
                sequence = candidate;
                found = true;
                break;
            }
        }
    }
    return sequence;
}

void expect_right(const GenOptions & options) {
    uint64_t seed = 1;
    int count = 2000;
    if (const char * chosen = std::getenv("GGML_SCHED_SEQUENCES")) {
        std::istringstream(chosen) >> seed >> count;
    }
    const bool forks = std::getenv("GGML_SCHED_SEQUENCES_FORK") != nullptr;
    Checks checks;
    checks.print = std::getenv("GGML_SCHED_SEQUENCES_PRINT") != nullptr;
    for (int i = 0; i < count; i++) {
        const Sequence sequence = make_sequence(options, seed * 1000003 + static_cast<uint64_t>(i), i % kSizes);
        const std::string wrong = forks ? run_isolated(sequence, checks) : run_sequence(sequence, checks);
        if (!wrong.empty()) {
            std::ostringstream text;
            const Sequence small = smallest(sequence, checks);
            showValue(small, text);
            FAIL() << text.str() << run_isolated(small, checks) << "\nseed " << seed << ", sequence " << i;
        }
    }
    std::printf("%d cases, seed %llu\n", count, static_cast<unsigned long long>(seed));
}

TEST(AnySequence, OnOneSchedulerIsRightOrRefused) {
    GenOptions options;
    options.max_scheds = 1;
    expect_right(options);
}

TEST(AnySequence, OnUpToThreeSchedulersIsRightOrRefused) {
    expect_right({});
}

} // namespace
} // namespace sequences

int main(int argc, char ** argv) {
    platform::set_env("GGML_SCHED", "ours");
    testing::InitGoogleTest(&argc, argv);
    return RUN_ALL_TESTS();
}
