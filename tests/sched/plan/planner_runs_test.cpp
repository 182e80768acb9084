// What one run leaves for the next ones.

#include <algorithm>
#include <array>

#include <gtest/gtest.h>

#include "support/build.h"

using namespace plan_test;
using plan::CopyOrder;
using plan::kHost;
using plan::kHostMemory;
using plan::kRing;

namespace {

// Lane 1 computes, the copy of its result lies in a slot of lane 2's memory, lane 2 computes.
ProgramBuilder pipeline(CopyOrder order, uint64_t slot = 0) {
    ProgramBuilder builder;
    builder.launch(1, {write(kMemoryA, 0, 8)});
    builder.copy(order, 1, 2, read(kMemoryA, 0, 8), write(kMemoryB, 8 * slot, 8 * slot + 8));
    builder.launch(2, {read(kMemoryB, 8 * slot, 8 * slot + 8)});
    return builder;
}

} // namespace

// H6
TEST(PlannerRuns, CopyOnTheSourceWaitsForTheLastRunsUse) {
    Runs runs(machine_with_events(2, 3));
    EXPECT_EQ(waits_of(runs.run(pipeline(CopyOrder::InSource))), Waits{});
    EXPECT_EQ(waits_of(runs.run(pipeline(CopyOrder::InSource))), Waits{"1 waits for 2#0@1 (WAR -->1)"});
}

// H3 and H6
TEST(PlannerRuns, ProducerWaitsForTheLastRunsCopy) {
    Runs runs(machine_with_events(2, 3));
    EXPECT_EQ(waits_of(runs.run(pipeline(CopyOrder::InDestination))), Waits{});
    EXPECT_EQ(waits_of(runs.run(pipeline(CopyOrder::InDestination))), Waits{"1 waits for 2#0@1 (WAR -->0)"});
}

TEST(PlannerRuns, RotatingSlotsNeedNoWaitUntilTheSlotComesBack) {
    Runs runs(machine_with_events(2, 4));
    for (uint64_t run = 0; run < 3; run++) {
        EXPECT_EQ(waits_of(runs.run(pipeline(CopyOrder::InSource, run % 3))), Waits{});
    }
    EXPECT_EQ(waits_of(runs.run(pipeline(CopyOrder::InSource, 0))), Waits{"1 waits for 2#0@3 (WAR -->1)"});
}

TEST(PlannerRuns, ARotationThatDidNotAdvanceIsProtected) {
    Runs runs(machine_with_events(2, 4));
    runs.run(pipeline(CopyOrder::InSource, 0));
    runs.run(pipeline(CopyOrder::InSource, 1));
    EXPECT_EQ(waits_of(runs.run(pipeline(CopyOrder::InSource, 1))), Waits{"1 waits for 2#0@1 (WAR -->1)"});
}

TEST(PlannerRuns, ThrottlingReplacesWaitsForRotatedSlots) {
    Runs runs(machine_with_events(2, 3));
    for (uint64_t run = 0; run < 3; run++) {
        EXPECT_EQ(waits_of(runs.run(pipeline(CopyOrder::InSource, run % 3))), Waits{});
    }
    for (uint64_t run = 3; run < 9; run++) {
        EXPECT_EQ(waits_of(runs.run(pipeline(CopyOrder::InSource, run % 3))), Waits{"0 waits for 2#0@3 (throttle)"});
    }
}

TEST(PlannerRuns, AtMostAWindowOfRunsIsInFlight) {
    for (int window = 2; window <= 4; window++) {
        Runs runs(machine_with_events(1, window));
        const ProgramBuilder program = ProgramBuilder().launch(1, {write(kMemoryA, 0, 8)});
        for (int run = 0; run < window; run++) {
            EXPECT_EQ(waits_of(runs.run(program)), Waits{});
        }
        for (int run = 0; run < 3; run++) {
            EXPECT_EQ(waits_of(runs.run(program)), Waits{"0 waits for 1#0@" + std::to_string(window) + " (throttle)"});
        }
    }
}

