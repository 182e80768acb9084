// sched-bench-gpu - the three synchronization modes on GPUs, side by side.
//
//   sched-bench-gpu [--vendor cuda|hip] [--repeat N] [--model FILE] [--only TEXT] [--quick] [--streaming]
//
// A model of random weights is made unless one is given. Each case has one session per mode; the modes take turns, in
// one process, and the median over the repetitions counts. Calls into the vendor's runtime are counted over all of a
// repetition, and those that may block the host within the calls that enqueue. The logits must be the same in all
// modes. With --streaming it measures that instead: weights in host memory, by the budget.

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "bench_model.h"
#include "ggml-gpu.h"
#include "logits_hash.h"
#include "session.h"
#include "streaming_bench.h"

namespace ggml_sched::bench {

namespace {

constexpr int kModes = 3;
const char * const kModeNames[kModes] = {"auto", "barrier", "serial"};

struct Options {
    std::string vendor = "cuda";
    std::string model;
    int repeat = 9;
    bool quick = false;
    bool streaming = false;
    std::string only; // cases whose name has this in it
};

struct Case {
    std::string name;
    int n_devices;
    bool half_on_cpu;
    int n_ubatch;
    bool parallel;
    int n_tokens;
    bool one_by_one; // decode
};

// Counters of one repetition; some are only of the calls that enqueue
struct Sample {
    double seconds = 0;
    ggml_gpu_counters all = {};
    uint64_t waits = 0;    // of the host, while it enqueues
    uint64_t pageable = 0; // copies that may block it, while it enqueues
    std::string hash;
};

using GetCounters = ggml_backend_gpu_get_counters_t;

ggml_gpu_counters counters(GetCounters get) {
    ggml_gpu_counters values = {};
    get(&values);
    return values;
}

ggml_gpu_counters difference(const ggml_gpu_counters & a, const ggml_gpu_counters & b) {
    ggml_gpu_counters result = {};
    const auto * from = reinterpret_cast<const uint64_t *>(&a);
    const auto * to = reinterpret_cast<const uint64_t *>(&b);
    for (size_t i = 0; i < sizeof(result) / sizeof(uint64_t); i++) {
        reinterpret_cast<uint64_t *>(&result)[i] = to[i] - from[i];
    }
    return result;
}

bool enqueue(engine::Session & session, const std::vector<engine::Token> & tokens, int position, float * logits,
             GetCounters get, Sample & sample) {
    const ggml_gpu_counters before = counters(get);
    const engine::Status status = session.enqueue(tokens, position, engine::Outputs::Last, logits);
    const ggml_gpu_counters used = difference(before, counters(get));
    sample.waits += used.stream_synchronize + used.event_synchronize;
    sample.pageable += used.copy_pageable;
    if (!status.ok()) {
        std::fprintf(stderr, "sched-bench-gpu: %s\n", status.error.c_str());
    }
    return status.ok();
}

// logits: pinned, so that fetching them does not block
bool measure(engine::Session & session, const Case & c, GetCounters get, float * logits, Sample & sample) {
    const auto n_logits = static_cast<size_t>(session.model().n_vocab());
    std::vector<engine::Token> tokens(static_cast<size_t>(c.n_tokens));
    for (size_t i = 0; i < tokens.size(); i++) {
        tokens[i] = static_cast<engine::Token>(i * 31 % 256);
    }
    engine::LogitsHash hash;
    const int n_calls = c.one_by_one ? c.n_tokens : 1;
    const ggml_gpu_counters before = counters(get);
    const auto start = std::chrono::steady_clock::now();
    for (int i = 0; i < n_calls; i++) {
        const std::vector<engine::Token> part =
            c.one_by_one ? std::vector<engine::Token>{tokens[static_cast<size_t>(i)]} : tokens;
        if (!enqueue(session, part, i, logits, get, sample)) {
            return false;
        }
        session.synchronize();
        hash.add(logits, n_logits);
    }
    sample.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    sample.all = difference(before, counters(get));
    sample.hash = hash.hex();
    return true;
}

double median(std::vector<double> values) {
    std::sort(values.begin(), values.end());
    return values[values.size() / 2];
}

std::string per_run(uint64_t count, int n_runs) {
    char text[32];
    std::snprintf(text, sizeof(text), "%.3g", static_cast<double>(count) / n_runs);
    return text;
}

void print_header() {
    std::printf("| case | mode | tokens/s | auto is faster by | host waits while enqueuing | pageable copies | stream "
                "syncs | event syncs | device waits | copies in | out | within | peer | graph launches | kernels |\n");
    std::printf("|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|\n");
}

void print_row(const Case & c, int mode, double seconds, double seconds_auto, const Sample & last) {
    const int n_runs = c.one_by_one ? c.n_tokens : (c.n_tokens + c.n_ubatch - 1) / c.n_ubatch;
    const ggml_gpu_counters & n = last.all;
    std::printf("| %s | `%s` | %.0f | %.2f |", mode == 0 ? c.name.c_str() : "", kModeNames[mode], c.n_tokens / seconds,
                seconds / seconds_auto);
    for (const uint64_t count :
         {last.waits, last.pageable, n.stream_synchronize, n.event_synchronize, n.stream_wait, n.copy_host_to_device,
          n.copy_device_to_host, n.copy_within_device, n.copy_peer, n.graph_launch, n.kernel_launch}) {
        std::printf(" %s |", per_run(count, n_runs).c_str());
    }
    std::printf("\n");
    std::fflush(stdout);
}

// False if something failed, or the modes disagree. Each mode has queues of its own, as if it were alone: a queue keeps
// a limited number of captured launches.
bool run_case(const engine::Model & model, const std::string & list, const Case & c, int repeat, GetCounters get) {
    std::vector<engine::DeviceSet> devices;
    std::array<std::unique_ptr<engine::Session>, kModes> sessions;
    devices.reserve(kModes); // sessions keep pointers to them
    for (int mode = 0; mode < kModes; mode++) {
        auto opened = engine::DeviceSet::open(list, 0);
        if (!opened.ok()) {
            std::fprintf(stderr, "sched-bench-gpu: %s\n", opened.error().c_str());
            return false;
        }
        devices.push_back(std::move(opened.value()));
        engine::SessionConfig config;
        config.n_ctx = std::max(c.n_tokens, 64);
        config.n_ubatch = c.n_ubatch;
        config.parallel = c.parallel;
        config.sync = static_cast<ggml_sched_sync_mode>(mode);
        auto session = engine::Session::create(model, devices.back(), config);
        if (!session.ok()) {
            std::fprintf(stderr, "sched-bench-gpu: %s\n", session.error().c_str());
            return false;
        }
        sessions[static_cast<size_t>(mode)] = std::move(session.value());
    }
    const std::unique_ptr<ggml_backend_buffer, decltype(&ggml_backend_buffer_free)> logits(
        ggml_backend_buft_alloc_buffer(
            ggml_backend_dev_host_buffer_type(ggml_backend_get_device(devices[0].backend(0))),
            static_cast<size_t>(model.n_vocab()) * sizeof(float)),
        ggml_backend_buffer_free);
    if (logits == nullptr) {
        return false;
    }
    std::array<std::vector<double>, kModes> seconds;
    std::array<Sample, kModes> last;
    for (int i = -2; i < repeat; i++) { // the first ones warm up
        for (int turn = 0; turn < kModes; turn++) {
            const auto mode = static_cast<size_t>((turn + i + 2) % kModes);
            Sample sample;
            if (!measure(*sessions[mode], c, get, static_cast<float *>(ggml_backend_buffer_get_base(logits.get())),
                         sample)) {
                return false;
            }
            if (i >= 0) {
                seconds[mode].push_back(sample.seconds);
            }
            last[mode] = sample;
        }
    }
    for (int mode = 0; mode < kModes; mode++) {
        const auto m = static_cast<size_t>(mode);
        print_row(c, mode, median(seconds[m]), median(seconds[0]), last[m]);
        if (last[m].hash != last[0].hash) {
            std::fprintf(stderr, "sched-bench-gpu: %s: the logits of mode %s differ\n", c.name.c_str(),
                         kModeNames[mode]);
            return false;
        }
    }
    return true;
}

std::vector<Case> cases_for(int n_gpus, bool quick) {
    const int n_prefill = quick ? 512 : 2048;
    std::vector<Case> cases = {{"1 GPU, decode", 1, false, 1, false, quick ? 32 : 128, true}};
    for (const int n_ubatch : {64, 128, 512}) {
        cases.push_back({"1 GPU, prefill by " + std::to_string(n_ubatch), 1, false, n_ubatch, false, n_prefill, false});
    }
    for (int n = 2; n <= n_gpus; n *= 2) {
        for (const int n_ubatch : {64, 128}) {
            cases.push_back({std::to_string(n) + " GPUs, pipeline by " + std::to_string(n_ubatch), n, false, n_ubatch,
                             true, n_prefill, false});
        }
        cases.push_back({std::to_string(n) + " GPUs, decode", n, false, 1, false, quick ? 32 : 128, true});
    }
    cases.push_back({"half on the CPU, prefill by 256", 1, true, 256, false, 512, false});
    cases.push_back({"half on the CPU, decode", 1, true, 1, false, 8, true});
    return cases;
}

int run(const Options & options) {
    const ggml_backend_reg_t reg = ggml_backend_reg_by_name(options.vendor.c_str());
    const int n_gpus = reg != nullptr ? static_cast<int>(ggml_backend_reg_dev_count(reg)) : 0;
    if (n_gpus == 0) {
        std::printf("skipped: %s\n", reg == nullptr ? "the library was built without this vendor's backend"
                                                    : "this machine has no such device");
        return 2;
    }
    if (options.streaming) {
        return run_streaming(ggml_backend_reg_dev_get(reg, 0), options.repeat, options.only, options.quick) ? 0 : 1;
    }
    const auto get =
        reinterpret_cast<GetCounters>(ggml_backend_reg_get_proc_address(reg, "ggml_backend_gpu_get_counters"));
    std::string path = options.model;
    if (path.empty()) {
        path = "sched-bench-gpu.gguf";
        ModelShape shape;
        shape.n_layer = options.quick ? 4 : 16;
        if (!write_bench_model(path, shape)) {
            return 1;
        }
    }
    std::printf("%d x %s; tokens per second: median of %d. Counts are per run of a graph.\n\n", n_gpus,
                ggml_backend_dev_description(ggml_backend_reg_dev_get(reg, 0)), options.repeat);
    print_header();
    bool good = true;
    for (const Case & c : cases_for(n_gpus, options.quick)) {
        if (c.name.find(options.only) == std::string::npos) {
            continue;
        }
        const std::string list = options.vendor + "*" + std::to_string(c.n_devices) + ",cpu";
        auto devices = engine::DeviceSet::open(list, 0);
        if (!devices.ok()) {
            std::fprintf(stderr, "sched-bench-gpu: %s\n", devices.error().c_str());
            return 1;
        }
        const int all_layers = 1 << 20;
        auto model = engine::Model::load(path, devices.value(), c.half_on_cpu ? (options.quick ? 2 : 8) : all_layers);
        if (!model.ok()) {
            std::fprintf(stderr, "sched-bench-gpu: %s\n", model.error().c_str());
            return 1;
        }
        good = run_case(*model.value(), list, c, options.repeat, get) && good;
    }
    if (options.model.empty()) {
        std::remove(path.c_str());
    }
    return good ? 0 : 1;
}

} // namespace

} // namespace ggml_sched::bench

int main(int argc, char ** argv) {
    ggml_sched::bench::Options options;
    for (int i = 1; i < argc; i++) {
        const std::string arg = argv[i];
        const bool has_value = i + 1 < argc;
        if (arg == "--quick") {
            options.quick = true;
        } else if (arg == "--streaming") {
            options.streaming = true;
        } else if (arg == "--vendor" && has_value) {
            options.vendor = argv[++i];
        } else if (arg == "--only" && has_value) {
            options.only = argv[++i];
        } else if (arg == "--model" && has_value) {
            options.model = argv[++i];
        } else if (arg == "--repeat" && has_value && std::atoi(argv[i + 1]) > 0) {
            options.repeat = std::atoi(argv[++i]);
        } else {
            std::fprintf(
                stderr,
                "usage: sched-bench-gpu [--vendor cuda|hip] [--repeat N] [--model FILE] [--only TEXT] [--quick] "
                "[--streaming]\n");
            return 2;
        }
    }
    return ggml_sched::bench::run(options);
}
