// Random sequences, and smaller ones. No RapidCheck here: a build of a real ggml has none.

#pragma once

#include <vector>

#include "sequence.h"

namespace sequences {

struct GenOptions {
    bool like_an_engine = false; // only what today's engines do: reset, allocate, write, compute, wait
    int max_calls = 30;
    int max_scheds = kMaxScheds;
    bool callbacks_call = true; // the scheduler that called them
};

// The same seed gives the same sequence. The size, 0 to 100, bounds the number of calls.
Sequence make_sequence(const GenOptions & options, uint64_t seed, int size);

// Sequences a step smaller than this one, the boldest steps first
std::vector<Sequence> smaller(const Sequence & sequence);

} // namespace sequences
