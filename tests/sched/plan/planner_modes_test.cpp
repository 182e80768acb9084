// Patterns of the modes, and plans as text.

#include <gtest/gtest.h>

#include "observe/text.h"
#include "support/build.h"

using namespace plan_test;
using ggml_sched::observe::pattern_of;
using plan::CopyOrder;
using plan::kHostMemory;
using plan::kRing;
using plan::Mode;

namespace {

// One device and three inputs, as a scheduler lowers them: snapshots only where the host does not wait anyway.
ProgramBuilder three_inputs(Mode mode) {
    ProgramBuilder builder(mode);
    for (uint64_t at = 0; at < 24; at += 8) {
        if (mode == Mode::Auto) {
            builder.snapshot(read(kHostMemory, at, at + 8), write(kRing, at, at + 8));
        }
    }
    for (uint64_t at = 0; at < 24; at += 8) {
        builder.set(1, read(mode == Mode::Auto ? kRing : kHostMemory, at, at + 8), write(kMemoryA, at, at + 8));
    }
    builder.launch(1, {read(kMemoryA, 0, 24), write(kMemoryA, 24, 32)}).give_back({write(kHostMemory, 0, 24)});
    return builder;
}

ProgramBuilder two_devices(Mode mode) {
    ProgramBuilder builder(mode);
    builder.launch(1, {write(kMemoryA, 0, 16)});
    for (uint64_t at = 0; at < 16; at += 8) {
        builder.copy(CopyOrder::InSource, 1, 2, read(kMemoryA, at, at + 8), write(kMemoryB, at, at + 8));
    }
    builder.launch(2, {read(kMemoryB, 0, 16)});
    return builder;
}

} // namespace

TEST(PlannerModes, AutoCopiesAndLaunchesWithoutWaiting) {
    for (const plan::Machine & machine : {machine_with_events(1), machine_without_events(1)}) {
        Runs runs(machine);
        EXPECT_EQ(pattern_of(runs.run(three_inputs(Mode::Auto)), 0), "aaag");
        EXPECT_EQ(pattern_of(runs.run(three_inputs(Mode::Auto)), 0), "aaag");
        EXPECT_EQ(pattern_of(runs.run(three_inputs(Mode::Auto)), 0), "saaag") << "throttled";
        runs.synchronize();
        EXPECT_EQ(pattern_of(runs.run(three_inputs(Mode::Auto)), 0), "aaag");
    }
}

TEST(PlannerModes, BarrierWaitsBeforeCopiesAndBeforeTheLaunch) {
    for (const plan::Machine & machine : {machine_with_events(1), machine_without_events(1)}) {
        Runs runs(machine);
        for (int run = 0; run < 4; run++) {
            EXPECT_EQ(pattern_of(runs.run(three_inputs(Mode::Barrier)), 0), "saaasg");
        }
    }
}

TEST(PlannerModes, SerialWaitsAroundEveryCopy) {
    for (const plan::Machine & machine : {machine_with_events(1), machine_without_events(1)}) {
        Runs runs(machine);
        for (int run = 0; run < 4; run++) {
            EXPECT_EQ(pattern_of(runs.run(three_inputs(Mode::Serial)), 0), "sassassasg");
        }
    }
}

TEST(PlannerModes, BothSidesOfACopyAreWaitedForUnlessTheModeIsAuto) {
    Runs in_auto(machine_with_events(2));
    EXPECT_EQ(pattern_of(in_auto.run(two_devices(Mode::Auto)), 1), "aag");
    EXPECT_EQ(pattern_of(in_auto.run(two_devices(Mode::Auto)), 1), "waag");
    Runs in_barrier(machine_with_events(2));
    EXPECT_EQ(pattern_of(in_barrier.run(two_devices(Mode::Barrier)), 0), "sg");
    Runs in_serial(machine_with_events(2));
    EXPECT_EQ(pattern_of(in_serial.run(two_devices(Mode::Serial)), 1), "ssassssassg");
    Runs again(machine_with_events(2));
    EXPECT_EQ(pattern_of(again.run(two_devices(Mode::Barrier)), 1), "ssaassg");
}

