// The listing of GGML_SCHED_DEBUG: the splits of a graph (1), and every node with its backend and the cause (2).

#pragma once

#include <string>

#include "split/split.h"

namespace ggml_sched::observe {

std::string listing_of(const GraphView & graph, const Splits & splits, const Assignment & assignment,
                       const std::vector<host::Backend> & backends, bool with_nodes);

} // namespace ggml_sched::observe
