// options.h - the command line of sched-run.

#pragma once

#include "ggml-sched.h"

#include <cstdint>
#include <optional>
#include <string>

namespace sched_run {

struct Options {
    std::string model; // empty: our own
    std::string devices = "cpu";
    int ngl = -1; // -1: all
    int ubatch = 512;
    int ctx = 0;     // 0: the model's
    int threads = 0; // 0: one per core
    std::optional<ggml_sched_sync_mode> sync;
    std::optional<size_t> stream; // bytes
    bool parallel = false;
    std::string perplexity; // a file
    std::optional<std::string> prompt;
    int generate = 64;
    int repeat = 1;
    uint64_t seed = 0;
    bool verify = false;
    bool plan = false;
    std::string trace;    // a file to write
    std::string timeline; // a file to write
    bool json = false;
};

struct Parsed {
    std::optional<Options> options; // none: the program is to end with exit_code
    int exit_code = 0;
};

// Prints the help, or one line about what is wrong.
Parsed parse_options(int argc, const char * const * argv);

const char * sync_name(ggml_sched_sync_mode mode);

} // namespace sched_run
