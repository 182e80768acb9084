// H2: a copy overwrites a slot that its destination still reads. llama.cpp #20793, on HIP: the copy runs on the
// source's queue, so the order of the destination's queue does not protect the slot; hence events per input backend.

#include <gtest/gtest.h>

#include "bug.h"

namespace ggml_sched::test {
namespace {

// The second device is handed two results of the first, one after the other, and the allocator puts both copies in the
// same place. The first device is ahead: it could send the second while the first is still being read.
Outcome two_parcels(Rig & rig) {
    Job job(rig);
    ggml_context * ctx = job.ctx();
    ggml_tensor * input = job.input("tokens");
    ggml_tensor * parcel1 = job.node("parcel 1", rig.device(0), ggml_scale(ctx, input, 2.0f));
    ggml_tensor * use1 = job.node("use of parcel 1", rig.device(1), ggml_cont(ctx, parcel1)); // never done in place
    ggml_tensor * parcel2 = job.node("parcel 2", rig.device(0), ggml_scale(ctx, input, 3.0f));
    ggml_tensor * both = job.output("both", rig.device(1), ggml_add(ctx, use1, parcel2));
    return job.run_with(input, {1.0f, 2.0f, 3.0f}, Job::Between::Nothing,
                        [&](float value) { job.expect(both, 5.0f * value); });
}

std::vector<Bug> bugs() {
    return {on_devices("two cuda devices", {GGML_SIM_PROFILE_CUDA, GGML_SIM_PROFILE_CUDA}, two_parcels),
            on_devices("two devices without events", {GGML_SIM_PROFILE_NO_EVENTS, GGML_SIM_PROFILE_NO_EVENTS},
                       two_parcels)};
}

constexpr plan::Rule kRule = plan::Rule::SlotFreeBeforeCopy;

TEST(CopyOverwritesSlotInUse, IsRight) {
    expect_right(bugs());
}

TEST(CopyOverwritesSlotInUse, IsSeenWithoutTheRule) {
    expect_wrong(bugs(), {kRule});
}

TEST(CopyOverwritesSlotInUse, IsRefusedByTheVerifier) {
    expect_refused(bugs(), {kRule}, "write-after-read hazard");
}

TEST(CopyOverwritesSlotInUse, IsPreventedWithoutTheHost) {
    RigOptions options = bugs().front().options;
    Rig rig(options);
    EXPECT_EQ(two_parcels(rig).wrong, "");
    EXPECT_EQ(rig.stats().host_waits, 0u) << rig.plan();
    EXPECT_GT(rig.stats().device_waits, 0u) << rig.plan();
}

} // namespace
} // namespace ggml_sched::test
