// Which waits a run gets, rule by rule. Tasks count from 0; see waits_of() for how waits are written.

#include <algorithm>

#include <gtest/gtest.h>

#include "support/build.h"

using namespace plan_test;
using plan::CopyOrder;
using plan::kHost;
using plan::kHostMemory;
using plan::kRing;

namespace {

constexpr CopyOrder kEveryOrder[] = {CopyOrder::InSource, CopyOrder::InDestination, CopyOrder::Unordered};

} // namespace

TEST(PlannerRules, AnInOrderLaneNeedsNoWait) {
    ProgramBuilder builder;
    builder.launch(1, {write(kMemoryA, 0, 8)}).launch(1, {read(kMemoryA, 0, 8), write(kMemoryA, 8, 16)});
    builder.launch(1, {read(kMemoryA, 8, 16), write(kMemoryA, 0, 16)});
    EXPECT_EQ(waits_on(machine_with_events(1), builder), Waits{});
    EXPECT_EQ(waits_on(machine_without_events(1), builder), Waits{});
}

TEST(PlannerRules, TheHostNeedsNoWaitForItself) {
    ProgramBuilder builder;
    builder.launch(kHost, {write(kHostMemory, 0, 8)}).snapshot(read(kHostMemory, 0, 8), write(kRing, 0, 8));
    builder.launch(kHost, {write(kHostMemory, 0, 8)}).give_back({write(kHostMemory, 0, 8)});
    EXPECT_EQ(waits_on(machine_with_events(1), builder), Waits{});
}

TEST(PlannerRules, ADeviceNeedsNoWaitForWhatTheHostHasDone) {
    ProgramBuilder builder;
    builder.launch(kHost, {write(kHostMemory, 0, 8)}).set(1, read(kHostMemory, 0, 8), write(kMemoryA, 0, 8));
    EXPECT_EQ(waits_on(machine_with_events(1), builder), Waits{});
}

TEST(PlannerRules, ReadAfterWriteAcrossLanesIsOneDeviceWait) {
    ProgramBuilder builder;
    builder.launch(1, {write(kMemoryA, 0, 8)}).launch(2, {read(kMemoryA, 0, 8)});
    EXPECT_EQ(waits_on(machine_with_events(2), builder), Waits{"2 waits for 1#0 (RAW 0->1)"});
}

TEST(PlannerRules, WriteAfterReadAcrossLanesIsOneDeviceWait) {
    ProgramBuilder builder;
    builder.launch(1, {read(kMemoryA, 0, 8)}).launch(2, {write(kMemoryA, 7, 9)});
    EXPECT_EQ(waits_on(machine_with_events(2), builder), Waits{"2 waits for 1#0 (WAR 0->1)"});
}

TEST(PlannerRules, WriteAfterWriteAcrossLanesIsOneDeviceWait) {
    ProgramBuilder builder;
    builder.launch(1, {write(kMemoryA, 0, 8)}).launch(2, {write(kMemoryA, 0, 1)});
    EXPECT_EQ(waits_on(machine_with_events(2), builder), Waits{"2 waits for 1#0 (WAW 0->1)"});
}

TEST(PlannerRules, ReadersOfTheSameBytesDoNotWaitForEachOther) {
    ProgramBuilder builder;
    builder.launch(1, {read(kMemoryA, 0, 8)}).launch(2, {read(kMemoryA, 0, 8)});
    EXPECT_EQ(waits_on(machine_with_events(2), builder), Waits{});
}

TEST(PlannerRules, NeighbouringBytesAreNoHazard) {
    ProgramBuilder builder;
    builder.launch(1, {write(kMemoryA, 0, 8)}).launch(2, {write(kMemoryA, 8, 16)});
    EXPECT_EQ(waits_on(machine_with_events(2), builder), Waits{});
}

TEST(PlannerRules, TheSameAddressesInOtherMemoryAreNoHazard) {
    ProgramBuilder builder;
    builder.launch(1, {write(kMemoryA, 0, 8)}).launch(2, {write(kMemoryB, 0, 8)});
    EXPECT_EQ(waits_on(machine_with_events(2), builder), Waits{});
}

