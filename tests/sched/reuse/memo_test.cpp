// A memo keeps the last few values, and forgets the one that was not used for the longest time.

#include <gtest/gtest.h>

#include <string>

#include "reuse/memo.h"

namespace ggml_sched::test {
namespace {

using Names = Memo<int, std::string>;

auto is(int wanted) {
    return [wanted](int key, const std::string &) { return key == wanted; };
}

TEST(Memo, ForgetsTheValueThatWasNotUsedForTheLongestTime) {
    Names names(2);
    names.add(1, "one");
    names.add(2, "two");
    ASSERT_NE(names.find(is(1)), nullptr); // so 2 is the older one now
    names.add(3, "three");
    EXPECT_EQ(names.find(is(2)), nullptr);
    ASSERT_NE(names.find(is(1)), nullptr);
    EXPECT_EQ(*names.find(is(1)), "one");
    EXPECT_EQ(*names.find(is(3)), "three");
}

TEST(Memo, KeepsPointersToValuesThatAreNotForgotten) {
    Names names(3);
    const std::string * one = &names.add(1, "one");
    names.add(2, "two");
    names.add(3, "three");
    EXPECT_EQ(names.find(is(1)), one);
    names.add(4, "four");
    EXPECT_EQ(*one, "one");
}

TEST(Memo, MakesAValueOnlyIfNoneFits) {
    Names names(2);
    int n_made = 0;
    const auto make = [&] {
        n_made++;
        return std::make_pair(7, std::string("seven"));
    };
    EXPECT_EQ(names.get(is(7), make), "seven");
    EXPECT_EQ(names.get(is(7), make), "seven");
    EXPECT_EQ(n_made, 1);
    names.forget_if(is(7));
    EXPECT_EQ(names.get(is(7), make), "seven");
    EXPECT_EQ(n_made, 2);
}

TEST(Memo, FindsTheOneThatWasUsedLastOfSeveralThatFit) {
    Names names(3);
    names.add(1, "first");
    names.add(1, "second");
    EXPECT_EQ(*names.find(is(1)), "second");
    names.forget();
    EXPECT_EQ(names.find(is(1)), nullptr);
}

} // namespace
} // namespace ggml_sched::test
