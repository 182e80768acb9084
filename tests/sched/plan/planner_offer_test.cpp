// Waits for an offer: the copy callback may write host memory during the call, and device memory behind it.

#include <gtest/gtest.h>

#include "support/build.h"

using namespace plan_test;
using plan::kHost;
using plan::kHostMemory;

TEST(PlannerOffer, WaitsOnTheHostForReadersOfWhatItMayRewrite) {
    ProgramBuilder builder;
    builder.set(1, read(kHostMemory, 0, 8), write(kMemoryA, 0, 8));
    builder.offer(2, read(kHostMemory, 16, 24), write(kMemoryB, 0, 8), write(kHostMemory, 0, 8));
    EXPECT_EQ(waits_on(machine_with_events(2), builder), Waits{"0 waits for 1#0 (WAR 0->1)"});
    EXPECT_EQ(waits_on(machine_without_events(2), builder), Waits{"0 waits for 1* (WAR 0->1)"});
}

TEST(PlannerOffer, WaitsOnTheDeviceForReadersOfItsDestination) {
    ProgramBuilder builder;
    builder.launch(1, {read(kMemoryB, 0, 8)});
    builder.offer(2, read(kHostMemory, 16, 24), write(kMemoryB, 0, 8), write(kHostMemory, 0, 8));
    EXPECT_EQ(waits_on(machine_with_events(2), builder), Waits{"2 waits for 1#0 (WAR 0->1)"});
}

TEST(PlannerOffer, HasWrittenHostMemoryWhenItReturns) {
    ProgramBuilder builder;
    builder.offer(1, read(kHostMemory, 16, 24), write(kMemoryA, 0, 8), write(kHostMemory, 0, 8));
    builder.set(2, read(kHostMemory, 0, 8), write(kMemoryB, 0, 8)).launch(kHost, {write(kHostMemory, 0, 24)});
    EXPECT_EQ(waits_on(machine_with_events(2), builder), Waits{"0 waits for 2#0 (WAR 1->2)"}) << "only for the set";
}

TEST(PlannerOffer, OfTheNextRunWaitsForTheReadersOfThisOne) {
    ProgramBuilder builder;
    builder.offer(1, read(kHostMemory, 16, 24), write(kMemoryA, 0, 8), write(kHostMemory, 0, 8));
    builder.set(2, read(kHostMemory, 0, 8), write(kMemoryB, 0, 8));
    Runs runs(machine_with_events(2));
    EXPECT_EQ(waits_of(runs.run(builder)), Waits{});
    EXPECT_EQ(waits_of(runs.run(builder)), Waits{"0 waits for 2#0@1 (WAR -->0)"});
}

TEST(PlannerOffer, NeedsEachOfItsWaits) {
    ProgramBuilder builder;
    builder.set(1, read(kHostMemory, 0, 8), write(kMemoryA, 0, 8)).launch(3, {read(kMemoryB, 0, 8)});
    builder.offer(2, read(kHostMemory, 16, 24), write(kMemoryB, 0, 8), write(kHostMemory, 0, 8));
    const plan::Machine machine = machine_with_events(3);
    const plan::Plan plan = plan::make_plan(machine, builder.program(), {}).plan;
    ASSERT_EQ(plan.waits.size(), 2U);
    const ggml_sched::observe::Verifier verifier(machine);
    EXPECT_EQ(verifier.check(plan), "");
    for (size_t i = 0; i < plan.waits.size(); i++) {
        EXPECT_NE(verifier.check(without_wait(plan, i)), "") << "without wait " << i;
    }
}
