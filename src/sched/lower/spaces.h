// Spaces - numbers the address spaces that buffers lie in, for as long as the scheduler lives.
//
// All host memory is one space, so that buffers which overlap there (mapped files, host pointers given to a device)
// are seen to overlap. Any other buffer is a space of its own: devices may use the same addresses.

#pragma once

#include "host/by_buffer.h"
#include "plan/program.h"

namespace ggml_sched {

class Spaces {
  public:
    plan::Space of(ggml_backend_buffer_t buffer);

  private:
    host::ByBuffer<plan::Space> spaces_; // of device memory
};

} // namespace ggml_sched
