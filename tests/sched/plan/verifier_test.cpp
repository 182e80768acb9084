// What the verifier sees in plans that the planner would not make, and what it says about them.

#include <gtest/gtest.h>

#include "observe/verifier.h"
#include "support/build.h"

using namespace plan_test;
using ggml_sched::observe::Verifier;
using plan::CopyOrder;
using plan::kHost;
using plan::kHostMemory;
using plan::kRing;
using testing::Test;

namespace {

// A plan written by hand: the program's tasks in order, with waits and records put in between.
class PlanBuilder {
  public:
    explicit PlanBuilder(const ProgramBuilder & program) { plan_.program = program.program(); }

    PlanBuilder & task() {
        const plan::Task & task = plan_.program.tasks[next_];
        plan_.steps.push_back({plan::StepKind::Do, task.lane, plan::kWholeLane, task.split, next_});
        next_++;
        return *this;
    }
    PlanBuilder & record(plan::Lane lane, int16_t event) {
        plan_.steps.push_back({plan::StepKind::Record, lane, event});
        return *this;
    }
    PlanBuilder & wait(plan::Lane waiter, plan::Lane target, int16_t event, uint8_t age = 0) {
        plan::Step step = {plan::StepKind::Guard, waiter};
        step.first_wait = static_cast<uint32_t>(plan_.waits.size());
        step.n_waits = 1;
        plan_.steps.push_back(step);
        plan_.waits.push_back({waiter, target, age, event, {}});
        return *this;
    }
    PlanBuilder & rest() {
        while (next_ < plan_.program.tasks.size()) {
            task();
        }
        return *this;
    }
    const plan::Plan & plan() const { return plan_; }

  private:
    plan::Plan plan_;
    uint32_t next_ = 0;
};

class VerifierTest : public Test {
  protected:
    std::string check(const PlanBuilder & builder) const { return verifier_.check(builder.plan()); }
    void note(const PlanBuilder & builder) { verifier_.note(std::make_shared<const plan::Plan>(builder.plan())); }

    const plan::Machine machine_ = machine_with_events(3, 3);
    Verifier verifier_{machine_};
};

ProgramBuilder producer_and_consumer() {
    ProgramBuilder builder;
    builder.launch(1, {write(kMemoryA, 0, 8)}).launch(2, {read(kMemoryA, 4, 12)});
    return builder;
}

} // namespace

TEST_F(VerifierTest, NamesBothTasksTheLanesAndTheCommonBytes) {
    EXPECT_EQ(check(PlanBuilder(producer_and_consumer()).rest()),
              "read-after-write hazard: nothing orders task 0 of run 1 on lane 1 before task 1 of run 1 on lane 2 on "
              "bytes [0x4, 0x8) of space 2; lane 2 would have to wait for lane 1 after task 0 of run 1 on lane 1");
}

TEST_F(VerifierTest, TellsTheKindsOfHazards) {
    const auto check_pair = [&](plan::Access first, plan::Access second) {
        return check(PlanBuilder(ProgramBuilder().launch(1, {first}).launch(2, {second})).rest());
    };
    EXPECT_EQ(check_pair(write(kMemoryA, 0, 8), read(kMemoryA, 7, 8)).find("read-after-write"), 0u);
    EXPECT_EQ(check_pair(read(kMemoryA, 0, 8), write(kMemoryA, 7, 8)).find("write-after-read"), 0u);
    EXPECT_EQ(check_pair(write(kMemoryA, 0, 8), write(kMemoryA, 7, 8)).find("write-after-write"), 0u);
    EXPECT_EQ(check_pair(read(kMemoryA, 0, 8), read(kMemoryA, 7, 8)), "");
    EXPECT_EQ(check_pair(write(kMemoryA, 0, 8), write(kMemoryA, 8, 9)), "");
    EXPECT_EQ(check_pair(write(kMemoryA, 0, 8), write(kMemoryB, 0, 8)), "");
}

