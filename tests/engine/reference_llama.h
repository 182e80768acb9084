// reference_llama.h - a llama in double precision, written from the papers and as plainly as possible.

#pragma once

#include "tiny_model.h"

#include <cstdint>
#include <vector>

namespace tests {

// The logits of every token, [n_tokens][kTinyVocab]
std::vector<std::vector<double>> reference_logits(const TinyModel & model, const std::vector<int32_t> & tokens);

} // namespace tests
