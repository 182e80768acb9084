// Scenario - a machine and a series of runs on it; random ones, and smaller ones for RapidCheck.

#pragma once

#include <cstdint>
#include <iosfwd>
#include <vector>

#include <rapidcheck.h>

#include "plan/planner.h"

namespace plan_test {

namespace plan = ggml_sched::plan;

struct ScenarioOptions {
    int min_runs = 2;
    int max_runs = 7;
    int max_tasks = 14;
    bool auto_mode_only = false;
};

struct Scenario {
    struct Run {
        plan::Program program;
        bool synchronize_before = false;
    };

    uint64_t seed; // of what a test of it chooses at random
    plan::Machine machine;
    std::vector<Run> runs;
};

rc::Gen<Scenario> scenarios(const ScenarioOptions & options = {});

void showValue(const Scenario & scenario, std::ostream & out); // the name by which RapidCheck finds it

} // namespace plan_test
