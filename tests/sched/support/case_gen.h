// Random cases, and smaller ones.

#pragma once

#include <rapidcheck.h>

#include "support/case.h"

namespace ggml_sched::test {

struct CaseOptions {
    std::vector<ggml_sim_profile> profiles = {GGML_SIM_PROFILE_CUDA, GGML_SIM_PROFILE_VULKAN,
                                              GGML_SIM_PROFILE_NO_EVENTS, GGML_SIM_PROFILE_NO_ASYNC,
                                              GGML_SIM_PROFILE_UMA}; // to choose devices from
    int max_devices = 6;
    int max_runs = 12;
    int max_nodes = 40;          // most graphs have fewer: it grows with RapidCheck's size
    int max_nodes_of_large = 40; // of every tenth case or so
    bool observed = true;        // eval callbacks, too
    bool alike = false;          // all graphs differ little, and each run builds one: much may be kept, and some not
    bool host = true;            // something is on the CPU, the host copies and waits; else only inputs, and mode auto
};

rc::Gen<Case> cases(const CaseOptions & options = {});

// Cases a step smaller than this one, the boldest steps first
rc::Seq<Case> smaller(const Case & job);

} // namespace ggml_sched::test
