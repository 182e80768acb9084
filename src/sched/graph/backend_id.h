// BackendId - the index of a backend in its scheduler's list.

#pragma once

#include <cstdint>

namespace ggml_sched {

using BackendId = int8_t;
constexpr BackendId kNoBackend = -1; // no backend has been chosen

} // namespace ggml_sched
