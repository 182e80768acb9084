// H5: backends that share memory, and the allocator reuses it. llama.cpp #23321, #26040: a CPU split without inputs had
// nothing to wait for, ran at once, and wrote over memory that the device of an earlier split had yet to read.

#include <gtest/gtest.h>

#include "bug.h"

namespace ggml_sched::test {
namespace {

// A device that uses host memory in place reads what the CPU computed; then the CPU computes something else, which gets
// the same memory. Neither split copies anything. `between` is the device of a split in between, or -1.
Outcome read_in_place(Rig & rig, int between) {
    Job job(rig);
    ggml_context * ctx = job.ctx();
    ggml_tensor * input = job.input("tokens");
    ggml_tensor * embedding = job.node("embedding", rig.cpu(), ggml_scale(ctx, input, 2.0f));
    ggml_tensor * on_device = job.output("on the device", rig.device(0), ggml_scale(ctx, embedding, 10.0f));
    if (between >= 0) {
        ggml_tensor * other = job.lasting("other", rig.device(between), 1.0f);
        job.output("split in between", rig.device(between), ggml_scale(ctx, other, 7.0f));
    }
    ggml_tensor * next = job.node("next on the CPU", rig.cpu(), ggml_scale(ctx, input, 3.0f));
    ggml_tensor * result = job.output("result", rig.cpu(), ggml_add(ctx, next, input));
    for (const float value : {1.0f, 2.0f, 3.0f}) {
        job.write(input, value);
        if (!job.run()) {
            break;
        }
        job.expect(on_device, 20.0f * value);
        job.expect(result, 4.0f * value);
        ggml_backend_sched_synchronize(rig.sched());
    }
    return job.finish();
}

// Two such devices and a state in host memory: one writes it, the other reads it.
Outcome written_in_place(Rig & rig) {
    Job job(rig);
    ggml_context * ctx = job.ctx();
    ggml_tensor * state = job.lasting("state", rig.cpu(), 5.0f);
    ggml_tensor * input = job.input("tokens");
    ggml_tensor * fresh = job.node("fresh", rig.device(0), ggml_scale(ctx, input, 2.0f));
    ggml_tensor * stored = job.node("stored", rig.device(0), ggml_cpy(ctx, fresh, state));
    ggml_tensor * used = job.output("used", rig.device(1), ggml_scale(ctx, stored, 10.0f));
    for (const float value : {1.0f, 2.0f, 3.0f}) {
        job.write(input, value);
        if (!job.run()) {
            break;
        }
        job.expect(used, 20.0f * value);
        ggml_backend_sched_synchronize(rig.sched());
    }
    return job.finish();
}

std::vector<Bug> bugs() {
    RigOptions one;
    one.devices = {GGML_SIM_PROFILE_UMA};
    RigOptions two;
    two.devices = {GGML_SIM_PROFILE_UMA, GGML_SIM_PROFILE_UMA};
    return {
        {"read in place", one, [](Rig & rig) { return read_in_place(rig, -1); }},
        {"read in place, not by the split before", two, [](Rig & rig) { return read_in_place(rig, 1); }},
        {"written in place", two, written_in_place},
    };
}

constexpr plan::Rule kRule = plan::Rule::SharedMemory;

TEST(MemorySharedBetweenBackends, IsRight) {
    for (const Bug & bug : bugs()) {
        expect_right(bug);
    }
}

TEST(MemorySharedBetweenBackends, IsSeenWithoutTheRule) {
    for (const Bug & bug : bugs()) {
        expect_wrong(bug, {kRule});
    }
}

TEST(MemorySharedBetweenBackends, IsRefusedByTheVerifier) {
    const std::vector<Bug> all = bugs();
    expect_refused(all[0], {kRule}, "write-after-read hazard");
    expect_refused(all[1], {kRule}, "write-after-read hazard");
    expect_refused(all[2], {kRule}, "read-after-write hazard");
}

} // namespace
} // namespace ggml_sched::test
