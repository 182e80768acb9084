// H1: a launch reads an input copy before it has landed. llama.cpp #20463: a scheduler that had stopped waiting for its
// copies gave a perplexity of 2382 on several GPUs, where it should have been about 10.

#include <gtest/gtest.h>

#include "bug.h"

namespace ggml_sched::test {
namespace {

// One backend computes, another one goes on with the result. Two queues meet only at the copy, and where it passes
// through host memory nothing but a wait keeps the second half of the copy, or the reader, behind the first.
Outcome hand_over(Rig & rig, ggml_backend_t from, ggml_backend_t to) {
    Job job(rig);
    ggml_tensor * input = job.input("tokens");
    ggml_tensor * first = job.node("first half", from, ggml_scale(job.ctx(), input, 2.0f));
    ggml_tensor * second = job.output("second half", to, ggml_scale_bias(job.ctx(), first, 1.0f, 1.0f));
    return job.run_with(input, {1.0f, 2.0f, 3.0f}, Job::Between::Nothing,
                        [&](float value) { job.expect(second, 2.0f * value + 1.0f); });
}

Bug device_to_cpu(ggml_sim_profile profile) {
    RigOptions options;
    options.devices = {profile};
    return {std::string(ggml_sim_profile_name(profile)) + " to CPU", options,
            [](Rig & rig) { return hand_over(rig, rig.device(0), rig.cpu()); }};
}

Bug device_to_device(ggml_sim_profile from, ggml_sim_profile to) {
    RigOptions options;
    options.devices = {from, to};
    return {std::string(ggml_sim_profile_name(from)) + " to " + ggml_sim_profile_name(to), options,
            [](Rig & rig) { return hand_over(rig, rig.device(0), rig.device(1)); }};
}

std::vector<Bug> bugs() {
    return {
        device_to_cpu(GGML_SIM_PROFILE_CUDA),
        device_to_cpu(GGML_SIM_PROFILE_VULKAN),
        device_to_cpu(GGML_SIM_PROFILE_NO_EVENTS),
        device_to_device(GGML_SIM_PROFILE_VULKAN, GGML_SIM_PROFILE_VULKAN), // no copy between them: staged on the host
        device_to_device(GGML_SIM_PROFILE_CUDA, GGML_SIM_PROFILE_VULKAN),
        device_to_device(GGML_SIM_PROFILE_NO_EVENTS, GGML_SIM_PROFILE_CUDA),
    };
}

constexpr plan::Rule kRule = plan::Rule::CopyLandsBeforeUse;

TEST(InputCopyNotLanded, IsRight) {
    expect_right(bugs());
}

TEST(InputCopyNotLanded, IsSeenWithoutTheRule) {
    expect_wrong(bugs(), {kRule});
}

TEST(InputCopyNotLanded, IsRefusedByTheVerifier) {
    expect_refused(bugs(), {kRule}, "read-after-write hazard");
}

} // namespace
} // namespace ggml_sched::test
