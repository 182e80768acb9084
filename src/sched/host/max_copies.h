// kMaxCopies - the greatest n_copies, and so the number of runs of a parallel scheduler that may overlap. Inside a
// foreign ggml it is that ggml's constant GGML_SCHED_MAX_COPIES, which its CMake variable of the same name sets.

#pragma once

namespace ggml_sched {

#ifdef GGML_SCHED_MAX_COPIES
constexpr int kMaxCopies = GGML_SCHED_MAX_COPIES;
static_assert(kMaxCopies >= 1, "GGML_SCHED_MAX_COPIES must be 1 or more");
#else
constexpr int kMaxCopies = 4;
#endif

} // namespace ggml_sched
