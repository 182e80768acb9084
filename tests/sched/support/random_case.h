// RandomCase - a random job for a scheduler, and its answer: graphs over several devices, run many times with inputs,
// caches, weights anywhere, in-place operations, rebuilds and runs in flight. The answer comes from the CPU alone.
//
// Everything follows from the seed. Inputs are overwritten with garbage as soon as a call returns, and results are
// fetched as engines do it: enqueued on the backend that holds them, read after the next synchronize.

#pragma once

#include <string>

#include "support/rig.h"

namespace ggml_sched::test {

struct CaseOptions {
    uint64_t seed = 1;
    int n_runs = 12;
    int max_ops = 40;
    std::vector<ggml_sim_profile> profiles = {GGML_SIM_PROFILE_CUDA, GGML_SIM_PROFILE_VULKAN,
                                              GGML_SIM_PROFILE_NO_EVENTS, GGML_SIM_PROFILE_NO_ASYNC,
                                              GGML_SIM_PROFILE_UMA}; // to choose devices from
    int max_devices = 4;
};

// "" if every result is that of the CPU, bit by bit, and the library found nothing wrong; else what differs first.
std::string run_random_case(const CaseOptions & options);

} // namespace ggml_sched::test
