// Issue order - when the copies of streamed weights are issued, and what else takes their queue.
//
// Weights go as soon as there is room for them, and a device's copy engine may stay with a queue as long as something
// is ready there. Other inputs of a launch, on another queue, would come behind all weights that were sent ahead, and
// the device would be idle meanwhile. So the other inputs of the first launch, and what the host computes for later
// ones, take the queue of the weights, behind the weights of that launch and a few more: the prefetch distance.
//
// Out of pageable memory the host has to copy itself, and is busy. It copies weights one split ahead, and caches when
// there is nothing that it could launch instead: before it computes. Other weights do not wait for them.

#pragma once

#include "stream/plan.h"

namespace ggml_sched {

// Finds `order`, `urgent` and `runs_ahead` of all rings of a plan whose slots have been laid out.
void find_issue_order(StreamPlan & plan, const GraphView & graph, const Splits & splits, const Assignment & assignment,
                      const std::vector<host::Backend> & backends, const Topology & topology);

} // namespace ggml_sched
