// From a tensor to the bytes that a device would touch.
// Threading: under the simulator's mutex.

#pragma once

#include "simulator.h"

namespace ggml_sched::sim {

// Finds `size` bytes from `offset` of a tensor, for use by `device`: in its own memory, or, where the profile allows
// it, in host memory. Returns NULL, or why the device cannot use them. No bytes are anywhere.
const char * locate(const Simulator & simulator, const Device & device, const ggml_tensor & tensor, size_t offset,
                    size_t size, Place & place);

// For the tensors of a graph that is being launched; complains about those that the device cannot use.
class LaunchResolver final : public Resolver {
  public:
    LaunchResolver(Simulator & simulator, const Device & device)
        : simulator_(simulator)
        , device_(device) {}
    bool resolve(const ggml_tensor & tensor, size_t offset, size_t size, Place & place) override;

  private:
    Simulator & simulator_;
    const Device & device_;
};

} // namespace ggml_sched::sim
