// The plans of graphs that people know, as text, compared with the files beside this one.
// GGML_SCHED_UPDATE_GOLDEN=1 writes them anew: read the difference before committing it.

#include <gtest/gtest.h>

#include "cases.h"
#include "golden.h"
#include "runner.h"

namespace ggml_sched::test {

void PrintTo(const Case & golden, std::ostream * stream) {
    *stream << golden.name;
}

namespace {

class GoldenPlan : public testing::TestWithParam<Case> {};

TEST_P(GoldenPlan, IsTheOneOnFile) {
    EXPECT_EQ(compare_with_golden(GetParam().name, document_of(GetParam())), "");
}

std::string case_name(const testing::TestParamInfo<Case> & info) {
    return info.param.name;
}

INSTANTIATE_TEST_SUITE_P(Graphs, GoldenPlan, testing::ValuesIn(cases()), case_name);

TEST(Difference, MarksLinesOfEitherSide) {
    EXPECT_EQ(difference_of("a\nb\nc\n", "a\nb\nc\n"), "");
    EXPECT_EQ(difference_of("a\nb\nc\n", "a\nx\nc\n"), "  a\n- b\n+ x\n  c\n");
    EXPECT_EQ(difference_of("a\n", "a\nb\n"), "  a\n+ b\n");
}

} // namespace
} // namespace ggml_sched::test
