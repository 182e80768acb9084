// How many slots each copy of an input has at most, and so how many runs of a parallel scheduler may overlap. Inside a
// ggml it is that ggml's constant, which people set by its CMake variable of the same name.

#pragma once

namespace ggml_sched {

#ifdef GGML_SCHED_MAX_COPIES
constexpr int kMaxCopies = GGML_SCHED_MAX_COPIES;
static_assert(kMaxCopies >= 1, "GGML_SCHED_MAX_COPIES must be 1 or more");
#else
constexpr int kMaxCopies = 4;
#endif

} // namespace ggml_sched
