// Plan names - finds the names of the numbers in a plan. It is a pure function, and so any thread may call it.

#pragma once

#include <vector>

#include "host/topology.h"
#include "lower/bindings.h"
#include "observe/text.h"

namespace ggml_sched {

// Returns the names of lanes, copies, split inputs and splits of a lowered graph.
observe::Names names_of(const Lowered & lowered, const Splits & splits, const std::vector<host::Backend> & backends,
                        const Topology & topology);

} // namespace ggml_sched
