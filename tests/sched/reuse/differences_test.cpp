// Differences: each field of a task and a step is compared where a kept program or plan is proved.

#include <gtest/gtest.h>

#include <tuple>
#include <type_traits>
#include <utility>

#include "reuse/differences.h"

namespace ggml_sched::test {
namespace {

using plan::Task;

// Returns all fields of a task. It does not compile if Task has a field that is not listed.
auto all_fields(Task & task) {
    auto & [kind, lane, source, destination, order, reads_at_call, only_at_call, may_be_now, is_waited_for, split,
            binding, first_access, n_accesses, bytes] = task;
    return std::tie(kind, lane, source, destination, order, reads_at_call, only_at_call, may_be_now, is_waited_for,
                    split, binding, first_access, n_accesses, bytes);
}

constexpr size_t kFields = std::tuple_size_v<decltype(all_fields(std::declval<Task &>()))>;

// Gives the field another value.
template <typename Field> void change(Field & field) {
    if constexpr (std::is_same_v<Field, bool>) {
        field = !field;
    } else {
        field = static_cast<Field>(static_cast<int>(field) + 1);
    }
}

// Returns a program with two tasks. Field `number` of the second task has another value than usual; kFields: none has.
plan::Program with_changed_field(size_t number) {
    plan::Program program;
    program.tasks = {Task{plan::TaskKind::Snapshot, plan::kHost}, Task{plan::TaskKind::SetAsync, 1}};
    size_t i = 0;
    std::apply([&](auto &... fields) { ((i++ == number ? change(fields) : void()), ...); },
               all_fields(program.tasks[1]));
    return program;
}

// Returns all fields of a step. It does not compile if Step has a field that is not listed.
auto all_fields(plan::Step & step) {
    auto & [kind, lane, event, split, task, first_wait, n_waits, is_put_off] = step;
    return std::tie(kind, lane, event, split, task, first_wait, n_waits, is_put_off);
}

constexpr size_t kStepFields = std::tuple_size_v<decltype(all_fields(std::declval<plan::Step &>()))>;

TEST(Differences, AreFoundInEachFieldOfAStep) {
    const auto with_changed = [](size_t number) {
        plan::Plan plan;
        plan.steps = {plan::Step{plan::StepKind::Do, plan::kHost}, plan::Step{plan::StepKind::Do, 1}};
        size_t i = 0;
        std::apply([&](auto &... fields) { ((i++ == number ? change(fields) : void()), ...); },
                   all_fields(plan.steps[1]));
        return plan;
    };
    EXPECT_EQ(find_difference(with_changed(kStepFields), with_changed(kStepFields)), "");
    for (size_t number = 0; number < kStepFields; number++) {
        EXPECT_EQ(find_difference(with_changed(kStepFields), with_changed(number)), "step 1 differs") << number;
    }
}

TEST(Differences, AreFoundInEachFieldOfATask) {
    Lowered lowered;
    plan::Plan plan;
    lowered.program = plan.program = with_changed_field(kFields);
    EXPECT_EQ(find_difference(lowered, lowered), "");
    EXPECT_EQ(find_difference(plan, plan), "");
    for (size_t number = 0; number < kFields; number++) {
        Lowered other_lowered;
        plan::Plan other_plan;
        other_lowered.program = other_plan.program = with_changed_field(number);
        EXPECT_EQ(find_difference(lowered, other_lowered), "task 1 differs") << "field " << number;
        EXPECT_EQ(find_difference(plan, other_plan), "task 1 differs") << "field " << number;
    }
}

} // namespace
} // namespace ggml_sched::test
