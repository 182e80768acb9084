#include "job.h"

#include "data_files.h"
#include "exit_codes.h"
#include "progress_bar.h"
#include "recording.h"

#include "ggml-sim.h"

#include <chrono>
#include <filesystem>
#include <limits>

namespace sched_run {
namespace {

using engine::Result;
using engine::Status;

struct Inputs {
    std::string model_path;
    std::optional<std::string> text; // for the perplexity
};

Result<Inputs> find_inputs(const Options & options) {
    Inputs inputs;
    inputs.model_path = options.model;
    if (options.model.empty()) {
        const Result<std::string> own = find_data_file("grammar-1m.gguf");
        if (!own.ok()) {
            return own.status();
        }
        inputs.model_path = own.value();
    }
    const bool is_default_job = options.perplexity.empty() && !options.prompt;
    if (options.perplexity.empty() && !is_default_job) {
        return inputs;
    }
    const Result<std::string> path =
        is_default_job ? find_data_file("grammar-held-out.txt") : Result<std::string>(options.perplexity);
    Result<std::string> text = path.ok() ? read_text_file(path.value()) : path;
    if (!text.ok()) {
        return text.status();
    }
    const size_t default_bytes = 2048;
    inputs.text = is_default_job ? text.value().substr(0, default_bytes) : std::move(text.value());
    return inputs;
}

// The size callers get from the functions of ggml-sched.h that write text.
template <typename Write> std::string written_by(Write write) {
    std::string text(write(nullptr, 0), '\0');
    text.resize(text.size() + 1);
    write(text.data(), text.size());
    text.pop_back();
    return text;
}

class Job {
  public:
    Job(const Options & options, const Inputs & inputs, engine::Session & session, const engine::DeviceSet & devices)
        : options_(options)
        , inputs_(inputs)
        , session_(session)
        , devices_(devices) {}

    Result<Report> run() {
        const auto recording = Recording::start(options_, session_.sched());
        if (!recording.ok()) {
            return recording.status();
        }
        for (int i = 0; i < options_.repeat; i++) {
            const std::string before = report_.logits_hash;
            if (Status status = run_once(i); !status.ok()) {
                return status;
            }
            if (i > 0 && report_.logits_hash != before) {
                return engine::failure("repetition " + std::to_string(i + 1) + " computed other logits (" +
                                       report_.logits_hash + ") than the one before (" + before + ")");
            }
        }
        describe();
        if (Status status = recording.value()->finish(session_.sched(), "sched-run: " + report_.model, about());
            !status.ok()) {
            return status;
        }
        return report_;
    }

  private:
    Status run_once(int repetition) {
        ProgressBar bar(options_.repeat > 1 ? "run " + std::to_string(repetition + 1) : "");
        const auto progress = [&](size_t done, size_t total) { bar.show(done, total); };
        engine::LogitsHash hash;
        ggml_sched_reset_stats(session_.sched());
        const double virtual_start = ggml_backend_sim_time_us();
        const auto start = std::chrono::steady_clock::now();
        report_.n_tokens = 0;
        if (inputs_.text) {
            const auto perplexity = engine::measure_perplexity(session_, *inputs_.text, hash, progress);
            if (!perplexity.ok()) {
                return perplexity.status();
            }
            report_.perplexity = perplexity.value();
            report_.n_tokens += perplexity.value().n_tokens;
        }
        if (options_.prompt) {
            const auto generated = engine::generate(session_, *options_.prompt, options_.generate, hash, progress);
            if (!generated.ok()) {
                return generated.status();
            }
            report_.text = generated.value().text;
            report_.n_tokens += generated.value().n_tokens;
        }
        report_.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
        if (devices_.only_simulated_accelerators()) {
            report_.virtual_us = ggml_backend_sim_time_us() - virtual_start;
        }
        report_.logits_hash = hash.hex();
        return {};
    }

    std::string about() const {
        std::string devices;
        for (const std::string & device : report_.devices) {
            devices += (devices.empty() ? "" : ", ") + device;
        }
        return devices + "; synchronization: " + report_.sync + "; input copies: " + std::to_string(report_.n_copies) +
               "; splits: " + std::to_string(report_.n_splits) + "; up to " + std::to_string(options_.ubatch) +
               " tokens in a run";
    }

    void describe() {
        ggml_backend_sched_t sched = session_.sched();
        const engine::Placement & placement = session_.model().placement();
        report_.model = std::filesystem::path(inputs_.model_path).filename().string();
        report_.n_layer = session_.model().hparams().n_layer;
        for (int i = 0; i < devices_.count(); i++) {
            report_.devices.push_back(devices_.name(i));
        }
        for (const int device : placement.layers) {
            report_.layers_on.push_back(devices_.name(device));
        }
        report_.layers_on.push_back(devices_.name(placement.output));
        report_.n_splits = ggml_backend_sched_get_n_splits(sched);
        report_.n_copies = ggml_backend_sched_get_n_copies(sched);
        report_.sync = sync_name(ggml_sched_get_sync_mode(sched));
        ggml_sched_get_stats(sched, &report_.stats, sizeof(report_.stats));
        for (int i = 0; i < report_.n_splits; i++) {
            report_.pattern.push_back(
                written_by([&](char * buf, size_t n) { return ggml_sched_get_pattern(sched, i, buf, n); }));
        }
        if (options_.plan) {
            report_.plan = written_by([&](char * buf, size_t n) { return ggml_sched_get_plan_text(sched, buf, n); });
        }
    }

    const Options & options_;
    const Inputs & inputs_;
    engine::Session & session_;
    const engine::DeviceSet & devices_;
    Report report_;
};

Outcome failed(const std::string & error, ExitCode code = kFailure) {
    return {std::nullopt, error, code};
}

} // namespace

Outcome run_job(const Options & options) {
    ggml_backend_sim_set_seed(options.seed);
    const auto devices = engine::DeviceSet::open(options.devices, options.threads);
    if (!devices.ok()) {
        return failed(devices.error(), kWrongUsage);
    }
    const auto inputs = find_inputs(options);
    if (!inputs.ok()) {
        return failed(inputs.error());
    }
    const int ngl = options.ngl < 0 ? std::numeric_limits<int>::max() : options.ngl;
    const auto model = engine::Model::load(inputs.value().model_path, devices.value(), ngl);
    if (!model.ok()) {
        return failed(model.error());
    }
    engine::SessionConfig config;
    config.n_ctx = options.ctx;
    config.n_ubatch = options.ubatch;
    config.parallel = options.parallel;
    config.verify = options.verify;
    config.sync = options.sync;
    config.stream = options.stream;
    const auto session = engine::Session::create(*model.value(), devices.value(), config);
    if (!session.ok()) {
        return failed(session.error());
    }
    Result<Report> report = Job(options, inputs.value(), *session.value(), devices.value()).run();
    if (!report.ok()) {
        return failed(report.error());
    }
    return {std::move(report.value()), "", kSuccess};
}

} // namespace sched_run
