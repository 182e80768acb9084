// H3: the producer overwrites a copy's source before the copy has read it. llama.cpp #8685: the CPU wrote the next
// values over those that the GPU had yet to fetch; the perplexity went from 7.10 to 26727.

#include <gtest/gtest.h>

#include "bug.h"

namespace ggml_sched::test {
namespace {

// The CPU computes something, a device fetches it on its own queue, straight, and the CPU's next split gets the same
// memory.
Outcome reused_memory(Rig & rig) {
    Job job(rig);
    ggml_context * ctx = job.ctx();
    ggml_tensor * input = job.input("tokens");
    ggml_tensor * embedding = job.node("embedding", rig.cpu(), ggml_scale(ctx, input, 2.0f));
    ggml_tensor * on_device = job.output("on the device", rig.device(0), ggml_scale(ctx, embedding, 10.0f));
    ggml_tensor * next = job.node("next on the CPU", rig.cpu(), ggml_scale(ctx, input, 3.0f));
    ggml_tensor * result = job.output("result", rig.cpu(), ggml_add(ctx, next, input));
    return job.run_with(input, {1.0f, 2.0f}, Job::Between::Synchronize, [&](float value) {
        job.expect(on_device, 20.0f * value);
        job.expect(result, 4.0f * value);
    });
}

// A state in host memory: the device reads what it was, then the CPU brings it up to date.
Outcome updated_state(Rig & rig) {
    Job job(rig);
    ggml_context * ctx = job.ctx();
    ggml_tensor * state = job.lasting("state", rig.cpu(), 5.0f);
    ggml_tensor * input = job.input("tokens");
    ggml_tensor * used = job.output("use of the old state", rig.device(0), ggml_add(ctx, state, input));
    ggml_tensor * sum = job.node("new state", rig.cpu(), ggml_scale(ctx, input, 100.0f));
    job.node("store", rig.cpu(), ggml_cpy(ctx, sum, state));
    float expected_state = 5.0f;
    return job.run_with(input, {1.0f, 2.0f}, Job::Between::Synchronize, [&](float value) {
        job.expect(used, expected_state + value);
        expected_state = 100.0f * value;
    });
}

std::vector<Bug> bugs() {
    const auto profiles = {GGML_SIM_PROFILE_CUDA, GGML_SIM_PROFILE_VULKAN, GGML_SIM_PROFILE_NO_EVENTS};
    std::vector<Bug> result = on_one_device("reused memory", profiles, reused_memory);
    for (Bug & bug : result) {
        bug.options.snapshot_limit = 0; // nothing is copied aside
    }
    for (Bug & bug : on_one_device("updated state", profiles, updated_state)) {
        result.push_back(std::move(bug));
    }
    return result;
}

constexpr plan::Rule kRule = plan::Rule::SourceKeptUntilCopied;

TEST(SourceOverwrittenBeforeCopy, IsRight) {
    expect_right(bugs());
}

TEST(SourceOverwrittenBeforeCopy, IsSeenWithoutTheRule) {
    expect_wrong(bugs(), {kRule});
}

TEST(SourceOverwrittenBeforeCopy, IsRefusedByTheVerifier) {
    expect_refused(bugs(), {kRule}, "write-after-read hazard");
}

} // namespace
} // namespace ggml_sched::test
