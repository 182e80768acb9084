// Issue order - when the copies of streamed weights are issued, and what else takes their queue.
//
// Weights are sent as soon as there is room for them. A device's copy engine may stay with a queue as long as something
// is ready there. Other inputs, on another queue, would come behind all prefetched weights, and the device would be
// idle meanwhile. So the other copies of urgent splits take the queue of the weights. They come behind the weights of
// their split, and behind a few more bytes: the prefetch distance. Urgent are the first split of each backend that
// needs such copies, and the first one after each time that the host computes.
//
// The host itself copies out of pageable memory. It copies such weights one split ahead. It copies such caches when it
// has nothing to launch: before it computes. Weights do not wait for these caches.
//
// It is a pure function, and so any thread may call it.

#pragma once

#include "stream/plan.h"

namespace ggml_sched {

// Finds `order`, `urgent` and `runs_ahead` of each ring of the plan, and `issued_after` of each slot. The slots have
// been laid out before.
void find_issue_order(StreamPlan & plan, const GraphView & graph, const Splits & splits, const Assignment & assignment,
                      const std::vector<host::Backend> & backends, const Topology & topology);

} // namespace ggml_sched