TEST_F(VerifierTest, AnEventBehindTheFirstTaskOrdersTheSecond) {
    EXPECT_EQ(check(PlanBuilder(producer_and_consumer()).task().record(1, 0).wait(2, 1, 0).rest()), "");
    EXPECT_EQ(check(PlanBuilder(producer_and_consumer()).task().record(1, 0).wait(kHost, 1, 0).rest()), "");
    EXPECT_EQ(check(PlanBuilder(producer_and_consumer()).task().wait(kHost, 1, plan::kWholeLane).rest()), "");
}

TEST_F(VerifierTest, AWaitMayBeWrongInManyWays) {
    const ProgramBuilder program = producer_and_consumer();
    EXPECT_NE(check(PlanBuilder(program).record(1, 0).task().wait(2, 1, 0).rest()), "") << "recorded too early";
    EXPECT_NE(check(PlanBuilder(program).task().wait(2, 1, 0).record(1, 0).rest()), "") << "waits before the record";
    EXPECT_NE(check(PlanBuilder(program).task().record(1, 0).rest().wait(2, 1, 0)), "") << "waits behind the task";
    EXPECT_NE(check(PlanBuilder(program).task().record(1, 0).wait(3, 1, 0).rest()), "") << "another lane waits";
    EXPECT_NE(check(PlanBuilder(program).task().record(3, 0).wait(2, 3, 0).rest()), "") << "another lane's event";
    EXPECT_NE(check(PlanBuilder(program).task().record(1, 1).wait(2, 1, 0).rest()), "") << "another event";
    EXPECT_NE(check(PlanBuilder(program).task().record(1, 0).wait(2, 1, 0, 1).rest()), "") << "of another run";
    EXPECT_NE(check(PlanBuilder(program).wait(kHost, 1, plan::kWholeLane).rest()), "") << "drained too early";
}

TEST_F(VerifierTest, AnEventThatIsRecordedTwiceBindsToTheLastRecord) {
    EXPECT_EQ(check(PlanBuilder(producer_and_consumer()).record(1, 0).task().record(1, 0).wait(2, 1, 0).rest()), "");
}

TEST_F(VerifierTest, OrderPassesThroughLanesAndTheHost) {
    ProgramBuilder builder;
    builder.launch(1, {write(kMemoryA, 0, 8)}).launch(2, {}).launch(3, {read(kMemoryA, 0, 8)});
    EXPECT_EQ(check(PlanBuilder(builder).task().record(1, 0).wait(2, 1, 0).task().record(2, 0).wait(3, 2, 0).rest()),
              "");
    EXPECT_EQ(check(PlanBuilder(builder).task().record(1, 0).wait(2, 1, 0).task().wait(kHost, 2, -1).rest()), "");
    EXPECT_NE(check(PlanBuilder(builder).task().record(1, 0).task().wait(2, 1, 0).record(3, 0).wait(3, 3, 0).rest()),
              "");
}

TEST_F(VerifierTest, AnIssueOrderIsNoOrderOfExecution) {
    ProgramBuilder builder;
    builder.launch(1, {write(kHostMemory, 0, 8)}).launch(kHost, {read(kHostMemory, 0, 8)});
    EXPECT_NE(check(PlanBuilder(builder).rest()), "");
    ProgramBuilder other;
    other.launch(kHost, {write(kHostMemory, 0, 8)}).launch(1, {read(kHostMemory, 0, 8)});
    EXPECT_EQ(check(PlanBuilder(other).rest()), "");
}

