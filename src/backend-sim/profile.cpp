#include "profile.h"

#include "enumerator.h"

#include <cstring>

namespace ggml_sched::sim {

namespace {

constexpr ProfileTraits all_traits[GGML_SIM_PROFILE_COUNT] = {
    // name, description, type, async, events, pinned, host_memory
    {"cuda", "simulated device, profile cuda", GGML_BACKEND_DEVICE_TYPE_GPU, true, true, true, false},
    {"vulkan", "simulated device, profile vulkan", GGML_BACKEND_DEVICE_TYPE_GPU, true, true, true, false},
    {"no-events", "simulated device, profile no-events", GGML_BACKEND_DEVICE_TYPE_GPU, true, false, true, false},
    {"no-async", "simulated device, profile no-async", GGML_BACKEND_DEVICE_TYPE_GPU, false, false, false, false},
    {"uma", "simulated device, profile uma", GGML_BACKEND_DEVICE_TYPE_IGPU, true, true, true, true},
};

// One driver, whose streams and events work across all of its devices
bool in_cuda_family(enum ggml_sim_profile profile) {
    return profile == GGML_SIM_PROFILE_CUDA || profile == GGML_SIM_PROFILE_UMA;
}

} // namespace

bool is_profile(const enum ggml_sim_profile & profile) {
    return core::is_below(profile, GGML_SIM_PROFILE_COUNT);
}

const ProfileTraits & traits_of(enum ggml_sim_profile profile) {
    return all_traits[profile];
}

bool event_reaches(enum ggml_sim_profile recorder, enum ggml_sim_profile waiter, bool same_device) {
    if (in_cuda_family(recorder) && in_cuda_family(waiter)) {
        return true;
    }
    return same_device && traits_of(recorder).events;
}

enum ggml_backend_copy_queue copy_queue(enum ggml_sim_profile src, enum ggml_sim_profile dst, bool same_device) {
    if (in_cuda_family(src) && in_cuda_family(dst)) {
        return GGML_BACKEND_COPY_QUEUE_SOURCE;
    }
    if (src != dst) {
        return GGML_BACKEND_COPY_QUEUE_NONE;
    }
    if (src == GGML_SIM_PROFILE_NO_EVENTS) {
        return GGML_BACKEND_COPY_QUEUE_SOURCE;
    }
    if (src == GGML_SIM_PROFILE_VULKAN && same_device) {
        return GGML_BACKEND_COPY_QUEUE_DESTINATION;
    }
    return GGML_BACKEND_COPY_QUEUE_NONE;
}

bool copies_from_pinned(enum ggml_sim_profile dst) {
    return dst == GGML_SIM_PROFILE_VULKAN;
}

} // namespace ggml_sched::sim

using namespace ggml_sched::sim;

const char * ggml_sim_profile_name(enum ggml_sim_profile profile) {
    return is_profile(profile) ? traits_of(profile).name : nullptr;
}

enum ggml_sim_profile ggml_sim_profile_from_name(const char * name) {
    for (int i = 0; name != nullptr && i < GGML_SIM_PROFILE_COUNT; i++) {
        if (std::strcmp(name, all_traits[i].name) == 0) {
            return (enum ggml_sim_profile) i;
        }
    }
    return GGML_SIM_PROFILE_COUNT;
}

struct ggml_sim_config ggml_sim_config_default(enum ggml_sim_profile profile) {
    struct ggml_sim_config config = {};
    std::memcpy(&config.profile, &profile, sizeof(profile)); // perhaps none: configure refuses it
    config.memory_bytes = (size_t) 4 << 30;
    config.flops_per_us = 1e5;
    config.bytes_per_us = 2e4;
    config.link_bytes_per_us = 1.6e4;
    config.link_latency_us = 5.0;
    config.launch_us = 5.0;
    config.host_call_us = 0.5;
    config.offload = true;
    if (is_profile(profile) && profile == GGML_SIM_PROFILE_UMA) {
        config.link_bytes_per_us = config.bytes_per_us;
        config.offload = false; // it computes where the weights are
    }
    return config;
}
