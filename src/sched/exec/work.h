// Work - what the numbers in a plan stand for.

#pragma once

#include <vector>

#include "host/graph_handle.h"
#include "lower/lower.h"

namespace ggml_sched {

struct Work {
    const std::vector<CopyBinding> & copies; // by binding of a copy
    const std::vector<Split> & splits;
    std::vector<host::GraphHandle> & graphs; // by split
};

} // namespace ggml_sched
