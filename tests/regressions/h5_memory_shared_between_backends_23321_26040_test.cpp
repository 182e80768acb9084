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
    return job.run_with(input, {1.0f, 2.0f, 3.0f}, Job::Between::Synchronize, [&](float value) {
        job.expect(on_device, 20.0f * value);
        job.expect(result, 4.0f * value);
    });
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
    return job.run_with(input, {1.0f, 2.0f, 3.0f}, Job::Between::Synchronize,
                        [&](float value) { job.expect(used, 20.0f * value); });
}

constexpr ggml_sim_profile kUma = GGML_SIM_PROFILE_UMA;

std::vector<Bug> reads() {
    return {
        on_devices("read in place", {kUma}, [](Rig & rig) { return read_in_place(rig, -1); }),
        on_devices("read in place, not by the split before", {kUma, kUma},
                   [](Rig & rig) { return read_in_place(rig, 1); }),
    };
}
std::vector<Bug> writes() {
    return {on_devices("written in place", {kUma, kUma}, written_in_place)};
}

constexpr plan::Rule kRule = plan::Rule::SharedMemory;

TEST(MemorySharedBetweenBackends, IsRight) {
    expect_right(reads());
    expect_right(writes());
}

TEST(MemorySharedBetweenBackends, IsSeenWithoutTheRule) {
    expect_wrong(reads(), {kRule});
    expect_wrong(writes(), {kRule});
}

TEST(MemorySharedBetweenBackends, IsRefusedByTheVerifier) {
    expect_refused(reads(), {kRule}, "write-after-read hazard");
    expect_refused(writes(), {kRule}, "read-after-write hazard");
}

} // namespace
} // namespace ggml_sched::test
