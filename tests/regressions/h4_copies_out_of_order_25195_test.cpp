// H4: two copies into the same bytes, out of order. llama.cpp #25195: expert weights were uploaded again and again into
// one device buffer, through a queue that did not keep the uploads in order.
//
// Copies on one queue are kept in order by the backend; here two devices send to a third, each on its own queue, and
// both parcels get the same place. Every copy has a reader, so the rule of H2 (wait for the slot's reader) implies this
// one: to see what this rule does, the other one is off, too. Then the reader of the first parcel may find the second,
// but the reader of the second must not find the first.

#include <gtest/gtest.h>

#include "bug.h"

namespace ggml_sched::test {
namespace {

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
    for (const float value : {1.0f, 2.0f, 3.0f}) {
        job.write(input, value);
        if (!job.run()) {
            break;
        }
        job.expect(result, 3.0f * value);
        ggml_backend_sched_synchronize(rig.sched());
    }
    return job.finish();
}

Bug bug() {
    RigOptions options;
    options.devices = {GGML_SIM_PROFILE_CUDA, GGML_SIM_PROFILE_CUDA, GGML_SIM_PROFILE_CUDA};
    return {"two senders", options, two_senders};
}

constexpr plan::Rule kRule = plan::Rule::CopiesInOrder;
constexpr plan::Rule kImplies = plan::Rule::SlotFreeBeforeCopy;

TEST(CopiesOutOfOrder, IsRight) {
    expect_right({bug()});
}

TEST(CopiesOutOfOrder, IsSeenWithoutTheRule) {
    expect_wrong({bug()}, {kRule, kImplies});
}

TEST(CopiesOutOfOrder, IsRefusedByTheVerifier) {
    expect_refused({bug()}, {kRule, kImplies}, "write-after-"); // names one of the two hazards
}

TEST(CopiesOutOfOrder, IsPreventedByEitherRule) {
    expect_right({bug()}, {kRule});
    expect_right({bug()}, {kImplies});
}

} // namespace
} // namespace ggml_sched::test