TEST(PlannerRules, AWriterWaitsForEveryReaderSinceTheLastWrite) {
    ProgramBuilder builder;
    builder.launch(1, {read(kMemoryA, 0, 8)}).launch(2, {read(kMemoryA, 4, 8)}).launch(3, {write(kMemoryA, 0, 8)});
    EXPECT_EQ(waits_on(machine_with_events(3), builder),
              (Waits{"3 waits for 1#0 (WAR 0->2)", "3 waits for 2#0 (WAR 1->2)"}));
}

TEST(PlannerRules, TheLastUseOfALaneStandsForTheEarlierOnes) {
    ProgramBuilder builder;
    builder.launch(1, {write(kMemoryA, 0, 8)}).launch(1, {write(kMemoryA, 8, 16)});
    builder.launch(1, {write(kMemoryA, 16, 24)}); // not needed, so not waited for
    builder.launch(2, {read(kMemoryA, 0, 16)});
    Runs runs(machine_with_events(2));
    const plan::Plan & plan = runs.run(builder);
    EXPECT_EQ(waits_of(plan), Waits{"2 waits for 1#0 (RAW 1->3)"});
    ASSERT_GE(plan.steps.size(), 6u);
    EXPECT_EQ(plan.steps[4].kind, plan::StepKind::Record) << "straight behind the second launch";
}

TEST(PlannerRules, WaitsThatOthersImplyAreDropped) {
    ProgramBuilder builder;
    builder.launch(1, {write(kMemoryA, 0, 8)}).launch(2, {read(kMemoryA, 0, 8), write(kMemoryB, 0, 8)});
    builder.launch(3, {read(kMemoryA, 0, 8), read(kMemoryB, 0, 8)});
    EXPECT_EQ(waits_on(machine_with_events(3), builder),
              (Waits{"2 waits for 1#0 (RAW 0->1)", "3 waits for 2#0 (RAW 1->2)"}));
}

TEST(PlannerRules, ImplicationIsTransitive) {
    ProgramBuilder builder;
    builder.launch(1, {write(kMemoryA, 0, 8)}).launch(2, {read(kMemoryA, 0, 8)});
    builder.launch(2, {write(kMemoryB, 0, 8)}).launch(3, {read(kMemoryB, 0, 8), write(kMemoryC, 0, 8)});
    builder.launch(4, {read(kMemoryC, 0, 8), write(kMemoryA, 0, 8)});
    EXPECT_EQ(waits_on(machine_with_events(4), builder),
              (Waits{"2 waits for 1#0 (RAW 0->1)", "3 waits for 2#0 (RAW 2->3)", "4 waits for 3#0 (RAW 3->4)"}));
}

TEST(PlannerRules, LaneWaitsForAThingOnce) {
    ProgramBuilder builder;
    builder.launch(1, {write(kMemoryA, 0, 8)}).launch(2, {read(kMemoryA, 0, 4)}).launch(2, {read(kMemoryA, 4, 8)});
    EXPECT_EQ(waits_on(machine_with_events(2), builder), Waits{"2 waits for 1#0 (RAW 0->1)"});
}

TEST(PlannerRules, HostWaitIsKnownToEveryLane) {
    ProgramBuilder builder;
    builder.launch(1, {write(kHostMemory, 0, 8), write(kMemoryA, 0, 8)}).launch(kHost, {read(kHostMemory, 0, 8)});
    builder.launch(2, {read(kMemoryA, 0, 8)});
    EXPECT_EQ(waits_on(machine_with_events(2), builder), Waits{"0 waits for 1#0 (RAW 0->1)"});
}

