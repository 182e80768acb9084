// H6: all of these from one run to the next. llama.cpp #14795: the same graph run again, with the rotation of the input
// copies out of step, read the copies of another run; #20463: the next micro-batch's inputs came over those in use.

#include <gtest/gtest.h>

#include "bug.h"

namespace ggml_sched::test {
namespace {

constexpr float kValues[] = {1.0f, 2.0f, 3.0f, 4.0f, 5.0f, 6.0f, 7.0f, 8.0f, 9.0f};

// A graph over two devices, a stage on each
struct Stages {
    ggml_tensor * input;
    ggml_tensor * result;

    Stages(Job & job, const Rig & rig) {
        input = job.input("tokens");
        ggml_tensor * first = job.node("first stage", rig.device(0), ggml_scale(job.ctx(), input, 2.0f));
        ggml_tensor * middle = job.node("handed over", rig.device(1), ggml_cont(job.ctx(), first));
        result = job.output("second stage", rig.device(1), ggml_scale(job.ctx(), middle, 10.0f));
    }
};

// The same allocated graph, run after run, nobody waiting. With `parallel` its copies would rotate, but do not.
Outcome run_again(Rig & rig) {
    Job job(rig);
    const Stages stages(job, rig);
    for (const float value : kValues) {
        job.write(stages.input, value);
        if (!job.run()) {
            break;
        }
        job.expect(stages.result, 20.0f * value);
    }
    return job.finish();
}

// Built and allocated anew for each run, as engines do
Outcome allocated_again(Rig & rig) {
    std::vector<std::unique_ptr<Job>> jobs; // their graphs are in flight
    for (const float value : kValues) {
        ggml_backend_sched_reset(rig.sched());
        jobs.push_back(std::make_unique<Job>(rig));
        Job & job = *jobs.back();
        const Stages stages(job, rig);
        job.write(stages.input, value);
        if (!job.run()) {
            return job.finish();
        }
        job.expect(stages.result, 20.0f * value);
    }
    for (const std::unique_ptr<Job> & job : jobs) {
        Outcome outcome = job->finish();
        if (!outcome.wrong.empty() || job == jobs.back()) {
            return outcome;
        }
    }
    return {};
}

// #14795: a cache in host memory is written by the CPU while the device still fetches what the last run left there.
Outcome cache_written_again(Rig & rig) {
    Job job(rig);
    ggml_context * ctx = job.ctx();
    ggml_tensor * cache = job.lasting("cache", rig.cpu(), 0.0f);
    ggml_tensor * input = job.input("tokens");
    ggml_tensor * fresh = job.node("fresh", rig.cpu(), ggml_scale(ctx, input, 2.0f));
    job.node("store", rig.cpu(), ggml_cpy(ctx, fresh, cache));
    ggml_tensor * used = job.output("use of the cache", rig.device(0), ggml_scale(ctx, cache, 10.0f));
    for (const float value : kValues) {
        job.write(input, value);
        if (!job.run()) {
            break;
        }
        job.expect(used, 20.0f * value);
    }
    return job.finish();
}

std::vector<Bug> bugs() {
    std::vector<Bug> result;
    for (const bool parallel : {false, true}) {
        RigOptions options;
        options.devices = {GGML_SIM_PROFILE_CUDA, GGML_SIM_PROFILE_CUDA};
        options.parallel = parallel;
        const std::string name = parallel ? ", copies that rotate" : ", one copy";
        result.push_back({"run again" + name, options, run_again});
        result.push_back({"cache written again" + name, options, cache_written_again});
        if (!parallel) { // with rotating copies, the bound on the runs in flight protects them
            result.push_back({"allocated again" + name, options, allocated_again});
        }
    }
    return result;
}

constexpr plan::Rule kRule = plan::Rule::EarlierRuns;

TEST(EarlierRuns, AreRight) {
    expect_right(bugs());
}

TEST(EarlierRuns, AreRightWhenCopiesRotate) {
    RigOptions options;
    options.devices = {GGML_SIM_PROFILE_CUDA, GGML_SIM_PROFILE_CUDA};
    options.parallel = true;
    expect_right({{"allocated again, copies that rotate", options, allocated_again}});
}

TEST(EarlierRuns, AreSeenWithoutTheRule) {
    expect_wrong(bugs(), {kRule});
}

TEST(EarlierRuns, AreRefusedByTheVerifier) {
    expect_refused(bugs(), {kRule}, "write-after-");
}

} // namespace
} // namespace ggml_sched::test
