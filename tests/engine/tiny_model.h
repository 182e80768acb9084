// tiny_model.h - llama models of random weights, made on the spot through the public GGUF writer.

#pragma once

#include "ggml.h"
#include "gguf.h"

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

namespace tests {

struct TinyConfig {
    int n_layer = 2;
    int n_ctx = 128;
    int n_embd = 64;
    int n_ff = 96;
    int n_head = 4;
    int n_head_kv = 2;
    bool tied = false;
    ggml_type type = GGML_TYPE_F32; // of the matrices
    uint32_t seed = 1;
};

constexpr int kTinyVocab = 257; // the bytes and <s>

struct TinyModel {
    TinyConfig config;
    std::map<std::string, std::vector<float>> weights; // as a reader of the file gets them, after rounding to the type
};

// Changes the description of the file before it is written.
using GgufEdit = std::function<void(gguf_context *)>;

// Writes the model to path. skip: names of tensors to leave out. Fails the current test if that cannot be done.
TinyModel write_tiny_model(const std::string & path, const TinyConfig & config, const GgufEdit & edit = {},
                           const std::vector<std::string> & skip = {});

// A file name in the directory for temporary files, unique to the running test
std::string temp_path(const std::string & name);

} // namespace tests