TEST(PlannerRules, TheHostWaitsOnceForSeveralCopiesFromADevice) {
    ProgramBuilder builder;
    builder.launch(1, {write(kMemoryA, 0, 24)});
    for (uint64_t at = 0; at < 24; at += 8) {
        builder.get(1, read(kMemoryA, at, at + 8), write(kHostMemory, at, at + 8));
    }
    builder.launch(kHost, {read(kHostMemory, 0, 24)});
    EXPECT_EQ(waits_on(machine_with_events(1), builder), Waits{"0 waits for 1#0 (RAW 3->4)"});
    EXPECT_EQ(waits_on(machine_without_events(1), builder), Waits{"0 waits for 1* (RAW 3->4)"});
}

TEST(PlannerRules, TheHostWaitsWhereAnEventDoesNotReach) {
    plan::Machine machine = machine_with_events(2);
    machine.reaches[1][2] = false;
    ProgramBuilder builder;
    builder.launch(1, {write(kMemoryA, 0, 8)}).launch(2, {read(kMemoryA, 0, 8)}).launch(1, {write(kMemoryA, 0, 8)});
    EXPECT_EQ(waits_on(machine, builder), (Waits{"0 waits for 1#0 (RAW 0->1)", "1 waits for 2#0 (WAR 1->2)"}));
}

TEST(PlannerRules, ALaneWithoutEventsIsDrained) {
    plan::Machine machine = machine_with_events(2);
    take_events_from(machine, 1);
    ProgramBuilder builder;
    builder.launch(1, {write(kMemoryA, 0, 8)}).launch(2, {read(kMemoryA, 0, 8)}).launch(1, {write(kMemoryA, 0, 8)});
    EXPECT_EQ(waits_on(machine, builder), (Waits{"0 waits for 1* (RAW 0->1)", "0 waits for 2#0 (WAR 1->2)"}));
}

TEST(PlannerRules, ADrainAlsoCoversWhatTheLaneHasDoneSince) {
    ProgramBuilder builder;
    builder.launch(1, {write(kMemoryA, 0, 8)}).launch(1, {write(kMemoryA, 8, 16)});
    builder.launch(2, {read(kMemoryA, 0, 8)}).launch(2, {read(kMemoryA, 8, 16)});
    EXPECT_EQ(waits_on(machine_without_events(2), builder), Waits{"0 waits for 1* (RAW 0->2)"});
}

TEST(PlannerRules, ADrainImpliesWhatTheLaneKnows) {
    plan::Machine machine = machine_with_events(3);
    take_events_from(machine, 3);
    ProgramBuilder builder;
    builder.set(3, read(kHostMemory, 0, 8), write(kMemoryC, 0, 8)).launch(2, {read(kHostMemory, 0, 8)});
    builder.copy(CopyOrder::InDestination, 2, 3, read(kMemoryB, 0, 8), write(kMemoryC, 8, 16));
    builder.give_back({write(kHostMemory, 0, 8)});
    EXPECT_EQ(waits_on(machine, builder), Waits{"0 waits for 3* (WAR 0->3)"});
}

TEST(PlannerRules, AHostWaitIsDroppedForADeviceWaitThatImpliesIt) {
    plan::Machine machine = machine_with_events(3);
    machine.reaches[1][3] = false;
    ProgramBuilder builder;
    builder.launch(1, {write(kMemoryA, 0, 8)}).launch(2, {read(kMemoryA, 0, 8), write(kMemoryB, 0, 8)});
    builder.launch(3, {read(kMemoryA, 0, 8), read(kMemoryB, 0, 8)});
    EXPECT_EQ(waits_on(machine, builder), (Waits{"2 waits for 1#0 (RAW 0->1)", "3 waits for 2#0 (RAW 1->2)"}));
}

// H1
TEST(PlannerRules, CopyIsOrderedBehindItsProducerByItself) {
    for (const CopyOrder order : kEveryOrder) {
        ProgramBuilder builder;
        builder.launch(1, {write(kMemoryA, 0, 8)});
        builder.copy(order, 1, 2, read(kMemoryA, 0, 8), write(kMemoryB, 0, 8));
        builder.launch(2, {read(kMemoryB, 0, 8)});
        EXPECT_EQ(waits_on(machine_with_events(2), builder), Waits{}) << static_cast<int>(order);
        EXPECT_EQ(waits_on(machine_without_events(2), builder), Waits{}) << static_cast<int>(order);
    }
}

