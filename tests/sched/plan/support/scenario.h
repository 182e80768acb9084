// Scenario - a random machine and a random series of runs on it, from a seed.

#pragma once

#include <cstdint>
#include <functional>
#include <random>
#include <string>
#include <vector>

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

    uint64_t seed;
    plan::Machine machine;
    std::vector<Run> runs;
};

Scenario random_scenario(uint64_t seed, const ScenarioOptions & options = {});

// Calls `check` with as many seeds as asked for, times GGML_SCHED_TEST_FACTOR; only with GGML_SCHED_TEST_SEED if that
// is set. Stops at the first seed whose check fails, and names it.
void for_each_seed(int count, const std::function<void(uint64_t seed)> & check);

} // namespace plan_test
