// hparams.h - the numbers that describe a llama, read from a GGUF file and checked.

#pragma once

#include "gguf_file.h"

namespace engine {

struct Hparams {
    int n_layer = 0;
    int n_ctx = 0; // that the model was trained for
    int n_embd = 0;
    int n_ff = 0;
    int n_head = 0;
    int n_head_kv = 0;
    int head_dim = 0;
    int n_rot = 0; // dimensions of a head that are rotated
    float rms_eps = 0;
    float rope_base = 0;
    float rope_scale = 1;

    int kv_dim() const { return n_head_kv * head_dim; }
    int q_dim() const { return n_head * head_dim; }
};

Result<Hparams> load_hparams(const GgufFile & file);

} // namespace engine
