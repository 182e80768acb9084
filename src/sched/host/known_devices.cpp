#include "host/known_devices.h"

#include <algorithm>
#include <chrono>
#include <exception>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "host/execute.h"
#include "host/system.h"
#include "host/tuning.h"

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

// Returns the microseconds of the fastest of a few calls.
template <typename Function> double best_us(Function function) {
    using Clock = std::chrono::steady_clock;
    constexpr int kCalls = 5;
    double best = std::numeric_limits<double>::max();
    for (int i = 0; i < kCalls; i++) {
        const Clock::time_point begin = Clock::now();
        function();
        best = std::min(best, std::chrono::duration<double, std::micro>(Clock::now() - begin).count());
    }
    return best;
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

bool known_host_writes(ggml_backend_dev_t device, ggml_backend_buffer_type_t buft) {
    // Vulkan copies into memory that the host reaches, and otherwise submits a command and waits for it. It has no
    // function that tells which of them it does, and drivers and machines differ. Without Resizable BAR the host
    // reaches at most 256 MiB, so the buffer is larger.
    if (registry_of(device) != "Vulkan") {
        return false;
    }
    constexpr size_t kBytes = 4096;
    const size_t size = std::min(Tuning::kBeyondWindow, ggml_backend_buft_get_max_size(buft));
    try {
        const std::unique_ptr<ggml_backend_buffer, decltype(&ggml_backend_buffer_free)> buffer(
            ggml_backend_buft_alloc_buffer(buft, size), ggml_backend_buffer_free);
        if (!buffer) {
            return false;
        }
        ggml_tensor tensor = bytes_at(buffer.get(), ggml_backend_buffer_get_base(buffer.get()), kBytes);
        const std::vector<char> bytes(kBytes);
        return best_us([&] { ggml_backend_tensor_set(&tensor, bytes.data(), 0, kBytes); }) < Tuning::kHostWriteUs;
    } catch (const std::exception &) { // Vulkan throws where it has no memory to copy through.
        return false;
    }
}

bool known_to_overtake(ggml_backend_dev_t device) {
    // With AMD's GPUs that have memory of their own, or if it is told to, Vulkan copies on a queue for transfers.
    // Launches wait for that queue, but it does not wait for launches. No function tells whether it does so.
    if (registry_of(device) != "Vulkan") {
        return false;
    }
    const std::string description = ggml_backend_dev_description(device);
    const bool is_by_amd =
        description.find("AMD") != std::string::npos || description.find("Radeon") != std::string::npos;
    return has_variable("GGML_VK_ASYNC_USE_TRANSFER_QUEUE") ||
           (is_by_amd && ggml_backend_dev_type(device) == GGML_BACKEND_DEVICE_TYPE_GPU);
}

bool known_to_keep_records(ggml_backend_dev_t device) {
    // Vulkan makes an object of the driver for each record. It uses it again only after ggml_backend_event_synchronize.
    return registry_of(device) == "Vulkan";
}

bool known_to_overlap(ggml_backend_dev_t device) {
    // Vulkan submits everything to one queue. Its queue for transfers does not help: events go through the other one.
    return registry_of(device) != "Vulkan";
}

bool known_to_set_ranges(ggml_backend_dev_t device) {
    return is_cuda_like(registry_of(device));
}

} // namespace ggml_sched::host
