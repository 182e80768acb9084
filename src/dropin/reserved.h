// Reserved - passes the sizes of reserved buffers from one of our schedulers on to ggml's, which takes over. The graph
// that was reserved may be gone, so ggml's scheduler reserves the sizes. One thread at a time uses a scheduler.

#pragma once

#include <vector>

#include "choice.h"

namespace ggml_sched {

// Returns the bytes of the compute buffers of a wrapper's scheduler, by backend.
std::vector<size_t> buffer_sizes_of(const ggml_backend_sched & sched);

// Makes a wrapper's scheduler, which must be ggml's, reserve compute buffers of these sizes. Graphs that it allocates
// later use these buffers. Logs a warning if ggml's scheduler cannot reserve them.
void reserve_sizes(const ggml_backend_sched & sched, const std::vector<size_t> & sizes);

} // namespace ggml_sched
