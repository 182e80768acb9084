// The properties can fail, and say why in few lines: with the rule for a hazard switched off, a search finds a case
// that goes wrong, and shrinks it to what the hazard needs.

#include <gtest/gtest.h>

#include <optional>
#include <ostream>

#include "property.h"
#include "support/case_gen.h"
#include "support/case_runner.h"

namespace ggml_sched::test {
namespace {

constexpr int kMostCases = 2000;
constexpr int kMostNodes = 12;
constexpr uint64_t kSeed = 1;

struct Hazard {
    const char * name;
    plan::Rule rule;
    bool is_in_plan; // so the verifier sees it
};

// For GoogleTest, which would print its bytes, and with them addresses
void PrintTo(const Hazard & hazard, std::ostream * out) {
    *out << hazard.name;
}

const Hazard kHazards[] = {
    {"H1", plan::Rule::CopyLandsBeforeUse, true},    {"H2", plan::Rule::SlotFreeBeforeCopy, true},
    {"H3", plan::Rule::SourceKeptUntilCopied, true}, {"H5", plan::Rule::SharedMemory, true},
    {"H6", plan::Rule::EarlierRuns, true},           {"H7", plan::Rule::CallerInputs, true},
    {"H9", plan::Rule::ObservedSlices, true},        {"H10", plan::Rule::WritesInPlace, false},
};

using Found = std::optional<property::Counterexample<Case>>;

Found find(const Hazard & hazard, bool verify) {
    return property::find_counterexample(cases(), kSeed, kMostCases, [&](const Case & job) {
        CaseChecks checks;
        checks.verify = verify;
        checks.off = {hazard.rule};
        const std::string wrong = run_case(job, checks);
        if (!wrong.empty()) {
            ADD_FAILURE() << wrong;
        }
    });
}

void expect_small(const Found & found) {
    ASSERT_TRUE(found) << "no case goes wrong";
    EXPECT_LE(n_nodes(found->value), kMostNodes) << found->message;
    EXPECT_LE(found->value.graphs.size(), 2u) << found->message;
    EXPECT_LE(found->value.runs.size(), 4u) << found->message;
}

class WithoutRule : public testing::TestWithParam<Hazard> {};

TEST_P(WithoutRule, AdversariesFindASmallCaseWithAWrongResult) {
    const Found found = find(GetParam(), false);
    expect_small(found);
    std::printf("%s\n", found->message.c_str());
}

TEST_P(WithoutRule, TheVerifierRefusesASmallCase) {
    if (!GetParam().is_in_plan) {
        GTEST_SKIP() << "the plan does not show this hazard";
    }
    const Found found = find(GetParam(), true);
    expect_small(found);
    EXPECT_NE(found->message.find("the plan does not order everything"), std::string::npos) << found->message;
}

INSTANTIATE_TEST_SUITE_P(Hazards, WithoutRule, testing::ValuesIn(kHazards),
                         [](const testing::TestParamInfo<Hazard> & info) { return info.param.name; });

} // namespace
} // namespace ggml_sched::test
