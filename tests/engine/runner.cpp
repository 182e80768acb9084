#include "runner.h"

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <iterator>

namespace tests {
namespace {

size_t ceil_div(size_t a, size_t b) {
    return (a + b - 1) / b;
}

size_t expected_micro_batches(const engine::Session & session, int n_ubatch, const Job & job) {
    size_t n = 0;
    const size_t n_tokens = session.model().tokenizer().encode(job.text).size();
    for (size_t begin = 0; begin < n_tokens; begin += session.n_ctx()) {
        n += ceil_div(std::min<size_t>(n_tokens - begin, session.n_ctx()), n_ubatch);
    }
    if (job.n_generate > 0) {
        n += ceil_div(session.model().tokenizer().encode(job.prompt).size() + 1, n_ubatch) + job.n_generate - 1;
    }
    return n;
}

void run_tasks(engine::Session & session, const Job & job, Outcome & outcome) {
    engine::LogitsHash hash;
    const engine::Progress quiet = [&job](size_t, size_t) {
        if (job.between) {
            job.between();
        }
    };
    if (!job.text.empty()) {
        const auto perplexity = engine::measure_perplexity(session, job.text, hash, quiet);
        outcome.error = perplexity.status().error;
        outcome.perplexity = perplexity.ok() ? perplexity.value().value : 0;
    }
    if (job.n_generate > 0 && outcome.error.empty()) {
        const auto generated = engine::generate(session, job.prompt, job.n_generate, hash, quiet);
        outcome.error = generated.status().error;
        outcome.generated = generated.ok() ? generated.value().text : "";
    }
    outcome.hash = hash.hex();
}

// Tests that run on another machine than they were built on say where the models are.
std::string models() {
    const char * value = std::getenv("GGML_SCHED_MODELS");
    return value != nullptr ? value : GGML_SCHED_MODELS;
}

} // namespace

Loaded load(const std::string & path, const std::string & device_list, int ngl, int n_threads) {
    Loaded loaded;
    auto devices = engine::DeviceSet::open(device_list, n_threads);
    if (!devices.ok()) {
        loaded.error = devices.error();
        return loaded;
    }
    loaded.devices = std::make_unique<engine::DeviceSet>(std::move(devices.value()));
    auto model = engine::Model::load(path, *loaded.devices, ngl);
    if (!model.ok()) {
        loaded.error = model.error();
        return loaded;
    }
    loaded.model = std::move(model.value());
    return loaded;
}

Outcome run(const Loaded & loaded, const engine::SessionConfig & config, const Job & job) {
    Outcome outcome;
    if (!loaded.error.empty()) {
        outcome.error = loaded.error;
        return outcome;
    }
    ggml_backend_sim_reset_counters();
    const auto session = engine::Session::create(*loaded.model, *loaded.devices, config);
    if (!session.ok()) {
        outcome.error = session.error();
        return outcome;
    }
    run_tasks(*session.value(), job, outcome);
    outcome.n_micro_batches = expected_micro_batches(*session.value(), config.n_ubatch, job);
    ggml_sched_get_stats(session.value()->sched(), &outcome.stats, sizeof(outcome.stats));
    ggml_backend_sim_get_counters(&outcome.counters);
    return outcome;
}

std::string own_model_path() {
    return models() + "/grammar-1m.gguf";
}

std::string held_out_text() {
    std::ifstream file(models() + "/grammar-held-out.txt", std::ios::binary);
    return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

} // namespace tests
