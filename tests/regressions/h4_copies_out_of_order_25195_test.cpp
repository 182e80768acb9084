// H4: two copies into the same bytes, out of order. llama.cpp #25195: expert weights were uploaded again and again into
// one device buffer, through a queue that did not keep the uploads in order.
//
// Two set-ups. In the first, as there, nobody reads the first upload: another queue of the device makes the second one.
// The scheduler never asks for such a pair, as each of its copies has a reader, so it is a program that the test writes
// down, planned and simulated as a value.
//
// In the second two devices send to a third, each on its own queue, and both parcels get the same place. The rules of
// H1 and H2 put the reader of the first parcel between the two copies, so with them the order follows without this
// rule: to see what it does, H2's is off, too. Then the reader of the first parcel may find the second, but the reader
// of the second must not find the first.

#include <gtest/gtest.h>

#include "bug.h"
#include "support/build.h"
#include "support/simulator.h"

namespace ggml_sched::test {
namespace {

constexpr plan::Rule kRule = plan::Rule::CopiesInOrder;
constexpr plan::Rule kImplies = plan::Rule::SlotFreeBeforeCopy;

// Lane 1 computes, lane 2 transfers.
class Upload {
  public:
    Upload()
        : machine_(plan_test::machine_with_events(2)) {
        const plan::Access slot = plan_test::write(plan_test::kMemoryA, 0, 8);
        builder_.set(1, plan_test::read(plan::kHostMemory, 0, 8), slot);
        builder_.set(2, plan_test::read(plan::kHostMemory, 8, 16), slot);
        builder_.launch(1, {plan_test::read(plan_test::kMemoryA, 0, 8)});
    }

    void plan_without(RuleSet off) {
        plan::Rules rules;
        for (const plan::Rule rule : off) {
            rules.switch_off(rule);
        }
        plan_ = plan::make_plan(machine_, builder_.program(), {}, rules).plan;
    }
    std::string violation() const { return observe::Verifier(machine_).check(plan_); }

    // What differs from the order of issue if one operation is as late as it can be
    std::string difference() const {
        plan_test::Simulator simulator(machine_);
        simulator.add_run(plan_);
        const plan_test::Outcome truth = simulator.perform_in_order();
        std::string difference;
        for (int late = 0; late < simulator.n_operations() && difference.empty(); late++) {
            plan_test::LateSchedule schedule(late);
            difference = plan_test::difference(simulator, truth, simulator.perform(schedule));
        }
        return difference;
    }

  private:
    const plan::Machine machine_;
    plan_test::ProgramBuilder builder_;
    plan::Plan plan_;
};

TEST(CopiesOutOfOrder, UploadIsRight) {
    Upload upload;
    upload.plan_without({});
    EXPECT_EQ(upload.violation(), "");
    EXPECT_EQ(upload.difference(), "");
}

TEST(CopiesOutOfOrder, UploadIsSeenAndRefusedWithoutTheRule) {
    Upload upload;
    upload.plan_without({kRule});
    EXPECT_NE(upload.difference(), "");
    EXPECT_NE(upload.violation().find("write-after-write hazard"), std::string::npos) << upload.violation();
}

TEST(CopiesOutOfOrder, UploadIsNotPreventedByTheRuleForSlotsInUse) {
    Upload upload;
    upload.plan_without({kImplies});
    EXPECT_EQ(upload.violation(), "");
}

Outcome two_senders(Rig & rig) {
    Job job(rig);
    ggml_context * ctx = job.ctx();
    ggml_backend_t receiver = rig.device(2);
    ggml_tensor * input = job.input("tokens");
    ggml_tensor * early = job.node("early experts", rig.device(0), ggml_scale(ctx, input, 2.0f));
    ggml_tensor * kept = job.node("use of early", receiver, ggml_cont(ctx, early)); // never done in place
    ggml_tensor * late = job.node("late experts", rig.device(1), ggml_scale(ctx, input, 3.0f));
    ggml_tensor * result = job.output("use of late", receiver, ggml_cont(ctx, late));
    job.output("both", receiver, ggml_add(ctx, kept, result));
    return job.run_with(input, {1.0f, 2.0f, 3.0f}, Job::Between::Synchronize,
                        [&](float value) { job.expect(result, 3.0f * value); });
}

std::vector<Bug> bugs() {
    return {
        on_devices("two senders", {GGML_SIM_PROFILE_CUDA, GGML_SIM_PROFILE_CUDA, GGML_SIM_PROFILE_CUDA}, two_senders)};
}

TEST(CopiesOutOfOrder, IsRight) {
    expect_right(bugs());
}

TEST(CopiesOutOfOrder, IsSeenWithoutTheRules) {
    expect_wrong(bugs(), {kRule, kImplies});
}

TEST(CopiesOutOfOrder, IsRefusedByTheVerifier) {
    expect_refused(bugs(), {kRule, kImplies}, "write-after-"); // names one of the two hazards
}

TEST(CopiesOutOfOrder, IsPreventedByEitherRule) {
    expect_right(bugs(), {kRule});
    expect_right(bugs(), {kImplies});
}

} // namespace
} // namespace ggml_sched::test
