// range.h - a named range in profiles, for as long as the object lives. Any thread.

#pragma once

#include "vendor.h"

namespace ggml_sched::gpu {
inline namespace GGML_SCHED_GPU_VENDOR {

class Range {
  public:
    explicit Range(const char * name) { push_range(name); }
    ~Range() { pop_range(); }
    Range(const Range &) = delete;
    Range & operator=(const Range &) = delete;
};

} // namespace GGML_SCHED_GPU_VENDOR
} // namespace ggml_sched::gpu
