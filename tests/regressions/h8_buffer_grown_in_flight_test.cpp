// H8: a buffer is freed, or grown, while something in flight uses it: a larger batch is allocated, or room for one is
// reserved, while the pipeline is still at work on the last one.

#include <gtest/gtest.h>

#include "bug.h"

namespace ggml_sched::test {
namespace {

constexpr int64_t kBig = 64 * kSmall;

ggml_tensor * build(Job & job, const Rig & rig, int64_t n, ggml_tensor *& input) {
    input = job.input("tokens", n);
    ggml_tensor * doubled = job.node("doubled", rig.device(0), ggml_scale(job.ctx(), input, 2.0f));
    return job.output("result", rig.device(0), ggml_scale_bias(job.ctx(), doubled, 1.0f, 1.0f));
}

// A small batch in flight, then a larger one that needs a larger buffer.
Outcome grow(Rig & rig, bool reserve) {
    ggml_tensor * input = nullptr;
    Job small(rig);
    ggml_tensor * first = build(small, rig, kSmall, input);
    small.write(input, 1.0f);
    if (!small.run()) {
        return small.finish();
    }
    small.expect(first, 3.0f);

    const LogCapture log; // of what the devices say about it
    ggml_backend_sched_reset(rig.sched());
    Job large(rig);
    ggml_tensor * second = build(large, rig, kBig, input);
    if (reserve) {
        large.reserve();
    }
    large.write(input, 2.0f);
    if (!large.run()) {
        return large.finish();
    }
    large.expect(second, 5.0f);
    const Outcome outcome = small.finish();
    return outcome.wrong.empty() ? large.finish() : outcome;
}

constexpr ggml_sim_profile kProfiles[] = {GGML_SIM_PROFILE_CUDA, GGML_SIM_PROFILE_VULKAN, GGML_SIM_PROFILE_NO_EVENTS,
                                          GGML_SIM_PROFILE_UMA};

std::vector<Bug> bugs(bool expect_violations) {
    std::vector<Bug> result;
    for (const ggml_sim_profile profile : kProfiles) {
        RigOptions options;
        options.devices = {profile};
        options.expect_violations = expect_violations;
        result.push_back({ggml_sim_profile_name(profile), options, [](Rig & rig) { return grow(rig, false); }});
    }
    return result;
}

TEST(BufferGrownInFlight, IsRight) {
    std::vector<Bug> all = bugs(false);
    expect_right(all);
    for (Bug & bug : all) {
        bug.name += ", reserved";
        bug.play = [](Rig & rig) { return grow(rig, true); };
    }
    expect_right(all);
}

TEST(BufferGrownInFlight, IsSeenWithoutTheRule) {
    for (const Bug & bug : bugs(true)) {
        RigOptions options = bug.options;
        options.seed = 0;
        Rig rig(options); // fails the test unless the device sees its memory go
        switch_off(rig, {plan::Rule::BufferGrowth});
        bug.play(rig);
    }
}

} // namespace
} // namespace ggml_sched::test
