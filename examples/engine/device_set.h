// device_set.h - the backends that a model runs on, opened from a list such as "sim:vulkan*2,cpu".
//
// Invariants: at least one backend; the last one, and only that, is the CPU. Backends must outlive what is made on
// them.

#pragma once

#include "handles.h"
#include "result.h"

#include <string>
#include <vector>

namespace engine {

class DeviceSet {
  public:
    // list: comma-separated out of sim[:profile][*count], cuda[*count], hip[*count] and cpu; the CPU goes last and is
    // added if it is not named.
    // n_threads: of the CPU; 0 takes one per core.
    static Result<DeviceSet> open(const std::string & list, int n_threads);

    int count() const { return static_cast<int>(backends_.size()); }
    int cpu() const { return count() - 1; }
    int accelerators() const { return count() - 1; }
    bool only_simulated_accelerators() const; // and at least one
    ggml_backend_t backend(int i) const { return backends_[i].get(); }
    std::string name(int i) const { return ggml_backend_name(backend(i)); }
    std::vector<ggml_backend_t> handles() const;

  private:
    std::vector<BackendHandle> backends_;
};

} // namespace engine
