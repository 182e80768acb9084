// What the graph allocator would need, without allocating it.

#pragma once

#include <cstddef>

#include "ggml-alloc.h"

namespace ggml_sched::host {

bool can_measure(); // an older ggml cannot

// The bytes of each buffer for the graph. Nothing is written if it cannot be measured.
void measure(ggml_gallocr_t galloc, ggml_cgraph * graph, const int * node_buffers, const int * leaf_buffers,
             size_t * sizes);

} // namespace ggml_sched::host
