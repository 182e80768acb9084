// Runner - makes the calls of a sequence and compares each with what the model says.

#pragma once

#include <string>
#include <vector>

#include "sequence.h"

namespace sequences {

struct Checks {
    bool errors = true;       // ggml_sched_get_error speaks of the last call
    bool descriptions = true; // graphs are the caller's whenever no call runs
    bool print = false;       // each call before it is made
};

// How often the calls of sequences did what
struct Counts {
    int right = 0;
    int refused = 0;
    int left_out = 0;
    int runs = 0;
    int compared = 0; // tensors
};

// Runs the sequence with verification and without. "" if every call did as it should, and both returned the same;
// else the first thing that is wrong.
std::string run_sequence(const Sequence & sequence, const Checks & checks = {}, Counts * counts = nullptr);

} // namespace sequences
