// Which bytes a launch or a copy touches.

#pragma once

#include <vector>

#include "graph/graph_view.h"
#include "lower/spaces.h"

namespace ggml_sched {

// All bytes of a tensor, gaps included. begin == end for an empty one.
plan::Access access_to(const ggml_tensor * tensor, bool write, Spaces & spaces);

// Appends what the nodes [begin, end) read and write: sorted, merged where ranges of one kind touch or overlap.
// Buffers of weights are read whole: nobody writes them while they are in use, so their parts need no distinction.
void append_launch_accesses(const GraphView & graph, int begin, int end, Spaces & spaces,
                            std::vector<plan::Access> & accesses);

} // namespace ggml_sched