TEST(PlannerRuns, LanesWithoutEventsAreDrainedOnceAWindow) {
    Runs runs(machine_without_events(1, 3));
    const ProgramBuilder program = ProgramBuilder().launch(1, {write(kMemoryA, 0, 8)});
    for (int round = 0; round < 3; round++) {
        EXPECT_EQ(waits_of(runs.run(program)), round == 0 ? Waits{} : Waits{"0 waits for 1* (throttle)"});
        EXPECT_EQ(waits_of(runs.run(program)), Waits{});
        EXPECT_EQ(waits_of(runs.run(program)), Waits{});
    }
}

TEST(PlannerRuns, EachPartOfTheRingBelongsToOneRun) {
    ProgramBuilder builder;
    builder.snapshot(read(kHostMemory, 0, 8), write(kRing, 0, 8)).set(1, read(kRing, 0, 8), write(kMemoryA, 0, 8));
    builder.launch(1, {read(kMemoryA, 0, 8)}).give_back({write(kHostMemory, 0, 8)});
    Runs runs(machine_with_events(1, 2));
    EXPECT_EQ(waits_of(runs.run(builder)), Waits{});
    EXPECT_EQ(waits_of(runs.run(builder)), Waits{});
    EXPECT_EQ(waits_of(runs.run(builder)), Waits{"0 waits for 1#0@2 (throttle)"});
}

TEST(PlannerRuns, LaneKeepsItsKnowledgeInTheNextRun) {
    Runs runs(machine_with_events(2, 3));
    const ProgramBuilder program =
        ProgramBuilder().launch(1, {write(kMemoryA, 0, 8)}).launch(2, {read(kMemoryA, 0, 4)});
    EXPECT_EQ(waits_of(runs.run(program)), Waits{"2 waits for 1#0 (RAW 0->1)"});
    EXPECT_EQ(waits_of(runs.run(ProgramBuilder().launch(2, {write(kMemoryA, 4, 8)}))), Waits{});
}

TEST(PlannerRuns, ImpliedWaitsAreDroppedAcrossRuns) {
    Runs runs(machine_with_events(3, 3));
    runs.run(
        ProgramBuilder().launch(1, {write(kMemoryA, 0, 8)}).launch(2, {read(kMemoryA, 0, 8), write(kMemoryB, 0, 8)}));
    EXPECT_EQ(waits_of(runs.run(ProgramBuilder().launch(3, {read(kMemoryA, 0, 8), read(kMemoryB, 0, 8)}))),
              Waits{"3 waits for 2#0@1 (RAW -->0)"});
}

// The only event of `copier` lies behind its copy. Waiting for it would imply `writer`'s work, and waiting for
// `receiver` implies the copy, but not that event: a wait for the receiver alone is not enough.
TEST(PlannerRuns, ANeedIsNotDroppedForAWaitThatIsDroppedItself) {
    std::array<plan::Lane, 3> lanes = {1, 2, 3};
    do {
        const auto [writer, copier, receiver] = lanes;
        Runs runs(machine_with_events(4, 3));
        ProgramBuilder first;
        first.launch(writer, {write(kMemoryB, 0, 4)}).launch(copier, {write(kMemoryA, 0, 4)});
        first.copy(CopyOrder::InSource, copier, receiver, read(kMemoryA, 0, 4), write(kMemoryC, 0, 4));
        first.launch(copier, {read(kMemoryB, 0, 4), write(kMemoryA, 8, 12)}).launch(receiver, {write(kMemoryC, 8, 12)});
        EXPECT_EQ(waits_of(runs.run(first)).size(), 1u);
        ProgramBuilder second;
        second.launch(4, {read(kMemoryB, 0, 4), read(kMemoryC, 0, 4), read(kMemoryC, 8, 12)});
        EXPECT_EQ(waits_of(runs.run(second)).size(), 2u);
    } while (std::next_permutation(lanes.begin(), lanes.end()));
}