// H2
TEST(PlannerRules, CopyOnTheSourceWaitsForTheDestinationsUse) {
    ProgramBuilder builder;
    builder.launch(2, {read(kMemoryB, 0, 8)});
    builder.copy(CopyOrder::InSource, 1, 2, read(kMemoryA, 0, 8), write(kMemoryB, 0, 8));
    EXPECT_EQ(waits_on(machine_with_events(2), builder), Waits{"1 waits for 2#0 (WAR 0->1)"});
    EXPECT_EQ(waits_on(machine_without_events(2), builder), Waits{"0 waits for 2* (WAR 0->1)"});
}

TEST(PlannerRules, CopyOnTheDestinationNeedsNoWaitForItsUse) {
    ProgramBuilder builder;
    builder.launch(2, {read(kMemoryB, 0, 8)});
    builder.copy(CopyOrder::InDestination, 1, 2, read(kMemoryA, 0, 8), write(kMemoryB, 0, 8));
    EXPECT_EQ(waits_on(machine_with_events(2), builder), Waits{});
}

TEST(PlannerRules, CopyOfUnknownOrderWaitsForTheDestination) {
    ProgramBuilder builder;
    builder.launch(2, {read(kMemoryB, 0, 8)});
    builder.copy(CopyOrder::Unordered, 1, 2, read(kMemoryA, 0, 8), write(kMemoryB, 0, 8));
    EXPECT_EQ(waits_on(machine_with_events(2), builder), Waits{"1 waits for 2#0 (WAR 0->1)"});
}

// H3
TEST(PlannerRules, OverwritingACopysSourceWaitsForTheCopy) {
    for (const CopyOrder order : kEveryOrder) {
        ProgramBuilder builder;
        builder.copy(order, 1, 2, read(kMemoryA, 0, 8), write(kMemoryB, 0, 8));
        builder.launch(1, {write(kMemoryA, 0, 8)});
        const Waits expected = order == CopyOrder::InSource ? Waits{} : Waits{"1 waits for 2#0 (WAR 0->1)"};
        EXPECT_EQ(waits_on(machine_with_events(2), builder), expected) << static_cast<int>(order);
    }
}

TEST(PlannerRules, ThirdLaneWaitsBeforeItOverwritesASource) {
    for (const CopyOrder order : kEveryOrder) {
        ProgramBuilder builder;
        builder.copy(order, 1, 2, read(kMemoryA, 0, 8), write(kMemoryB, 0, 8));
        builder.launch(3, {write(kMemoryA, 0, 8)});
        const std::string lane = order == CopyOrder::InSource ? "1" : "2";
        EXPECT_EQ(waits_on(machine_with_events(3), builder), Waits{"3 waits for " + lane + "#0 (WAR 0->1)"});
    }
}

// H4
TEST(PlannerRules, CopiesToTheSameBytesWaitForEachOther) {
    for (const CopyOrder order : kEveryOrder) {
        ProgramBuilder same_source;
        same_source.copy(order, 1, 3, read(kMemoryA, 0, 8), write(kMemoryC, 0, 8));
        same_source.copy(order, 1, 3, read(kMemoryA, 8, 16), write(kMemoryC, 0, 8));
        const Waits unordered = {"1 waits for 3#0 (WAW 0->1)"};
        EXPECT_EQ(waits_on(machine_with_events(3), same_source), order == CopyOrder::Unordered ? unordered : Waits{});

        ProgramBuilder two_sources;
        two_sources.copy(order, 1, 3, read(kMemoryA, 0, 8), write(kMemoryC, 0, 8));
        two_sources.copy(order, 2, 3, read(kMemoryB, 0, 8), write(kMemoryC, 4, 8));
        const Waits expected = order == CopyOrder::InSource        ? Waits{"2 waits for 1#0 (WAW 0->1)"}
                               : order == CopyOrder::InDestination ? Waits{}
                                                                   : Waits{"2 waits for 3#0 (WAW 0->1)"};
        EXPECT_EQ(waits_on(machine_with_events(3), two_sources), expected);
    }
}

