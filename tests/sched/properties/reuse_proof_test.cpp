// Each field of each key by which results are kept from graph to graph is needed, and the proof of reuse finds out
// where one is missing.

#include <gtest/gtest.h>

#include "property.h"
#include "support/case_gen.h"
#include "support/case_runner.h"

namespace ggml_sched::test {
namespace {

struct Field {
    KeyField field;
    const char * name;
    const char * memo; // that the error names; "": whichever needs the field first
};

void PrintTo(const Field & field, std::ostream * out) {
    *out << field.name;
}

class WithoutField : public testing::TestWithParam<Field> {};

TEST_P(WithoutField, VerificationRefusesACase) {
#ifdef GGML_SCHED_TEST_THIN
    GTEST_SKIP() << "it needs many cases, and is about what is compared: a sanitizer sees nothing of that";
#endif
    constexpr int kMostCases = 10000;
    CaseChecks checks;
    checks.ignored = {GetParam().field};
    CaseOptions options;
    options.max_devices = 2; // more only make the search longer
    options.alike = true;
    // The first case will do. To look for a smaller one takes minutes where few cases need a field.
    const auto any_case = rc::gen::noShrink(cases(options));
    const auto found = property::find_counterexample(any_case, 1, kMostCases, [&](const Case & job) {
        const std::string wrong = run_case(job, checks);
        if (wrong.find("what was kept of an earlier graph does not hold") != std::string::npos) {
            ADD_FAILURE() << wrong;
        }
    });
    ASSERT_TRUE(found) << "none of " << kMostCases << " cases needs this field";
    std::printf("%s\n", found->message.c_str());
    EXPECT_NE(found->message.find(GetParam().memo), std::string::npos) << found->message;
}

INSTANTIATE_TEST_SUITE_P(
    Keys, WithoutField,
    testing::Values(
        Field{KeyField::Structure, "Structure", ""},
        Field{KeyField::UserAssignments, "UserAssignments", "assignment: "},
        Field{KeyField::StreamLimits, "StreamLimits", "splits: "},
        Field{KeyField::SplitOffers, "SplitOffers", "splits: "}, Field{KeyField::Answers, "Answers", "assignment: "},
        Field{KeyField::StreamedSizes, "StreamedSizes", ""},
        Field{KeyField::StreamedInputs, "StreamedInputs", "streaming: "}, Field{KeyField::Rings, "Rings", "program: "},
        Field{KeyField::WholeExperts, "WholeExperts", "streaming: "}, Field{KeyField::Splits, "Splits", "places: "},
        Field{KeyField::Order, "Order", "places: "}, Field{KeyField::Sizes, "Sizes", "places: "},
        Field{KeyField::CurCopy, "CurCopy", "program: "}, Field{KeyField::Layout, "Layout", "program: "},
        Field{KeyField::GivenPlaces, "GivenPlaces", "program: "},
        Field{KeyField::FoundPlaces, "FoundPlaces", "program: "},
        Field{KeyField::StreamPlans, "StreamPlans", "program: "}, Field{KeyField::Refusals, "Refusals", "program: "},
        Field{KeyField::Mode, "Mode", "program: "}, Field{KeyField::Observed, "Observed", "program: "},
        Field{KeyField::Offered, "Offered", "program: "}, Field{KeyField::History, "History", "plan: "}),
    [](const auto & info) { return std::string(info.param.name); });

} // namespace
} // namespace ggml_sched::test
