// runner.h - one run of the engine in this process, and what it left behind.

#pragma once

#include "session.h"
#include "tasks.h"

#include "ggml-sim.h"

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

namespace tests {

// A model on its devices. Only one at a time may use simulated devices.
struct Loaded {
    std::unique_ptr<engine::DeviceSet> devices;
    std::unique_ptr<engine::Model> model;
    std::string error; // empty: success
};

constexpr int kAllLayers = 1 << 20;

Loaded load(const std::string & path, const std::string & device_list, int ngl = kAllLayers, int n_threads = 1);

struct Job {
    std::string text;   // for the perplexity; may be empty
    std::string prompt; // continued by n_generate tokens unless that is 0
    int n_generate = 0;
    std::function<void()> between = {}; // called now and then
};

struct Outcome {
    std::string error; // empty: success
    std::string hash;
    double perplexity = 0;
    std::string generated;
    ggml_sched_stats stats = {};
    ggml_sim_counters counters = {};
    size_t n_micro_batches = 0; // how many the job should have taken

    // What must not depend on devices, modes and seeds
    bool same_results(const Outcome & o) const {
        return error.empty() && o.error.empty() && hash == o.hash && perplexity == o.perplexity &&
               generated == o.generated;
    }
};

Outcome run(const Loaded & loaded, const engine::SessionConfig & config, const Job & job);

std::string own_model_path(); // models/grammar-1m.gguf
std::string held_out_text();  // models/grammar-held-out.txt

} // namespace tests
