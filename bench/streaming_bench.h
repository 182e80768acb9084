// streaming_bench.h - what streaming weights gives and costs, by the budget. One thread.

#pragma once

#include <string>

#include "ggml-backend.h"

namespace ggml_sched::bench {

// Prints a table of models in pinned host memory: for each budget the time of a micro-batch with streaming and without,
// in turns. Cases whose name does not have `only` in it are left out; quick: fewer bytes. False if something failed, or
// a budget changed a bit.
bool run_streaming(ggml_backend_dev_t device, int repeat, const std::string & only, bool quick);

} // namespace ggml_sched::bench
