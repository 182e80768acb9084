#include "gpus.h"

#include <algorithm>
#include <cctype>

namespace gpu_tests {

namespace {

constexpr const char * kNames[] = {"CUDA", "HIP"};

std::vector<Vendor> find_vendors() {
    std::vector<Vendor> found;
    for (const char * name : kNames) {
        const ggml_backend_reg_t reg = ggml_backend_reg_by_name(name);
        if (reg == nullptr || ggml_backend_reg_dev_count(reg) == 0) {
            continue;
        }
        Vendor vendor = {name, {}, nullptr};
        for (size_t i = 0; i < ggml_backend_reg_dev_count(reg); i++) {
            vendor.devices.push_back(ggml_backend_reg_dev_get(reg, i));
        }
        vendor.get_counters = reinterpret_cast<ggml_backend_gpu_get_counters_t>(
            ggml_backend_reg_get_proc_address(reg, "ggml_backend_gpu_get_counters"));
        found.push_back(vendor);
    }
    return found;
}

} // namespace

std::string Vendor::device_list(int n_devices) const {
    std::string list = name;
    std::transform(list.begin(), list.end(), list.begin(), [](unsigned char c) { return std::tolower(c); });
    return list + "*" + std::to_string(n_devices) + ",cpu";
}

ggml_gpu_counters Vendor::counters() const {
    ggml_gpu_counters counters = {};
    get_counters(&counters);
    return counters;
}

const std::vector<Vendor> & vendors() {
    static const std::vector<Vendor> all = find_vendors();
    return all;
}

std::string why_there_are_none() {
    for (const char * name : kNames) {
        if (ggml_backend_reg_by_name(name) != nullptr) {
            return "this machine has no GPU that its driver shows";
        }
    }
    return "the library was built without GGML_SCHED_CUDA and GGML_SCHED_HIP";
}

} // namespace gpu_tests