// H2: the message names the lane on which the wait belongs, which is the source's.
TEST_F(VerifierTest, SeesACopyThatOvertakesItsDestinationsLastUse) {
    for (const CopyOrder order : {CopyOrder::InSource, CopyOrder::Unordered}) {
        ProgramBuilder builder;
        builder.launch(2, {read(kMemoryB, 0, 8)});
        builder.copy(order, 1, 2, read(kMemoryA, 0, 8), write(kMemoryB, 0, 8));
        const std::string text = check(PlanBuilder(builder).rest());
        EXPECT_NE(text.find("write-after-read"), std::string::npos);
        EXPECT_NE(text.find("lane 1 would have to wait for lane 2 after task 0 of run 1"), std::string::npos) << text;
        EXPECT_EQ(check(PlanBuilder(builder).task().record(2, 0).wait(1, 2, 0).rest()), "");
        EXPECT_NE(check(PlanBuilder(builder).task().record(2, 0).wait(2, 2, 0).rest()), "") << "on the wrong lane";
    }
    ProgramBuilder builder;
    builder.launch(2, {read(kMemoryB, 0, 8)});
    builder.copy(CopyOrder::InDestination, 1, 2, read(kMemoryA, 0, 8), write(kMemoryB, 0, 8));
    EXPECT_EQ(check(PlanBuilder(builder).rest()), "");
}

// H3
TEST_F(VerifierTest, SeesACopyWhoseSourceIsOverwritten) {
    for (const CopyOrder order : {CopyOrder::InDestination, CopyOrder::Unordered}) {
        ProgramBuilder builder;
        builder.copy(order, 1, 2, read(kMemoryA, 0, 8), write(kMemoryB, 0, 8)).launch(1, {write(kMemoryA, 0, 8)});
        EXPECT_NE(check(PlanBuilder(builder).rest()).find("write-after-read"), std::string::npos);
        EXPECT_EQ(check(PlanBuilder(builder).task().record(2, 0).wait(1, 2, 0).rest()), "");
    }
    ProgramBuilder builder;
    builder.copy(CopyOrder::InSource, 1, 2, read(kMemoryA, 0, 8), write(kMemoryB, 0, 8));
    EXPECT_EQ(check(PlanBuilder(builder.launch(1, {write(kMemoryA, 0, 8)})).rest()), "");
}

// H4
TEST_F(VerifierTest, SeesTwoCopiesThatMayOvertakeEachOther) {
    ProgramBuilder builder;
    builder.copy(CopyOrder::Unordered, 1, 2, read(kMemoryA, 0, 8), write(kMemoryB, 0, 8));
    builder.copy(CopyOrder::Unordered, 1, 2, read(kMemoryA, 8, 16), write(kMemoryB, 0, 8));
    EXPECT_NE(check(PlanBuilder(builder).rest()).find("write-after-write"), std::string::npos);
    EXPECT_NE(check(PlanBuilder(builder).task().record(1, 0).wait(1, 1, 0).rest()), "")
        << "an event of the source says nothing about the copy";
    EXPECT_EQ(check(PlanBuilder(builder).task().record(2, 0).wait(1, 2, 0).rest()), "");
}

// H7
TEST_F(VerifierTest, SeesInputsThatAreGivenBackTooEarly) {
    ProgramBuilder builder;
    builder.set(1, read(kHostMemory, 0, 8), write(kMemoryA, 0, 8)).give_back({write(kHostMemory, 0, 8)});
    const std::string text = check(PlanBuilder(builder).rest());
    EXPECT_NE(text.find("lane 0 would have to wait for lane 1"), std::string::npos) << text;
    EXPECT_EQ(check(PlanBuilder(builder).task().record(1, 0).wait(kHost, 1, 0).rest()), "");
}

TEST_F(VerifierTest, SeesMemoryThatIsReadAtTheCallBeforeItIsReady) {
    ProgramBuilder builder;
    builder.get(1, read(kMemoryA, 0, 8), write(kHostMemory, 0, 8));
    builder.set_at_call(1, read(kHostMemory, 0, 8), write(kMemoryA, 8, 16));
    EXPECT_NE(check(PlanBuilder(builder).rest()), "") << "being on one lane does not help";
    EXPECT_EQ(check(PlanBuilder(builder).task().record(1, 0).wait(kHost, 1, 0).rest()), "");
}