TEST(PlannerRuns, HostWaitsForTheCopyNotForTheLaunch) {
    ProgramBuilder builder;
    builder.launch(kHost, {write(kHostMemory, 0, 8)}).set(1, read(kHostMemory, 0, 8), write(kMemoryA, 0, 8));
    builder.launch(1, {read(kMemoryA, 0, 8)});
    Runs runs(machine_with_events(1, 3));
    const plan::Plan & first = runs.run(builder);
    EXPECT_EQ(waits_of(first), Waits{});
    EXPECT_EQ(first.n_events[1], 2);
    EXPECT_EQ(waits_of(runs.run(builder)), Waits{"0 waits for 1#0@1 (WAR -->0)"});
}

TEST(PlannerRuns, CallerReadsAreProtectedFromOtherLanes) {
    ProgramBuilder builder;
    builder.copy(CopyOrder::InSource, 2, 1, read(kMemoryB, 0, 8), write(kMemoryA, 0, 8));
    builder.launch(1, {read(kMemoryA, 0, 8), write(kMemoryA, 0, 8)}).caller_read(1, read(kMemoryA, 0, 8));
    Runs runs(machine_with_events(2, 3));
    EXPECT_EQ(waits_of(runs.run(builder)), Waits{});

    const plan::Plan & second = runs.run(builder);
    ASSERT_EQ(second.program.tasks[0].kind, plan::TaskKind::CallerRead);
    EXPECT_EQ(waits_of(second), Waits{"2 waits for 1#0 (WAR 0->1)"})
        << "an event behind the reads, not of the last run";
    EXPECT_EQ(second.steps[1].kind, plan::StepKind::Record);
}

TEST(PlannerRuns, TheCallersReadsAreInOrderWithTheirLane) {
    ProgramBuilder builder;
    builder.launch(1, {write(kMemoryA, 0, 8)}).caller_read(1, read(kMemoryA, 0, 8));
    Runs runs(machine_with_events(2, 3));
    runs.run(builder);
    EXPECT_EQ(waits_of(runs.run(builder)), Waits{});
}

TEST(PlannerRuns, NothingIsWaitedForAfterSynchronize) {
    Runs runs(machine_with_events(2, 2));
    for (int i = 0; i < 4; i++) {
        EXPECT_EQ(waits_of(runs.run(pipeline(CopyOrder::InSource))), Waits{});
        runs.synchronize();
    }
}

TEST(PlannerRuns, NothingIsLeftInFlightWhenTheHostHasWaitedForAll) {
    ProgramBuilder builder;
    builder.launch(1, {write(kMemoryA, 0, 8)}).get(1, read(kMemoryA, 0, 8), write(kHostMemory, 0, 8));
    builder.launch(kHost, {read(kHostMemory, 0, 8)});
    Runs with_events(machine_with_events(1));
    with_events.run(builder);
    EXPECT_TRUE(with_events.history().empty());
    Runs without_events(machine_without_events(1));
    without_events.run(builder);
    EXPECT_TRUE(without_events.history().empty());
}

TEST(PlannerRuns, SameProgramReachesASteadyHistory) {
    for (const CopyOrder order : {CopyOrder::InSource, CopyOrder::InDestination, CopyOrder::Unordered}) {
        Runs runs(machine_with_events(2, 3));
        for (int i = 0; i < 4; i++) {
            runs.run(pipeline(order));
        }
        const plan::History before = runs.history();
        runs.run(pipeline(order));
        EXPECT_TRUE(runs.history() == before);
    }
}

TEST(PlannerRuns, AnotherProgramIsOrderedBehindTheOneInFlight) {
    Runs runs(machine_with_events(2, 3));
    runs.run(pipeline(CopyOrder::InSource));
    EXPECT_EQ(waits_of(runs.run(ProgramBuilder().launch(2, {write(kMemoryA, 4, 6)}))), Waits{}) << "the copy told it";
    EXPECT_EQ(waits_of(runs.run(ProgramBuilder().launch(1, {read(kMemoryA, 0, 8), write(kMemoryB, 0, 1)}))),
              Waits{"1 waits for 2#0@1 (RAW -->0)"});
}
