// Spaces - numbers the address spaces of buffers. A scheduler owns one, which it uses as long as it lives.
//
// All host memory is one space, because buffers may overlap there (mapped files, host pointers given to a device). Any
// other buffer is a space of its own, because two devices may use the same addresses. One thread at a time.

#pragma once

#include "host/by_buffer.h"
#include "plan/program.h"

namespace ggml_sched {

// Spaces - the spaces that have been met so far.
class Spaces {
  public:
    // Returns the space of the buffer.
    plan::Space of(ggml_backend_buffer_t buffer);

  private:
    host::ByBuffer<plan::Space> spaces_; // the spaces of buffers that are not in host memory
};

} // namespace ggml_sched
