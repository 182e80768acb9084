#include "host/known_devices.h"

#include <string>

namespace ggml_sched::host {

namespace {

// Returns the name of the device's registry; "" if it has none.
std::string registry_of(ggml_backend_dev_t device) {
    const ggml_backend_reg_t reg = ggml_backend_dev_backend_reg(device);
    return reg ? ggml_backend_reg_name(reg) : "";
}

// True for the three names of one backend.
bool is_cuda_like(const std::string & registry) {
    return registry == "CUDA" || registry == "ROCm" || registry == "MUSA";
}

} // namespace

bool known_event_reaches(ggml_backend_dev_t recorder, ggml_backend_dev_t waiter) {
    const std::string registry = registry_of(recorder);
    return is_cuda_like(registry) && registry == registry_of(waiter);
}

bool known_copy_order(ggml_backend_dev_t src, ggml_backend_dev_t dst, plan::CopyOrder & order) {
    const std::string from = registry_of(src);
    const std::string to = registry_of(dst);
    if (is_cuda_like(to)) {
        order = plan::CopyOrder::InSource;
        return from == to;
    }
    if (to == "Vulkan") {
        // Vulkan refuses other devices. Between two of its queues the copy does not wait for what the source has
        // queued.
        return false;
    }
    order = plan::CopyOrder::Unordered;
    return true;
}

bool known_to_set_ranges(ggml_backend_dev_t device) {
    return is_cuda_like(registry_of(device));
}

} // namespace ggml_sched::host
