// What the numbers in a plan are called in texts about it.

#pragma once

#include <vector>

#include "host/topology.h"
#include "lower/bindings.h"
#include "observe/text.h"

namespace ggml_sched {

observe::Names names_of(const Lowered & lowered, const Splits & splits, const std::vector<host::Backend> & backends,
                        const Topology & topology);

} // namespace ggml_sched
