#include "options.h"

#include "exit_codes.h"

#include <CLI/CLI.hpp>

#include <charconv>
#include <cstdint>
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
    "Without --perplexity and --prompt it measures the perplexity of the first 2048 bytes of its own text.";

const char * const kFooter =
    "LIST names devices, separated by commas: sim[:PROFILE][*COUNT], cuda[*COUNT], hip[*COUNT] and cpu.\n"
    "The CPU comes last. It is added if LIST does not name it. Examples: sim*2,sim:vulkan,cpu and cuda*2,cpu\n"
    "PROFILE says what a simulated device can do: cuda (the default), vulkan, no-events, no-async or uma.\n"
    "cuda and hip are there if the library was built for these GPUs.\n"
    "\n"
    "The row `pattern` of the output says what the last run did in each split, one letter for each step:\n"
    "s the host waits, w a device queue waits, a asynchronous copy, c blocking copy, g graph launch.\n"
    "ag*2 means that two splits in a row did ag.\n"
    "\n"
    "Without --model the model is grammar-1m.gguf. The program looks for it in three places: ../share/ggml-sched "
    "beside\n"
    "the program's directory (where it is installed), the folder models of each directory above the program (a build\n"
    "directory), and the source tree that the program was built from.\n"
    "\n"
    "Warnings and errors of the library appear on stderr. An error of the library makes the exit code 1.\n"
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
            const std::string word = CLI::detail::to_lower(text);
            if (word == "auto" || word == "off" || word == "unlimited") {
                text = word;
                return "";
            }
            const std::string wrong = number(text);
            return wrong.empty() ? "" : wrong + ", nor auto, off or unlimited";
        },
        "");
}

CLI::Validator seed_number() {
    return CLI::Validator(
        [](const std::string & text) -> std::string {
            uint64_t value = 0;
            const auto [stop, code] = std::from_chars(text.data(), text.data() + text.size(), value);
            const bool is_number = code == std::errc() && stop == text.data() + text.size();
            return is_number ? "" : "'" + text + "' is not a whole number from 0 to 2^64 - 1";
        },
        "");
}

CLI::Validator file_name() {
    return CLI::Validator(
        [](const std::string & text) { return std::string(text.empty() ? "the name of the file is empty" : ""); }, "");
}

size_t stream_bytes(const std::string & text) {
    return text == "auto"        ? GGML_SCHED_STREAM_AUTO
           : text == "off"       ? GGML_SCHED_STREAM_OFF
           : text == "unlimited" ? GGML_SCHED_STREAM_UNLIMITED
                                 : static_cast<size_t>(std::stoul(text)) << 20;
}

struct Texts {
    std::string prompt;
    std::string sync;
    std::string stream;
};

void add_options(CLI::App & app, Options & o, Texts & texts) {
    app.add_option("--model", o.model,
                   "Run this llama model, a GGUF file. Default: a small trained model that comes along")
        ->type_name("FILE");
    app.add_option("--devices", o.devices, "Run on these devices; see below. Default: cpu")->type_name("LIST");
    app.add_option("--ngl", o.ngl,
                   "Put N layers on the devices, counted from the end. A number above the model's puts the "
                   "output matrix there, too. Default: all")
        ->check(whole_number(0, kMaxInt))
        ->type_name("N");
    app.add_option("--ubatch", o.ubatch, "Compute at most N tokens in one run of a graph (a micro-batch)")
        ->check(whole_number(1, kMaxInt))
        ->type_name("N")
        ->capture_default_str();
    app.add_option("--sync", texts.sync,
                   "Synchronize in this mode: auto, barrier or serial. Default: GGML_SCHED_SYNC, else auto")
        ->transform(CLI::IsMember({"auto", "barrier", "serial"}, CLI::ignore_case))
        ->envname("GGML_SCHED_SYNC")
        ->type_name("MODE");
    app.add_option(
           "--stream", texts.stream,
           "Use so much memory of each device to stream weights: to copy those that stay in host memory (see --ngl) "
           "ahead of their use. auto, off, unlimited, or a number of MiB. Default: GGML_SCHED_STREAM, else auto")
        ->transform(mib_or_auto())
        ->envname("GGML_SCHED_STREAM")
        ->type_name("MiB");
    app.add_flag("--parallel", o.parallel, "Let micro-batches overlap on different devices");
    app.add_option("--perplexity", o.perplexity, "Measure the perplexity of this text")->type_name("FILE");
    auto * prompt_option = app.add_option("--prompt", texts.prompt, "Continue this text")->type_name("TEXT");
    app.add_option("--generate", o.generate, "Continue --prompt by N tokens")
        ->check(whole_number(0, kMaxInt))
        ->needs(prompt_option)
        ->type_name("N")
        ->capture_default_str();
    app.add_option("--repeat", o.repeat, "Do everything N times, and check that the logits are the same each time")
        ->check(whole_number(1, kMaxInt))
        ->type_name("N")
        ->capture_default_str();
    app.add_option("--seed", o.seed, "Choose when simulated devices execute queued work; 0 is as late as possible")
        ->check(seed_number())
        ->type_name("N")
        ->capture_default_str();
    app.add_option("--threads", o.threads, "Use N threads on the CPU. Default: one for each core")
        ->check(whole_number(1, GGML_MAX_N_THREADS))
        ->type_name("N");
    app.add_option("--ctx", o.ctx, "Use a context of N positions. Default: that of the model")
        ->check(whole_number(1, 1 << 20))
        ->type_name("N");
    app.add_flag("--verify", o.verify, "Prove each plan before it is executed");
    app.add_flag("--plan", o.plan, "Print the plan of the last run: lanes, steps, waits and their reasons");
    app.add_option("--timeline", o.timeline, "Draw what ran when, and what waited for what, as a web page")
        ->check(file_name())
        ->type_name("FILE.html");
    app.add_option("--trace", o.trace, "Write the same for Perfetto or chrome://tracing")
        ->check(file_name())
        ->type_name("FILE.json");
    app.add_flag("--json", o.json, "Print one JSON object instead of the table");
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
        if (!options.trace.empty() && options.trace == options.timeline) {
            throw CLI::ValidationError("--trace and --timeline name the same file");
        }
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
