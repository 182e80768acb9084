// H7: the caller overwrites an input right after graph_compute_async has returned. llama.cpp #27506: 7.72 became 3024;
// #27572: so it does where the device reads host memory in place.

#include <gtest/gtest.h>

#include "bug.h"

namespace ggml_sched::test {
namespace {

constexpr float kGarbage = -1e6f;

// Inputs are the caller's again as soon as the call returns.
Outcome overwritten_at_once(Rig & rig, int64_t n) {
    Job job(rig);
    ggml_context * ctx = job.ctx();
    ggml_tensor * input = job.input("tokens", n);
    ggml_tensor * positions = job.input("positions", n);
    ggml_tensor * sum = job.node("sum", rig.device(0), ggml_add(ctx, input, positions));
    ggml_tensor * result = job.output("result", rig.device(0), ggml_scale(ctx, sum, 10.0f));
    for (const float value : {1.0f, 2.0f, 3.0f}) {
        job.write(input, value);
        job.write(positions, 0.5f);
        if (!job.run()) {
            break;
        }
        job.write(input, kGarbage);
        job.write(positions, kGarbage);
        job.expect(result, 10.0f * value + 5.0f);
    }
    return job.finish();
}

std::vector<Bug> bugs_with(const std::string & name, int64_t n, size_t snapshot_limit) {
    std::vector<Bug> result;
    for (const auto profile :
         {GGML_SIM_PROFILE_CUDA, GGML_SIM_PROFILE_VULKAN, GGML_SIM_PROFILE_NO_EVENTS, GGML_SIM_PROFILE_UMA}) {
        for (const bool parallel : {false, true}) {
            RigOptions options;
            options.devices = {profile};
            options.parallel = parallel;
            options.snapshot_limit = snapshot_limit;
            result.push_back({name + ", " + ggml_sim_profile_name(profile) + (parallel ? ", parallel" : ""), options,
                              [n](Rig & rig) { return overwritten_at_once(rig, n); }});
        }
    }
    return result;
}

// Copied aside, or straight
std::vector<Bug> bugs() {
    std::vector<Bug> result = bugs_with("copied aside", kSmall, SIZE_MAX);
    const std::vector<Bug> straight = bugs_with("copied straight", kSmall, 0);
    result.insert(result.end(), straight.begin(), straight.end());
    return result;
}

constexpr plan::Rule kRule = plan::Rule::CallerInputs;

TEST(InputsOverwrittenByTheCaller, IsRight) {
    expect_right(bugs());
    // Out of pageable memory these are staged, so they would be right without the rule, too.
    std::vector<Bug> large = bugs_with("large", kLarge, SIZE_MAX);
#ifdef GGML_SCHED_TEST_THIN
    large.resize(2); // one kind of device, alone and parallel
#endif
    expect_right(large);
}

TEST(InputsOverwrittenByTheCaller, IsSeenWithoutTheRule) {
    expect_wrong(bugs(), {kRule});
}

TEST(InputsOverwrittenByTheCaller, IsRefusedByTheVerifier) {
    expect_refused(bugs(), {kRule}, "write-after-read hazard");
}

} // namespace
} // namespace ggml_sched::test