TEST(PlannerRules, ACopyTellsTheDestinationAllThatTheSourceKnows) {
    for (const CopyOrder order : kEveryOrder) {
        ProgramBuilder builder;
        builder.launch(1, {write(kMemoryA, 0, 8)}).launch(2, {read(kMemoryA, 0, 8), write(kMemoryB, 0, 16)});
        builder.copy(order, 2, 3, read(kMemoryB, 0, 8), write(kMemoryC, 0, 8));
        builder.launch(3, {read(kMemoryA, 0, 8), read(kMemoryB, 8, 16), read(kMemoryC, 0, 8)});
        EXPECT_EQ(waits_on(machine_with_events(3), builder), Waits{"2 waits for 1#0 (RAW 0->1)"});
    }
}

TEST(PlannerRules, ABlockingCopyWaitsOnTheHostForBothSides) {
    ProgramBuilder builder;
    builder.launch(1, {write(kMemoryA, 0, 8)}).launch(2, {read(kMemoryB, 0, 8)});
    builder.copy_now(1, 2, read(kMemoryA, 0, 8), write(kMemoryB, 0, 8)).launch(2, {read(kMemoryB, 0, 8)});
    EXPECT_EQ(waits_on(machine_with_events(2), builder),
              (Waits{"0 waits for 1#0 (RAW 0->2)", "0 waits for 2#0 (WAR 1->2)"}));
}

TEST(PlannerRules, AStagedCopyIsOneDeviceWait) {
    ProgramBuilder builder;
    builder.launch(1, {write(kMemoryA, 0, 8)}).get(1, read(kMemoryA, 0, 8), write(kRing, 0, 8));
    builder.set(2, read(kRing, 0, 8), write(kMemoryB, 0, 8)).launch(2, {read(kMemoryB, 0, 8)});
    EXPECT_EQ(waits_on(machine_with_events(2), builder), Waits{"2 waits for 1#0 (RAW 1->2)"});
    EXPECT_EQ(waits_on(machine_without_events(2), builder), Waits{"0 waits for 1* (RAW 1->2)"});
}

// H5
TEST(PlannerRules, ReusedMemoryIsProtectedAcrossSplits) {
    ProgramBuilder builder;
    builder.launch(1, {read(kMemoryA, 0, 8)}).launch(3, {write(kMemoryC, 0, 8)}).launch(2, {write(kMemoryA, 4, 12)});
    EXPECT_EQ(waits_on(machine_with_events(3), builder), Waits{"2 waits for 1#0 (WAR 0->2)"});
}

// H7
TEST(PlannerRules, InputsReturnToTheCallerAfterDirectCopies) {
    ProgramBuilder builder;
    builder.set(1, read(kHostMemory, 0, 8), write(kMemoryA, 0, 8)).launch(1, {read(kMemoryA, 0, 8)});
    builder.give_back({write(kHostMemory, 0, 8)});
    Runs runs(machine_with_events(1));
    const plan::Plan & plan = runs.run(builder);
    EXPECT_EQ(waits_of(plan), Waits{"0 waits for 1#0 (WAR 0->2)"});
    EXPECT_EQ(plan.steps[1].kind, plan::StepKind::Record) << "behind the copy, not behind the launch";
}

// Else the CPU's split of the next run waits for the whole launch, and the device for the CPU.
TEST(PlannerRules, HostMemoryIsFreeAfterItsOwnCopy) {
    ProgramBuilder first;
    first.set(1, read(kHostMemory, 0, 8), write(kMemoryA, 0, 8)).set(1, read(kRing, 0, 8), write(kMemoryA, 8, 16));
    first.launch(1, {read(kMemoryA, 0, 16)});
    Runs runs(machine_with_events(1));
    const std::vector<plan::Step> steps = runs.run(first).steps;
    const auto record =
        std::find_if(steps.begin(), steps.end(), [](const plan::Step & s) { return s.kind == plan::StepKind::Record; });
    ASSERT_NE(record, steps.end());
    EXPECT_EQ(record - steps.begin(), 2) << "behind the copies, not behind the launch";
    ProgramBuilder second;
    second.launch(kHost, {write(kHostMemory, 0, 8)});
    const plan::Plan & plan = runs.run(second);
    ASSERT_EQ(plan.waits.size(), 1U);
    EXPECT_EQ(plan.waits[0].event, record->event);
}

