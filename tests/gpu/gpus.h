// gpus.h - the GPUs that tests run on: every device of a registry of GPU backends ("CUDA", "HIP"). One thread.

#pragma once

#include <ostream>
#include <string>
#include <vector>

#include "ggml-backend.h"
#include "ggml-gpu.h"

namespace gpu_tests {

struct Vendor {
    std::string name; // of the registry
    std::vector<ggml_backend_dev_t> devices;
    ggml_backend_gpu_get_counters_t get_counters;

    // "cuda*2,cpu" for the engine
    std::string device_list(int n_devices) const;
    ggml_gpu_counters counters() const;
};

inline std::ostream & operator<<(std::ostream & out, const Vendor & vendor) {
    return out << vendor.name; // in test names
}

// Those that the library was built for and of which this machine has devices
const std::vector<Vendor> & vendors();
// Why vendors() is empty
std::string why_there_are_none();

} // namespace gpu_tests
