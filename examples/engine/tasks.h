// tasks.h - what the engine does with a session: measure perplexity over a text, continue a prompt.

#pragma once

#include "logits_hash.h"
#include "session.h"

#include <functional>
#include <string>

namespace engine {

// Called now and then with what is done out of how much.
using Progress = std::function<void(size_t done, size_t total)>;

struct Perplexity {
    double value = 0; // exp of the mean negative log-likelihood of a token
    size_t n_tokens = 0;
};

// The text is cut into pieces of the session's context; each piece is preceded by the bos token, which takes the place
// of its last token as an input. So every token of the text is predicted exactly once.
Result<Perplexity> measure_perplexity(Session & session, const std::string & text, LogitsHash & hash,
                                      const Progress & progress);

struct Generated {
    std::string text;    // without the prompt
    size_t n_tokens = 0; // processed, the prompt included
};

// Continues the prompt greedily by up to n tokens; fewer if the model ends its text.
Result<Generated> generate(Session & session, const std::string & prompt, int n, LogitsHash & hash,
                           const Progress & progress);

} // namespace engine
