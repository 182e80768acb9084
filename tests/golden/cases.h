// The graphs that people know.

#pragma once

#include <vector>

#include "model.h"

namespace ggml_sched::test {

enum class Show {
    Synchronized, // each run is waited for, as in decoding: all plans but the first are alike
    InFlight,     // nobody waits: the first, the second, and what runs settle to
};

struct Case {
    const char * name;
    const char * about; // what the graph is, and what to look at
    Show show;
    RigOptions rig;
    ModelOptions model;
    bool observed = false; // by an eval callback
};

std::vector<Case> cases();

} // namespace ggml_sched::test