TEST(PlannerRules, InputsReturnWithoutAWaitForSnapshots) {
    ProgramBuilder builder;
    builder.snapshot(read(kHostMemory, 0, 8), write(kRing, 0, 8)).set(1, read(kRing, 0, 8), write(kMemoryA, 0, 8));
    builder.launch(1, {read(kMemoryA, 0, 8)}).give_back({write(kHostMemory, 0, 8)});
    EXPECT_EQ(waits_on(machine_with_events(1), builder), Waits{});
    EXPECT_EQ(waits_on(machine_without_events(1), builder), Waits{});
}

TEST(PlannerRules, InputsReadInPlaceReturnAfterTheRead) {
    ProgramBuilder builder;
    builder.launch(1, {read(kHostMemory, 0, 8)}).launch(1, {write(kMemoryA, 0, 8)});
    builder.give_back({write(kHostMemory, 0, 8)});
    EXPECT_EQ(waits_on(machine_with_events(1), builder), Waits{"0 waits for 1#0 (WAR 0->2)"});
}

TEST(PlannerRules, HostWaitsForWhatTheCallerReads) {
    ProgramBuilder builder;
    builder.launch(1, {write(kMemoryA, 0, 8)}).observe({read(kMemoryA, 0, 8)});
    builder.launch(2, {write(kMemoryB, 0, 8)}).observe({read(kMemoryB, 4, 8)});
    EXPECT_EQ(waits_on(machine_with_events(2), builder),
              (Waits{"0 waits for 1#0 (RAW 0->1)", "0 waits for 2#0 (RAW 2->3)"}));
    EXPECT_EQ(waits_on(machine_without_events(2), builder),
              (Waits{"0 waits for 1* (RAW 0->1)", "0 waits for 2* (RAW 2->3)"}));
}

TEST(PlannerRules, CallerReadsHostResultsWithoutAWait) {
    ProgramBuilder builder;
    builder.launch(kHost, {write(kHostMemory, 0, 8)}).observe({read(kHostMemory, 0, 8)});
    EXPECT_EQ(waits_on(machine_with_events(1), builder), Waits{});
}

// A view of memory that this launch does not touch
TEST(PlannerRules, CallerWaitsOnlyForRunsThatWriteItsResult) {
    Runs runs(machine_with_events(3, 4));
    ProgramBuilder earlier;
    earlier.launch(2, {write(kMemoryB, 0, 8)}).launch(3, {write(kMemoryC, 0, 8)});
    runs.run(earlier);
    ProgramBuilder observed;
    observed.launch(1, {write(kMemoryA, 0, 8)}).observe({read(kMemoryA, 0, 8), read(kMemoryB, 0, 4)});
    EXPECT_EQ(waits_of(runs.run(observed)), (Waits{"0 waits for 1#0 (RAW 0->1)", "0 waits for 2#0@1 (RAW -->1)"}));
}

TEST(PlannerRules, ReadAtTheCallWaitsEvenOnTheSameLane) {
    ProgramBuilder builder;
    builder.get(1, read(kMemoryA, 0, 8), write(kRing, 0, 8));
    builder.set_at_call(1, read(kRing, 0, 8), write(kMemoryA, 8, 16));
    EXPECT_EQ(waits_on(machine_with_events(1), builder), Waits{"0 waits for 1#0 (RAW 0->1)"});
    EXPECT_EQ(waits_on(machine_without_events(1), builder), Waits{"0 waits for 1* (RAW 0->1)"});
}