// H6
TEST_F(VerifierTest, SeesHazardsAcrossRuns) {
    const ProgramBuilder first = ProgramBuilder().launch(1, {write(kMemoryA, 0, 8)});
    const ProgramBuilder second = ProgramBuilder().launch(2, {read(kMemoryA, 0, 8)});
    note(PlanBuilder(first).rest().record(1, 0));
    const std::string text = check(PlanBuilder(second).rest());
    EXPECT_NE(text.find("task 0 of run 1 on lane 1 before task 0 of run 2 on lane 2"), std::string::npos) << text;
    EXPECT_EQ(check(PlanBuilder(second).wait(2, 1, 0, 1).rest()), "");
    EXPECT_NE(check(PlanBuilder(second).wait(2, 1, 0, 0).rest()), "") << "this run has not recorded it";
    EXPECT_NE(check(PlanBuilder(second).wait(2, 1, 0, 2).rest()), "") << "there was no run before the last";
}

TEST_F(VerifierTest, SeesHazardsWithEveryRunThatMayBeInFlight) {
    const ProgramBuilder idle = ProgramBuilder().launch(3, {});
    note(PlanBuilder(ProgramBuilder().launch(1, {write(kMemoryA, 0, 8)})).rest());
    note(PlanBuilder(idle).rest());
    note(PlanBuilder(idle).rest());
    EXPECT_NE(check(PlanBuilder(ProgramBuilder().launch(2, {read(kMemoryA, 0, 8)})).rest()), "");
}

TEST_F(VerifierTest, ForgetsWhatIsComplete) {
    note(PlanBuilder(ProgramBuilder().launch(1, {write(kMemoryA, 0, 8)})).rest());
    verifier_.forget();
    EXPECT_EQ(check(PlanBuilder(ProgramBuilder().launch(2, {read(kMemoryA, 0, 8)})).rest()), "");
}

TEST_F(VerifierTest, ThePartsOfTheRingComeBackAfterAWindow) {
    const ProgramBuilder builder = ProgramBuilder()
                                       .snapshot(read(kHostMemory, 0, 8), write(kRing, 0, 8))
                                       .set(1, read(kRing, 0, 8), write(kMemoryA, 0, 8));
    for (int run = 0; run < 3; run++) {
        EXPECT_EQ(check(PlanBuilder(builder).rest()), "");
        note(PlanBuilder(builder).rest().record(1, 0));
    }
    EXPECT_NE(check(PlanBuilder(builder).rest()).find("of space 1"), std::string::npos);
    EXPECT_EQ(check(PlanBuilder(builder).wait(kHost, 1, 0, 3).rest()), "");
}

TEST_F(VerifierTest, TheCallersReadsAreNamed) {
    note(PlanBuilder(ProgramBuilder().launch(1, {write(kMemoryA, 0, 8)}).caller_read(1, read(kMemoryA, 0, 8)))
             .rest()
             .record(1, 0));
    const ProgramBuilder next = ProgramBuilder().launch(2, {write(kMemoryA, 0, 8)});
    const std::string text = check(PlanBuilder(next).wait(2, 1, 0, 1).rest());
    EXPECT_NE(text.find("the caller's read 0 after run 1 on lane 1 before task 0 of run 2"), std::string::npos) << text;
    EXPECT_EQ(check(PlanBuilder(next).record(1, 0).wait(2, 1, 0).rest()), "");
}

// Found by a search: these reads were forgotten with the run before them, one run too early.
TEST_F(VerifierTest, CallerReadsLastAsLongAsTheNextRun) {
    note(PlanBuilder(ProgramBuilder().launch(1, {write(kMemoryA, 0, 8)}).caller_read(1, read(kMemoryA, 0, 8))).rest());
    for (int i = 0; i < machine_.window; i++) {
        note(PlanBuilder(ProgramBuilder().launch(2, {})).rest());
    }
    const ProgramBuilder last = ProgramBuilder().launch(3, {write(kMemoryA, 0, 8)});
    EXPECT_EQ(check(PlanBuilder(last).rest()).find("write-after-read"), 0u);
    EXPECT_EQ(check(PlanBuilder(last).wait(kHost, 1, plan::kWholeLane).rest()), "");
    note(PlanBuilder(ProgramBuilder().launch(2, {})).rest());
    EXPECT_EQ(check(PlanBuilder(last).rest()), "") << "throttling has waited for it";
}
