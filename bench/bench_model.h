// bench_model.h - llama models of any size with weights that cost nothing to make. They compute, and mean nothing.

#pragma once

#include <string>

#include "ggml.h"

namespace ggml_sched::bench {

struct ModelShape {
    int n_layer = 16;
    int n_ctx = 4096;
    int n_embd = 2048;
    int n_ff = 5632;
    int n_head = 16;
    int n_head_kv = 4;
    ggml_type type = GGML_TYPE_F16; // of the matrices
};

// False if the file cannot be written.
bool write_bench_model(const std::string & path, const ModelShape & shape);

} // namespace ggml_sched::bench
