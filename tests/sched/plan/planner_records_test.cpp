// Lanes whose records are submissions of their own.

#include <gtest/gtest.h>

#include "support/build.h"

using namespace plan_test;
using plan::kHostMemory;
using Records = std::vector<std::string>;

namespace {

plan::Machine machine_that_puts_off_records(int n_devices) {
    plan::Machine machine = machine_with_events(n_devices);
    for (int lane = 1; lane <= n_devices; lane++) {
        machine.puts_off_records[lane] = true;
    }
    return machine;
}

// Returns the lane of each record, and whether it is put off.
Records records_of(const plan::Plan & plan) {
    Records records;
    for (const plan::Step & step : plan.steps) {
        if (step.kind == plan::StepKind::Record) {
            records.push_back(std::to_string(step.lane) + (step.is_put_off ? " put off" : ""));
        }
    }
    return records;
}

// Lane 1 has a record for later runs alone in front of its end. Lane 3 waits for the end of lane 2.
ProgramBuilder three_lanes() {
    ProgramBuilder builder;
    builder.set(1, read(kHostMemory, 0, 8), write(kMemoryA, 0, 8)); // a later run may write the source
    builder.launch(1, {read(kMemoryA, 0, 8)}).launch(2, {write(kMemoryB, 0, 8)});
    builder.launch(3, {read(kMemoryB, 0, 8)}).launch(3, {write(kMemoryC, 0, 8)});
    return builder;
}

} // namespace

TEST(PlannerRecords, ArePutOffIfTheyEndALaneAndNothingInTheRunWaits) {
    Runs runs(machine_that_puts_off_records(3));
    EXPECT_EQ(records_of(runs.run(three_lanes())), (Records{"1", "1 put off", "2", "3 put off"}));
}

// A streaming lane is one: its record also submits the copies in front of it.
TEST(PlannerRecords, AreMadeAtOnceOnOtherLanes) {
    plan::Machine machine = machine_that_puts_off_records(3);
    machine.puts_off_records[3] = false;
    Runs runs(machine);
    EXPECT_EQ(records_of(runs.run(three_lanes())), (Records{"1", "1 put off", "2", "3"}));
}

TEST(PlannerRecords, ThatArePutOffAreWaitedForByLaterRuns) {
    Runs runs(machine_that_puts_off_records(1));
    ProgramBuilder first;
    first.launch(1, {write(kMemoryA, 0, 8)});
    ProgramBuilder second;
    second.launch(plan::kHost, {read(kMemoryA, 0, 8)});
    EXPECT_EQ(records_of(runs.run(first)), Records{"1 put off"});
    EXPECT_EQ(waits_of(runs.run(second)), Waits{"0 waits for 1#0@1 (RAW -->0)"});
}
