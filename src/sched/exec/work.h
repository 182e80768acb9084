// Work - what the numbers in a plan stand for.

#pragma once

#include <string>
#include <vector>

#include "host/graph_handle.h"
#include "lower/lower.h"

namespace ggml_sched {

struct Work {
    const std::vector<CopyBinding> & copies; // by binding of a copy
    const std::vector<Split> & splits;
    const std::vector<host::GraphHandle> & graphs; // by split
    std::string note = {};                         // about the run, for who listens
};

} // namespace ggml_sched
