#include "options.h"

#include "exit_codes.h"

#include <CLI/CLI.hpp>

#include <charconv>
#include <cstdio>
#include <limits>
#include <map>
#include <system_error>

namespace sched_run {
namespace {

const std::map<std::string, ggml_sched_sync_mode> kSyncModes = {
    {"auto", GGML_SCHED_SYNC_AUTO}, {"barrier", GGML_SCHED_SYNC_BARRIER}, {"serial", GGML_SCHED_SYNC_SERIAL}};

const char * const kDescription =
    "Runs a llama model in GGUF format over several devices, through the backend scheduler.\n"
    "Without --perplexity and --prompt it measures the perplexity of the first 2048 bytes of our held-out text.";

const char * const kFooter =
    "LIST is a comma-separated list out of sim[:profile][*count], cuda[*count], hip[*count] and cpu. The CPU comes "
    "last\n"
    "and is added if it is not named. Profiles of simulated devices: cuda (the default), vulkan, no-events, no-async,\n"
    "uma. GPUs are there if the library was built for them. Examples: sim*2,sim:vulkan,cpu and cuda*2,cpu\n"
    "\n"
    "Without --model the model is grammar-1m.gguf, looked for in ../share/ggml-sched beside the directory of this\n"
    "program (where it is installed), then in the folder models of the directories above it (a build directory),\n"
    "then in the source tree that the program was built from.\n"
    "\n"
    "Exit codes: 0 success, 1 failure, 2 wrong usage.";

constexpr int kMaxInt = std::numeric_limits<int>::max();

CLI::Validator whole_number(int min, int max) {
    return CLI::Validator(
        [min, max](const std::string & text) -> std::string {
            int value = 0;
            const auto [stop, code] = std::from_chars(text.data(), text.data() + text.size(), value);
            if (code == std::errc() && stop == text.data() + text.size() && value >= min && value <= max) {
                return "";
            }
            return "'" + text + "' is not a whole number from " + std::to_string(min) + " to " + std::to_string(max);
        },
        "");
}

constexpr int kMaxStreamMiB = 1 << 20;

CLI::Validator mib_or_auto() {
    const CLI::Validator number = whole_number(0, kMaxStreamMiB);
    return CLI::Validator(
        [number](std::string & text) -> std::string {
            const std::string wrong = text == "auto" ? "" : number(text);
            return wrong.empty() ? "" : wrong + ", nor auto";
        },
        "");
}

size_t stream_bytes(const std::string & text) {
    return text == "auto" ? GGML_SCHED_STREAM_AUTO : static_cast<size_t>(std::stoul(text)) << 20;
}

struct Texts {
    std::string prompt;
    std::string sync;
    std::string stream;
};

void add_options(CLI::App & app, Options & o, Texts & texts) {
    app.add_option("--model", o.model, "GGUF file of a llama model; without it, our own trained model")
        ->type_name("FILE");
    app.add_option("--devices", o.devices, "the devices to run on; cpu alone if not given")->type_name("LIST");
    app.add_option("--ngl", o.ngl,
                   "layers on the devices, counted from the end; more than the model has takes the output "
                   "matrix along; all if not given")
        ->check(whole_number(0, kMaxInt))
        ->type_name("N");
    app.add_option("--ubatch", o.ubatch, "tokens of a micro-batch")
        ->check(whole_number(1, kMaxInt))
        ->type_name("N")
        ->capture_default_str();
    app.add_option("--sync", texts.sync,
                   "auto, barrier or serial; auto if neither this nor GGML_SCHED_SYNC says otherwise")
        ->check(CLI::IsMember({"auto", "barrier", "serial"}))
        ->type_name("MODE");
    app.add_option(
           "--stream", texts.stream,
           "device memory for weights that stay in host memory (see --ngl) and are copied ahead of their use: auto, "
           "MiB, or 0 for none; auto if neither this nor GGML_SCHED_STREAM says otherwise")
        ->check(mib_or_auto())
        ->type_name("MiB");
    app.add_flag("--parallel", o.parallel, "let micro-batches overlap on different devices");
    app.add_option("--perplexity", o.perplexity, "measure the perplexity of a text")->type_name("FILE");
    auto * prompt_option = app.add_option("--prompt", texts.prompt, "continue this text")->type_name("TEXT");
    app.add_option("--generate", o.generate, "by this many tokens")
        ->check(whole_number(0, kMaxInt))
        ->needs(prompt_option)
        ->type_name("N")
        ->capture_default_str();
    app.add_option("--repeat", o.repeat, "do everything N times and check that the logits are the same each time")
        ->check(whole_number(1, kMaxInt))
        ->type_name("N")
        ->capture_default_str();
    app.add_option("--seed", o.seed, "when simulated devices execute what is queued; 0 is as late as possible")
        ->type_name("N")
        ->capture_default_str();
    app.add_option("--threads", o.threads, "threads of the CPU; one per core if not given")
        ->check(whole_number(1, GGML_MAX_N_THREADS))
        ->type_name("N");
    app.add_option("--ctx", o.ctx, "positions of the context; the model's own if not given")
        ->check(whole_number(1, 1 << 20))
        ->type_name("N");
    app.add_flag("--verify", o.verify, "prove each plan before it is executed");
    app.add_flag("--plan", o.plan, "print the plan of the last run: lanes, steps, waits and their reasons");
    app.add_option("--timeline", o.timeline, "draw what ran when, and who waited for whom, as a web page")
        ->type_name("FILE.html");
    app.add_option("--trace", o.trace, "write the same for Perfetto or chrome://tracing")->type_name("FILE.json");
    app.add_flag("--json", o.json, "print one JSON object");
}

} // namespace

Parsed parse_options(int argc, const char * const * argv) {
    CLI::App app(kDescription, "sched-run");
    app.footer(kFooter);
    Options options;
    Texts texts;
    add_options(app, options, texts);
    try {
        app.parse(argc, argv);
    } catch (const CLI::Success &) {
        std::fputs(app.help().c_str(), stdout);
        return {std::nullopt, kSuccess};
    } catch (const CLI::ParseError & error) {
        std::fprintf(stderr, "sched-run: %s; see sched-run --help\n", error.what());
        return {std::nullopt, kWrongUsage};
    }
    if (app.count("--prompt") > 0) {
        options.prompt = texts.prompt;
    }
    if (!texts.sync.empty()) {
        options.sync = kSyncModes.at(texts.sync);
    }
    if (!texts.stream.empty()) {
        options.stream = stream_bytes(texts.stream);
    }
    return {options, kSuccess};
}

const char * sync_name(ggml_sched_sync_mode mode) {
    for (const auto & [name, value] : kSyncModes) {
        if (value == mode) {
            return name.c_str();
        }
    }
    return "?";
}

} // namespace sched_run
