// job.h - one run of the tool: everything that it computes and counts.

#pragma once

#include "options.h"

#include "tasks.h"

#include <optional>
#include <string>
#include <vector>

namespace sched_run {

struct Report {
    std::string model;
    int n_layer = 0;
    std::vector<std::string> devices;
    std::vector<std::string> layers_on; // the output is the last entry
    int n_splits = 0;
    int n_copies = 0;
    std::string sync;
    std::optional<engine::Perplexity> perplexity;
    std::optional<std::string> text;
    std::string logits_hash;
    size_t n_tokens = 0;
    double seconds = 0;
    std::optional<double> virtual_us; // where all devices beside the CPU are simulated
    ggml_sched_stats stats = {};      // of the last repetition
    std::vector<std::string> pattern; // per split, of the last run
    std::string plan;                 // of the last run
};

struct Outcome {
    std::optional<Report> report; // none: see error
    std::string error;
    int exit_code = 0;
};

Outcome run_job(const Options & options);

} // namespace sched_run
