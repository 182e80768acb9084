// ConflictSearch - finds two accesses to a common byte, one of them a write, that nothing orders.
//
// The bytes are cut wherever an access begins or ends. Over each piece the accesses are taken in the order in which
// they were issued: each must come after the last write, and a write after the reads since. What comes after those
// comes after all that was before them.

#pragma once

#include <vector>

#include "observe/order_graph.h"

namespace ggml_sched::observe {

struct Conflict {
    bool found = false;
    VertexAccess first = {};
    VertexAccess second = {};
};

// What comes before all tasks of the newest run is left out.
Conflict find_conflict(const OrderGraph & graph);

} // namespace ggml_sched::observe
