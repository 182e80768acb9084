#include "streaming_bench.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <memory>
#include <random>
#include <vector>

#include "stream_session.h"

namespace ggml_sched::bench {

namespace {

using gpu_tests::Streaming;
using gpu_tests::StreamModel;
using gpu_tests::StreamSession;
using gpu_tests::StreamShape;

constexpr size_t kMiB = size_t{1} << 20;
constexpr int kRunsPerSample = 3; // micro-batches of a prompt follow one another
constexpr size_t kWarmUp = 3;     // samples; the first runs find out how experts are best streamed
constexpr double kTolerated = 0.99;

struct Case {
    std::string name;
    StreamShape shape;
    int n_tokens;
};

std::vector<Case> cases_for(bool quick) {
    StreamShape dense;
    dense.type = GGML_TYPE_F16;
    dense.width = 2048;
    dense.wide = 8192;
    dense.n_layers = quick ? 8 : 40;
    StreamShape experts = dense;
    experts.wide = 768;
    experts.n_layers = quick ? 4 : 16;
    experts.n_experts = 32;
    experts.n_used = 4;
    std::vector<Case> cases;
    for (const int n_tokens : {512, 2048}) {
        cases.push_back({"dense, " + std::to_string(n_tokens), dense, n_tokens});
    }
    for (const double share : {1.0, 0.4}) {
        experts.share = share;
        for (const int n_tokens : {512, 2048}) {
            cases.push_back(
                {"experts, " + std::to_string(static_cast<int>(100 * share)) + " % used, " + std::to_string(n_tokens),
                 experts, n_tokens});
        }
    }
    return cases;
}

struct Variant {
    std::string name;
    Streaming streaming;
    std::unique_ptr<StreamSession> session;
    std::vector<double> seconds;
};

// The first is off.
std::vector<Variant> variants_for(const StreamModel & model) {
    std::vector<Variant> variants;
    const auto add = [&](const std::string & name, size_t budget, size_t lookahead, bool keep = false) {
        Variant variant;
        variant.name = name;
        variant.streaming = {budget, lookahead, false, false, keep};
        variant.session = std::make_unique<StreamSession>(model, variant.streaming);
        variants.push_back(std::move(variant));
    };
    add("off", 0, 0);
    for (const size_t mib : {16, 64, 256, 1024, 4096}) {
        add(std::to_string(mib) + " MiB", mib * kMiB, 0);
    }
    add("two of the largest weight", 2 * model.largest(), 0);
    add("auto", GGML_SCHED_STREAM_AUTO, 0);
    add("everything", model.n_bytes(), 0);
    add("everything, all of it ahead", model.n_bytes(), model.n_bytes());
    add("the same, and kept", model.n_bytes(), model.n_bytes(), true);
    return variants;
}

double median(std::vector<double> values) {
    std::sort(values.begin(), values.end());
    return values[values.size() / 2];
}

bool check_bits(std::vector<Variant> & variants, int n_tokens) {
    std::vector<StreamSession::Floats> expected;
    for (Variant & variant : variants) {
        const auto got = variant.session->run({n_tokens}, 1);
        expected = expected.empty() ? got : expected;
        const std::string what =
            variant.session->error().empty() ? gpu_tests::difference(got, expected) : variant.session->error();
        if (!what.empty()) {
            std::fprintf(stderr, "sched-bench-gpu: streaming, %s: %s\n", variant.name.c_str(), what.c_str());
            return false;
        }
    }
    return true;
}

bool measure(Variant & variant, const StreamSession::Floats & input, bool counts) {
    const auto start = std::chrono::steady_clock::now();
    if (!variant.session->repeat(kRunsPerSample, input)) {
        std::fprintf(stderr, "sched-bench-gpu: streaming, %s: %s\n", variant.name.c_str(),
                     variant.session->error().c_str());
        return false;
    }
    if (counts) {
        variant.seconds.push_back(std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count() /
                                  kRunsPerSample);
    }
    return true;
}

void print_rows(const Case & c, const std::vector<Variant> & variants) {
    const double off = median(variants[0].seconds);
    for (const Variant & variant : variants) {
        const double seconds = median(variant.seconds);
        const ggml_sched_stats stats = variant.session->stats();
        const auto share = [&stats](uint64_t bytes) {
            return static_cast<double>(bytes) / static_cast<double>(kMiB) / static_cast<double>(stats.runs);
        };
        std::printf("| %s | %s | %.1f | %.0f | %.2f%s | %.0f | %.0f | %llu / %llu |\n",
                    &variant == variants.data() ? c.name.c_str() : "", variant.name.c_str(), 1e3 * seconds,
                    c.n_tokens / seconds, off / seconds, off / seconds < kTolerated ? " (slower)" : "",
                    share(stats.streamed_bytes), share(stats.bytes_copied),
                    static_cast<unsigned long long>(stats.expert_runs_by_ids),
                    static_cast<unsigned long long>(stats.expert_runs_whole));
    }
    std::fflush(stdout);
}

bool run_case(ggml_backend_dev_t device, const Case & c, int repeat) {
    const StreamModel model(c.shape, gpu_tests::WeightMemory::Pinned, {device}, 1);
    if (!model.error().empty()) {
        std::fprintf(stderr, "sched-bench-gpu: %s: %s\n", c.name.c_str(), model.error().c_str());
        return false;
    }
    std::vector<Variant> variants = variants_for(model);
    if (!check_bits(variants, c.n_tokens)) {
        return false;
    }
    StreamSession::Floats input(static_cast<size_t>(c.shape.width * c.n_tokens));
    std::mt19937 random(1);
    std::uniform_real_distribution<float> uniform(-1.0f, 1.0f);
    for (float & value : input) {
        value = uniform(random);
    }
    for (size_t i = 0; i < kWarmUp + static_cast<size_t>(repeat); i++) {
        for (size_t turn = 0; turn < variants.size(); turn++) {
            if (!measure(variants[(turn + i) % variants.size()], input, i >= kWarmUp)) {
                return false;
            }
        }
    }
    print_rows(c, variants);
    return true;
}

} // namespace

bool run_streaming(ggml_backend_dev_t device, int repeat, const std::string & only, bool quick) {
    std::printf(
        "%s; weights in pinned host memory; medians of %d, in turns. MiB are per micro-batch; runs of experts are "
        "by the ids / whole.\n\n",
        ggml_backend_dev_description(device), repeat);
    std::printf(
        "| model, tokens | budget | ms | tokens/s | times off's speed | MiB streamed | MiB copied | expert runs |\n"
        "|---|---|---|---|---|---|---|---|\n");
    bool good = true;
    for (const Case & c : cases_for(quick)) {
        if (c.name.find(only) != std::string::npos) {
            good = run_case(device, c, repeat) && good;
        }
    }
    return good;
}

} // namespace ggml_sched::bench
