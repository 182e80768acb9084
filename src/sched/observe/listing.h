// Listing - the text that GGML_SCHED_DEBUG logs: the splits of a graph (1), and also every node with its backend and
// the cause (2). It is a pure function, and so any thread may call it.

#pragma once

#include <string>

#include "split/split.h"

namespace ggml_sched::observe {

// Returns the listing. `with_nodes` adds the nodes, and a line that explains the causes.
std::string listing_of(const GraphView & graph, const Splits & splits, const Assignment & assignment,
                       const std::vector<host::Backend> & backends, bool with_nodes);

} // namespace ggml_sched::observe
