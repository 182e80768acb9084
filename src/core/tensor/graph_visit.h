// graph_visit.h - adds a tensor and what it is computed from to a graph. One thread a graph.
//
// The order is depth first over the sources, in the order of their index: sources come before what uses them. The
// stack is on the heap, so that the length of a chain is limited by memory alone.

#pragma once

#include "ggml-impl.h"

namespace ggml_sched::core {

// False if the graph is full or memory ran out; the graph then holds a part of what was asked for.
bool visit_parents(ggml_cgraph * cgraph, ggml_tensor * tensor);

} // namespace ggml_sched::core
