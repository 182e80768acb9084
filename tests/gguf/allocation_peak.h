// allocation_peak.h - watches how large the largest allocation by operator new is.
//
// The executable that links allocation_peak.cpp replaces the global operator new.

#pragma once

#include <cstddef>

namespace gguf_test {

// From its making on. One at a time.
class AllocationPeak {
  public:
    AllocationPeak();
    size_t largest() const;
};

} // namespace gguf_test
