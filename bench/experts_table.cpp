// sched-bench-experts - what resident experts gain in decoding, by the speeds of the link and the CPU and the hit rate.
//
// Each cell is a machine. It decodes the same tokens three times: without device memory for experts, with misses that
// are shared, and with an upload for each miss. The times are those of the virtual clock, so each run of the program
// prints the same table. --check computes the corners of the table, and fails if sharing is slower than no experts.

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include <cstdio>
#include <exception>
#include <fstream>
#include <string>
#include <vector>

#include "ggml.h"
#include "moe_decode.h"

namespace ggml_sched::bench {
namespace {

constexpr double kLeast = 0.98; // of the speed without experts
constexpr double kLinks[] = {4.0, 8.0, 25.0, 54.0};
constexpr double kCpus[] = {20.0, 50.0, 100.0};
constexpr int kHotPercents[] = {0, 30, 60, 90};

struct Options {
    DecodeSettings decode;
    bool checks = false;
    int n_off = -1; // cells that must end without banks; -1: any number
    std::string json;
};

struct Cell {
    DecodeSettings settings;
    DecodeResult off;
    DecodeResult shared;
    DecodeResult uploaded;

    double gain_shared() const { return off.token_us / shared.token_us; }
    double gain_uploaded() const { return off.token_us / uploaded.token_us; }
};

// Returns the cells of the table, or those of its corners.
std::vector<Cell> make_cells(const Options & options) {
    std::vector<Cell> cells;
    const auto is_corner = [](double value, double first, double last) { return value == first || value == last; };
    for (const double link : kLinks) {
        for (const double cpu : kCpus) {
            for (const int hot : kHotPercents) {
                if (options.checks &&
                    (!is_corner(link, 4.0, 54.0) || !is_corner(cpu, 20.0, 100.0) || !is_corner(hot, 0, 90))) {
                    continue;
                }
                Cell cell = {options.decode, {}, {}, {}};
                cell.settings.link_gb_per_s = link;
                cell.settings.cpu_gb_per_s = cpu;
                cell.settings.hot_percent = hot;
                cells.push_back(cell);
            }
        }
    }
    return cells;
}

// Decodes in the three ways. Returns what went wrong; "" if nothing did.
std::string measure(Cell & cell) {
    DecodeSettings settings = cell.settings;
    std::string wrong = decode(settings, cell.off);
    settings.has_experts = true;
    settings.misses = GGML_SCHED_EXPERT_MISSES_SHARED;
    wrong = wrong.empty() ? decode(settings, cell.shared) : wrong;
    settings.misses = GGML_SCHED_EXPERT_MISSES_UPLOAD;
    wrong = wrong.empty() ? decode(settings, cell.uploaded) : wrong;
    // Simulated devices compute the bits of the CPU.
    const bool are_same = cell.shared.hash == cell.off.hash && cell.uploaded.hash == cell.off.hash;
    return !wrong.empty() || are_same ? wrong : "the results of the three ways differ";
}

// Prints what the table is about. A time is that of a token. "hits" are those of the shared misses.
void print_head(const Options & options) {
    const DecodeSettings & decode = options.decode;
    const std::string graphs = "a graph for each " + std::to_string(decode.tokens_of_graph) + " tokens";
    std::printf(
        "Decode of %d layers, %d of %d experts of 3 MiB, memory for %d; virtual clock, seed %llu, %d tokens after "
        "%d, %s\n\n",
        kLayers, kChosen, kExperts, kEntries, static_cast<unsigned long long>(decode.seed), decode.n_measured,
        decode.n_warm_up, decode.tokens_of_graph == 0 ? "the graph is kept" : graphs.c_str());
    std::printf(
        "| link, CPU (GB/s) | hot (hits), %% | off, us | shared, us | upload, us | off / shared | off / upload |\n"
        "| --- | --- | --- | --- | --- | --- | --- |\n");
}

void print_cell(const Cell & cell) {
    std::printf("| %.0f, %.0f | %d (%.0f) | %.0f | %.0f | %.0f | %.2f%s | %.2f |\n", cell.settings.link_gb_per_s,
                cell.settings.cpu_gb_per_s, cell.settings.hot_percent, cell.shared.hit_percent, cell.off.token_us,
                cell.shared.token_us, cell.uploaded.token_us, cell.gain_shared(),
                cell.shared.are_banks_off ? " (banks off)" : "", cell.gain_uploaded());
    (void) std::fflush(stdout);
}

nlohmann::json json_of(const DecodeResult & result) {
    return {{"token_us", result.token_us},
            {"warm_up_token_us", result.warm_up_us},
            {"hit_percent", result.hit_percent},
            {"uploads_per_token", result.uploads},
            {"bytes_copied_per_token", result.bytes_copied},
            {"are_banks_off", result.are_banks_off}};
}

bool write_json(const Options & options, const std::vector<Cell> & cells) {
    nlohmann::json all = {{"clock", "virtual"},
                          {"seed", options.decode.seed},
                          {"tokens_of_graph", options.decode.tokens_of_graph},
                          {"tokens", options.decode.n_measured},
                          {"warm_up_tokens", options.decode.n_warm_up},
                          {"layers", kLayers},
                          {"experts", kExperts},
                          {"chosen", kChosen},
                          {"entries", kEntries},
                          {"cells", nlohmann::json::array()}};
    for (const Cell & cell : cells) {
        all["cells"].push_back({{"link_gb_per_s", cell.settings.link_gb_per_s},
                                {"cpu_gb_per_s", cell.settings.cpu_gb_per_s},
                                {"hot_percent", cell.settings.hot_percent},
                                {"off", json_of(cell.off)},
                                {"shared", json_of(cell.shared)},
                                {"upload", json_of(cell.uploaded)}});
    }
    std::ofstream file(options.json);
    file << all.dump(2) << "\n";
    file.close();
    return !file.fail();
}

// Returns the exit code.
int run(const Options & options) {
    std::vector<Cell> cells = make_cells(options);
    print_head(options);
    int n_slower = 0;
    int n_off = 0;
    for (Cell & cell : cells) {
        if (const std::string wrong = measure(cell); !wrong.empty()) {
            (void) std::fprintf(stderr, "link %.0f GB/s, CPU %.0f GB/s, %d %% hot: %s\n", cell.settings.link_gb_per_s,
                                cell.settings.cpu_gb_per_s, cell.settings.hot_percent, wrong.c_str());
            return 1;
        }
        print_cell(cell);
        n_slower += cell.gain_shared() < kLeast ? 1 : 0;
        n_off += cell.shared.are_banks_off ? 1 : 0;
    }
    std::printf("\n%d of %zu cells are below %.2f of the speed without experts, and %d ended without banks\n", n_slower,
                cells.size(), kLeast, n_off);
    if (!options.json.empty() && !write_json(options, cells)) {
        (void) std::fprintf(stderr, "cannot write %s\n", options.json.c_str());
        return 1;
    }
    return n_slower > 0 || (options.n_off >= 0 && n_off != options.n_off) ? 1 : 0;
}

int main_with(int argc, char ** argv) {
    Options options;
    CLI::App app("Prints what resident experts gain in decoding, on machines of the simulator's clock.");
    app.add_flag("--check", options.checks, "only the corners of the table");
    app.add_option("--off", options.n_off, "fail if another number of cells ends without banks; -1: never");
    app.add_option("--graph", options.decode.tokens_of_graph, "tokens after which a graph is allocated; 0: never again")
        ->capture_default_str()
        ->check(CLI::NonNegativeNumber);
    app.add_option("--topic", options.decode.tokens_of_topic, "tokens after which other experts are hot; 0: never")
        ->capture_default_str();
    app.add_option("--seed", options.decode.seed, "of the router and the devices")->capture_default_str();
    app.add_option("--warm-up", options.decode.n_warm_up, "tokens before the measured ones")->capture_default_str();
    app.add_option("--tokens", options.decode.n_measured, "measured tokens")
        ->capture_default_str()
        ->check(CLI::PositiveNumber);
    app.add_option("--json", options.json, "write the table to this file, too");
    CLI11_PARSE(app, argc, argv);
    const auto print_problem = [](ggml_log_level level, const char * text, void *) {
        if (level == GGML_LOG_LEVEL_ERROR) {
            (void) std::fputs(text, stderr);
        }
    };
    ggml_log_set(print_problem, nullptr);
    return run(options);
}

} // namespace
} // namespace ggml_sched::bench

int main(int argc, char ** argv) {
    try {
        return ggml_sched::bench::main_with(argc, argv);
    } catch (const std::exception & failure) { // the host's memory has run out
        (void) std::fprintf(stderr, "sched-bench-experts: %s\n", failure.what());
        return 1;
    }
}
