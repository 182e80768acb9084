// Conflict search - finds two accesses to a common byte, one of them a write, that nothing orders.
//
// The bytes are cut into pieces wherever an access begins or ends. Each piece takes the accesses in the order in which
// the host issued them. Each access must come after the last write of the piece. A write must also come after the reads
// since. These checks suffice: the last write and these reads themselves come after all accesses before them.
//
// It is a pure function, and so any thread may call it.

#pragma once

#include <vector>

#include "observe/order_graph.h"

namespace ggml_sched::observe {

// Conflict - the first two accesses that nothing orders
struct Conflict {
    bool found = false;
    VertexAccess first = {};
    VertexAccess second = {};
};

// Searches the accesses of all runs. Leaves out accesses that come before all tasks of the newest run.
Conflict find_conflict(const OrderGraph & graph);

} // namespace ggml_sched::observe
