// Memory that one of our schedulers has reserved, for ggml's scheduler that takes over. The graph that was reserved may
// be gone, so ggml's scheduler reserves the sizes.

#pragma once

#include <vector>

#include "choice.h"

namespace ggml_sched {

// Returns the bytes of the buffers of a wrapper's scheduler, by backend.
std::vector<size_t> buffer_sizes_of(const ggml_backend_sched & sched);

// Makes a wrapper's scheduler, which is ggml's, reserve buffers of at least these bytes. Warns if there is no memory.
// A graph that the scheduler allocates later uses these buffers.
void reserve_sizes(const ggml_backend_sched & sched, const std::vector<size_t> & sizes);

} // namespace ggml_sched