TEST(PlannerModes, ABlockingCopyInSerialModeIsWaitedForOnlyBefore) {
    ProgramBuilder builder(Mode::Serial);
    builder.copy_now(1, 2, read(kMemoryA, 0, 8), write(kMemoryB, 0, 8)).launch(2, {read(kMemoryB, 0, 8)});
    Runs runs(machine_with_events(2));
    EXPECT_EQ(pattern_of(runs.run(builder), 0), "sscg");
}

TEST(PlannerModes, HazardsAreCoveredWhereAModeWouldForgetThem) {
    // Neither mode waits for a lane that has no part in the split.
    for (const Mode mode : {Mode::Barrier, Mode::Serial}) {
        ProgramBuilder builder(mode);
        builder.launch(1, {read(kMemoryA, 0, 8)}).launch(2, {write(kMemoryA, 0, 8)});
        Runs runs(machine_with_events(2));
        const plan::Plan & plan = runs.run(builder);
        EXPECT_EQ(pattern_of(plan, 1), mode == Mode::Barrier ? "wsg" : "wg");
        EXPECT_EQ(waits_of(plan).back(),
                  mode == Mode::Barrier ? "0 waits for 2* (mode)" : "2 waits for 1#0 (WAR 0->1)");
    }
}

TEST(PlanText, SaysEveryStepAndTheReasonOfEveryWait) {
    ProgramBuilder builder;
    builder.snapshot(read(kHostMemory, 0, 8), write(kRing, 0, 8)).set(1, read(kRing, 0, 8), write(kMemoryA, 0, 8));
    builder.launch(1, {read(kMemoryA, 0, 8), write(kMemoryA, 8, 16)});
    builder.copy(CopyOrder::InSource, 1, 2, read(kMemoryA, 8, 16), write(kMemoryB, 0, 8));
    builder.launch(2, {read(kMemoryB, 0, 8), read(kMemoryA, 0, 4), write(kMemoryB, 8, 16)});
    builder.get(2, read(kMemoryB, 8, 16), write(kHostMemory, 8, 16));
    builder.launch(plan::kHost, {read(kHostMemory, 8, 16)}).give_back({write(kHostMemory, 0, 8)});
    builder.caller_read(2, read(kMemoryB, 8, 16));
    ggml_sched::observe::Names names;
    names.lanes = {"host", "SIM0", "SIM1"};
    names.copies = {"x", "x", "", "y", "", "z", "", ""};
    names.splits = {"SIM0", "SIM1", "CPU"};

    Runs runs(machine_with_events(2));
    EXPECT_EQ(text_of(runs.run(builder), names),
              "split 0: SIM0\n"
              "  host     snapshot x, 8 bytes\n"
              "  SIM0     copy x from host, 8 bytes\n"
              "  SIM0     launch split 0\n"
              "split 1: SIM1\n"
              "  SIM0     copy y to SIM1, 8 bytes\n"
              "  SIM1     launch split 1\n"
              "split 2: CPU\n"
              "  SIM1     copy z to host, 8 bytes\n"
              "  SIM1     record event 0\n"
              "  host     wait for SIM1 event 0  (RAW: reads what copy z to host writes, 8 bytes)\n"
              "  host     launch split 2\n"
              "end\n"
              "  host     the caller may overwrite its inputs\n");
}

TEST(PlanText, SaysHowLongAgoAnEarlierRunWas) {
    ggml_sched::observe::Names names;
    names.lanes = {"host", "SIM0", "SIM1"};
    names.splits = {"SIM1"};
    Runs runs(machine_with_events(2, 4));
    runs.run(ProgramBuilder().launch(1, {write(kMemoryA, 0, 8)}));
    runs.run(ProgramBuilder().launch(1, {write(kMemoryB, 0, 8)}));
    EXPECT_EQ(text_of(runs.run(ProgramBuilder().launch(2, {read(kMemoryA, 0, 8)})), names),
              "split 0: SIM1\n"
              "  SIM1     wait for SIM0 event 0 of 2 runs ago  (RAW: reads what an earlier run writes, 8 bytes)\n"
              "  SIM1     launch split 0\n"
              "  SIM1     record event 0\n");
}
