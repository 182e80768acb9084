// moe_decode.h - decodes tokens with a MoE model whose experts lie in host memory, by the virtual clock.
//
// The device and the CPU are simulated, and a token takes as long as their costs say. What the scheduler itself does
// on the host takes no time. The same settings give the same times.
//
// The model is small, so that thousands of tokens are computed in a second. One of its bytes stands for kScale bytes of
// a real model, and all speeds in bytes are divided by kScale. So an expert stands for three matrices of 1 MiB each,
// and an activation for 2,048 numbers. Times of calls, launches and single copies are those of real devices.

#pragma once

#include <cstdint>
#include <string>

#include "ggml-sched.h"

namespace ggml_sched::bench {

constexpr double kScale = 64.0;
constexpr int kLayers = 4;
constexpr int kExperts = 128; // of a layer
constexpr int kChosen = 8;    // experts of a token
constexpr int kEntries = 16;  // experts of a layer for which the device has memory

// DecodeSettings - what is decoded, and by which machine
struct DecodeSettings {
    double link_gb_per_s = 25.0; // host memory to device memory
    double cpu_gb_per_s = 50.0;  // the speed at which the CPU reads experts
    // The router chooses a hot expert with this chance, in percent, and else one of the others. There are as many hot
    // experts as entries. With 0 it walks through the others in order.
    int hot_percent = 60;
    int tokens_of_topic = 0;  // Other experts are hot after so many tokens; 0: the same ones stay hot.
    bool has_experts = false; // device memory is used for experts
    ggml_sched_expert_misses misses = GGML_SCHED_EXPERT_MISSES_SHARED;
    int tokens_of_graph = 0; // A graph is allocated again after so many tokens; 0: never.
    uint64_t seed = 1;
    int n_warm_up = 256; // tokens
    int n_measured = 256;
};

// DecodeResult - what was measured
struct DecodeResult {
    double token_us = 0.0;     // the mean of a measured token
    double warm_up_us = 0.0;   // the mean of a token of the warm-up
    double hit_percent = 0.0;  // pairs that the device computed without an upload during the run
    double uploads = 0.0;      // experts of a token, in all layers
    double bytes_copied = 0.0; // of a token, as bytes of the real model
    bool are_banks_off = false;
    uint64_t hash = 0; // of the result of each token
};

// Decodes. Returns what went wrong; "" if nothing did. One call at a time.
std::string decode(const DecodeSettings & settings, DecodeResult & result);

} // namespace ggml_sched::bench