TEST(PlannerRules, MemoryReadByTheCallMayBeWrittenAfterIt) {
    const auto rewritten = [](const ProgramBuilder & copy) {
        ProgramBuilder builder = copy;
        builder.launch(plan::kHost, {write(kHostMemory, 0, 8)});
        return waits_on(machine_with_events(1), builder);
    };
    ProgramBuilder at_call;
    at_call.set_at_call(1, read(kHostMemory, 0, 8), write(kMemoryA, 0, 8));
    EXPECT_EQ(rewritten(at_call), Waits{"0 waits for 1#0 (WAR 0->1)"});
    ProgramBuilder staged;
    staged.set_staged(1, read(kHostMemory, 0, 8), write(kMemoryA, 0, 8));
    EXPECT_EQ(rewritten(staged), Waits{});
}

TEST(PlannerRules, CopyByTheCallWaitsForItsSourceOnTheHost) {
    ProgramBuilder builder;
    builder.get(1, read(kMemoryA, 0, 8), write(kHostMemory, 0, 8)).launch(2, {read(kMemoryB, 0, 8)});
    builder.set_staged(1, read(kHostMemory, 0, 8), write(kMemoryB, 0, 8));
    EXPECT_EQ(waits_on(machine_with_events(2), builder),
              (Waits{"1 waits for 2#0 (WAR 1->2)", "0 waits for 1#0 (RAW 0->2)"}));
}

TEST(PlannerRules, CopyByTheCallIsWaitedForOnTheDevice) {
    ProgramBuilder builder;
    builder.launch(2, {read(kMemoryA, 0, 8)}).set_at_call(1, read(kHostMemory, 0, 8), write(kMemoryA, 0, 8));
    EXPECT_EQ(waits_on(machine_with_events(2), builder), Waits{"1 waits for 2#0 (WAR 0->1)"});
}

TEST(PlannerRules, WaitsForTheCallAndForTheTaskImplyEachOther) {
    plan::Machine machine = machine_with_events(3);
    machine.reaches[2][1] = false;
    ProgramBuilder builder;
    builder.get(3, read(kMemoryC, 0, 8), write(kHostMemory, 0, 8));
    builder.launch(2, {read(kHostMemory, 0, 8), write(kMemoryA, 0, 8)});
    builder.set_at_call(1, read(kHostMemory, 0, 8), write(kMemoryA, 0, 8)); // the call needs lane 3, the task lane 2
    EXPECT_EQ(waits_on(machine, builder), (Waits{"2 waits for 3#0 (RAW 0->1)", "0 waits for 2#0 (WAW 1->2)"}));
}

TEST(PlannerRules, ATaskMayReadWhatItWrites) {
    ProgramBuilder builder;
    builder.launch(1, {read(kMemoryA, 0, 8), write(kMemoryA, 4, 12)}).launch(2, {read(kMemoryA, 0, 4)});
    builder.launch(2, {read(kMemoryA, 11, 12)});
    EXPECT_EQ(waits_on(machine_with_events(2), builder), Waits{"2 waits for 1#0 (RAW 0->2)"});
}

TEST(PlannerRules, EmptyProgramsAndTasksWithoutAccessesArePlanned) {
    Runs runs(machine_with_events(2));
    EXPECT_TRUE(runs.run(ProgramBuilder()).steps.empty());
    EXPECT_TRUE(runs.history().empty());
    EXPECT_EQ(waits_of(runs.run(ProgramBuilder().launch(1, {}).launch(1, {}).launch(2, {}).give_back({}))), Waits{});
}

TEST(PlannerRules, SixteenBackendsFit) {
    ProgramBuilder builder;
    for (int lane = 1; lane < plan::kMaxLanes; lane++) {
        builder.launch(static_cast<plan::Lane>(lane), {read(kMemoryA, 0, 8)});
    }
    builder.launch(1, {write(kMemoryA, 0, 8)});
    EXPECT_EQ(waits_on(machine_with_events(plan::kMaxLanes - 1), builder).size(), 15u);
}
