// Whatever sequence of calls a program makes, the results are right, or a call says no and what to do; and after any
// error the next valid call is right. RC_PARAMS chooses other sequences (tests/property/property.h).
//
// GGML_SCHED_SEQUENCES_FORK=1 runs each sequence in a process of its own: then those that crash are made smaller, too.

#include <gtest/gtest.h>

#include <cstdlib>

#include "isolated.h"
#include "property.h"
#include "sequence_gen.h"

namespace sequences {
namespace {

rc::Gen<Sequence> sequences(const GenOptions & options) {
    return property::make_gen<Sequence>(
        [options](uint64_t seed, int size) { return make_sequence(options, seed, size); },
        [](const Sequence & sequence) { return rc::seq::fromContainer(smaller(sequence)); });
}

void expect_right(const GenOptions & options, int n_sequences) {
    Counts counts;
    Checks checks;
    checks.print = std::getenv("GGML_SCHED_SEQUENCES_PRINT") != nullptr;
    const bool forks = std::getenv("GGML_SCHED_SEQUENCES_FORK") != nullptr;
    property::expect_for_all(sequences(options), n_sequences, [&](const Sequence & sequence) {
        const std::string wrong = forks ? run_isolated(sequence, checks) : run_sequence(sequence, checks, &counts);
        if (!wrong.empty()) {
            ADD_FAILURE() << wrong;
        }
    });
    std::printf("%d runs, %d tensors compared; %d calls succeeded, %d were refused, %d were left out\n", counts.runs,
                counts.compared, counts.right, counts.refused, counts.left_out);
}

TEST(AnySequence, AsEnginesMakeItGivesTheRightResults) {
    GenOptions options;
    options.like_an_engine = true;
    expect_right(options, 4000);
}

TEST(AnySequence, OnOneSchedulerIsRightOrRefused) {
    GenOptions options;
    options.max_scheds = 1;
    expect_right(options, 8000);
}

TEST(AnySequence, OnUpToThreeSchedulersIsRightOrRefused) {
    expect_right({}, 8000);
}

} // namespace
} // namespace sequences
