// The tests' own simulator: does it see what is missing, and only that?

#include <gtest/gtest.h>

#include "support/build.h"
#include "support/simulator.h"

using namespace plan_test;
using plan::CopyOrder;

namespace {

plan::Plan in_order_without_waits(const ProgramBuilder & builder) {
    plan::Plan plan;
    plan.program = builder.program();
    for (uint32_t i = 0; i < plan.program.tasks.size(); i++) {
        plan.steps.push_back({plan::StepKind::Do, plan.program.tasks[i].lane, plan::kWholeLane, 0, i});
    }
    return plan;
}

int count_wrong(const plan::Machine & machine, const plan::Plan & plan, int n_interleavings) {
    Simulator simulator(machine);
    simulator.add_run(plan);
    const Outcome truth = simulator.perform_in_order();
    int n_wrong = 0;
    for (int seed = 0; seed < n_interleavings; seed++) {
        RandomSchedule schedule(static_cast<uint64_t>(seed));
        n_wrong += simulator.perform(schedule).seen != truth.seen;
    }
    return n_wrong;
}

int count_wrong_without_waits(const ProgramBuilder & builder) {
    return count_wrong(machine_with_events(3), in_order_without_waits(builder), 100);
}

} // namespace

TEST(PlanSimulator, RandomInterleavingsShowAMissingWaitSooner) {
    const plan::Access accesses[][2] = {{write(kMemoryA, 0, 8), read(kMemoryA, 7, 8)},
                                        {read(kMemoryA, 0, 8), write(kMemoryA, 7, 8)},
                                        {write(kMemoryA, 0, 8), write(kMemoryA, 7, 8)}};
    for (const auto & pair : accesses) {
        const ProgramBuilder builder = ProgramBuilder().launch(1, {pair[0]}).launch(2, {pair[1]});
        const int n_wrong = count_wrong_without_waits(builder);
        EXPECT_GT(n_wrong, 10);
        EXPECT_LT(n_wrong, 90) << "the order of issue happens too";
        EXPECT_EQ(count_wrong(machine_with_events(2), Runs(machine_with_events(2)).run(builder), 100), 0);
    }
}

TEST(PlanSimulator, LanesAreInOrder) {
    EXPECT_EQ(count_wrong_without_waits(
                  ProgramBuilder().launch(1, {write(kMemoryA, 0, 8)}).launch(1, {read(kMemoryA, 0, 8)})),
              0);
}

TEST(PlanSimulator, EachCopyOrderPromisesWhatItPromises) {
    for (const CopyOrder order : {CopyOrder::InSource, CopyOrder::InDestination, CopyOrder::Unordered}) {
        const auto copy = [&](ProgramBuilder builder) {
            return builder.copy(order, 1, 2, read(kMemoryA, 0, 8), write(kMemoryB, 0, 8));
        };
        EXPECT_EQ(count_wrong_without_waits(
                      copy(ProgramBuilder().launch(1, {write(kMemoryA, 0, 8)})).launch(2, {read(kMemoryB, 0, 8)})),
                  0);
        EXPECT_EQ(count_wrong_without_waits(copy(ProgramBuilder().launch(2, {read(kMemoryB, 0, 8)}))) > 0,
                  order != CopyOrder::InDestination);
        EXPECT_EQ(count_wrong_without_waits(copy(ProgramBuilder()).launch(1, {write(kMemoryA, 0, 8)})) > 0,
                  order != CopyOrder::InSource);
        EXPECT_GT(count_wrong_without_waits(copy(ProgramBuilder()).launch(3, {read(kMemoryB, 0, 8)})), 0);
    }
}

TEST(PlanSimulator, ReportsAWaitForAnEventNeverRecorded) {
    plan::Plan plan = in_order_without_waits(ProgramBuilder().launch(1, {}));
    plan.waits.push_back({2, 1, 0, 0, {}});
    plan.steps.push_back({plan::StepKind::Guard, 2, plan::kWholeLane, 0, 0, 0, 1});
    Simulator simulator(machine_with_events(2));
    RandomSchedule schedule(1);
    simulator.add_run(plan);
    EXPECT_NE(difference(simulator, simulator.perform_in_order(), simulator.perform(schedule)), "");
}

TEST(PlanSimulator, MoreRunsInFlightThanTheWindowAreABrokenPromise) {
    const plan::Machine machine = machine_with_events(1, 2);
    Simulator simulator(machine);
    const plan::Plan plan = in_order_without_waits(ProgramBuilder().launch(1, {}));
    for (int run = 0; run < 3; run++) {
        LateSchedule schedule(0);
        EXPECT_EQ(difference(simulator, simulator.perform_in_order(), simulator.perform(schedule)), "");
        simulator.add_run(plan);
    }
    LateSchedule schedule(0);
    EXPECT_NE(difference(simulator, simulator.perform_in_order(), simulator.perform(schedule)), "");
}
