// H10: an operation that writes into its operand ran on another backend's copy of that operand, and the write was lost.
// llama.cpp #27311.

#include <gtest/gtest.h>

#include "bug.h"

namespace ggml_sched::test {
namespace {

using Write = ggml_tensor * (*) (ggml_context *, ggml_tensor * cache, ggml_tensor * fresh);

ggml_tensor * by_cpy(ggml_context * ctx, ggml_tensor * cache, ggml_tensor * fresh) {
    return ggml_cpy(ctx, fresh, ggml_view_1d(ctx, cache, kSmall, 0));
}
ggml_tensor * by_set(ggml_context * ctx, ggml_tensor * cache, ggml_tensor * fresh) {
    return ggml_set_1d_inplace(ctx, cache, fresh, 0);
}
ggml_tensor * by_set_rows(ggml_context * ctx, ggml_tensor * cache, ggml_tensor * fresh) {
    return ggml_set_rows(ctx, cache, fresh, ggml_argmax(ctx, fresh)); // row 0, the only one
}
ggml_tensor * by_adding(ggml_context * ctx, ggml_tensor * cache, ggml_tensor * fresh) {
    return ggml_add_inplace(ctx, cache, fresh);
}

// A cache in host memory; the caller asks that what writes into it runs on the device.
Outcome store(Rig & rig, Write write) {
    Job job(rig);
    ggml_context * ctx = job.ctx();
    ggml_tensor * cache = job.lasting("cache", rig.cpu(), 0.0f);
    ggml_tensor * input = job.input("tokens");
    ggml_tensor * fresh = job.node("fresh", rig.device(0), ggml_scale(ctx, input, 2.0f));
    ggml_tensor * stored = job.node("store", rig.device(0), write(ctx, cache, fresh));
    ggml_tensor * used = job.output("use", rig.cpu(), ggml_scale(ctx, stored, 10.0f));
    job.write(input, 1.0f);
    if (job.run()) {
        job.expect(used, 20.0f);
    }
    const LogCapture log; // of a device that cannot write there
    ggml_backend_sched_synchronize(rig.sched());
    if (const float value = read_floats(cache)[0]; value != 2.0f) {
        job.fail("the cache holds " + std::to_string(value) + " instead of 2");
    }
    return job.finish();
}

std::vector<Bug> bugs(bool expect_violations) {
    struct Named {
        const char * name;
        Write write;
    };
    std::vector<Bug> result;
    for (const Named & op : {Named{"CPY", by_cpy}, Named{"SET", by_set}, Named{"SET_ROWS", by_set_rows},
                             Named{"ADD in place", by_adding}}) {
        for (const auto profile :
             {GGML_SIM_PROFILE_CUDA, GGML_SIM_PROFILE_VULKAN, GGML_SIM_PROFILE_NO_EVENTS, GGML_SIM_PROFILE_NO_ASYNC}) {
            RigOptions options;
            options.devices = {profile};
            options.expect_violations = expect_violations;
            result.push_back({std::string(op.name) + ", " + ggml_sim_profile_name(profile), options,
                              [write = op.write](Rig & rig) { return store(rig, write); }});
        }
    }
    return result;
}

TEST(WriteIntoACopy, IsRight) {
    expect_right(bugs(false));
}

// The devices notice that they are to write into host memory, and refuse: the write does not happen.
TEST(WriteIntoACopy, IsSeenWithoutTheRule) {
    for (const Bug & bug : bugs(true)) {
        RigOptions options = bug.options;
        Rig rig(options);
        switch_off(rig, {plan::Rule::WritesInPlace});
        EXPECT_NE(bug.play(rig).wrong, "") << bug.name;
    }
}

} // namespace
} // namespace ggml_sched::test
