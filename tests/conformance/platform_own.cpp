// Our own ggml: the CPU backend, the simulated devices, and what else the library was built with.

#include <algorithm>

#include "ggml-cpu.h"
#include "ggml-gpu.h"
#include "ggml-sim.h"
#include "platform.h"

namespace conformance {

namespace {

Subject cpu_subject() {
    Subject subject;
    subject.name = "CPU";
    subject.devices = {ggml_backend_reg_dev_get(ggml_backend_cpu_reg(), 0)};
    subject.exact = true;
    return subject;
}

// Each profile has two simulated devices of its own, so that all of them can be there at once.
Subject sim_subject(int profile) {
    ggml_sim_config config = ggml_sim_config_default(static_cast<ggml_sim_profile>(profile));
    config.memory_bytes = size_t{128} << 20;
    config.sets_ranges = true;
    config.one_queue = config.profile == GGML_SIM_PROFILE_VULKAN;
    Subject subject;
    subject.name = std::string("SIM_") + ggml_sim_profile_name(config.profile);
    subject.simulated = true;
    subject.exact = true;
    for (const int index : {2 * profile, 2 * profile + 1}) {
        if (ggml_backend_sim_configure(index, &config)) {
            subject.devices.push_back(ggml_backend_sim_device(index));
        }
    }
    subject.fail_next_launch = [profile] { ggml_backend_sim_fail_launch(2 * profile, 1); };
    return subject;
}

Subject registered_subject(ggml_backend_reg_t reg) {
    Subject subject;
    subject.name = ggml_backend_reg_name(reg);
    subject.n = int64_t{1} << 20;
    for (size_t i = 0; i < std::min<size_t>(ggml_backend_reg_dev_count(reg), 2); i++) {
        subject.devices.push_back(ggml_backend_reg_dev_get(reg, i));
    }
    const auto fail_launch = reinterpret_cast<ggml_backend_gpu_fail_launch_t>(
        ggml_backend_reg_get_proc_address(reg, "ggml_backend_gpu_fail_launch"));
    if (fail_launch != nullptr && !subject.devices.empty()) {
        subject.fail_next_launch = [fail_launch, device = subject.devices[0]] { fail_launch(device, 1); };
    }
    return subject;
}

} // namespace

std::vector<Subject> find_subjects() {
    std::vector<Subject> found = {cpu_subject()};
    for (int profile = 0; profile < GGML_SIM_PROFILE_COUNT; profile++) {
        found.push_back(sim_subject(profile));
    }
    for (size_t i = 0; i < ggml_backend_reg_count(); i++) {
        const ggml_backend_reg_t reg = ggml_backend_reg_get(i);
        if (reg != ggml_backend_cpu_reg() && reg != ggml_backend_sim_reg()) {
            found.push_back(registered_subject(reg));
        }
    }
    return found;
}

void set_schedule(uint64_t seed) {
    ggml_backend_sim_set_seed(seed);
}

uint64_t n_violations() {
    ggml_sim_counters counters = {};
    ggml_backend_sim_get_counters(&counters);
    return counters.contract_violations;
}

// Our own backends do not end the process.
void note(const std::string &) {}

// Our own registries answer all questions: of others nothing is known.
bool known_event_reaches(ggml_backend_dev_t, ggml_backend_dev_t) {
    return false;
}

CopyQueue known_copy_queue(ggml_backend_dev_t, ggml_backend_dev_t) {
    return CopyQueue::Unknown;
}

bool known_to_set_ranges(ggml_backend_dev_t) {
    return false;
}

bool known_to_keep_records(ggml_backend_dev_t device) {
    const int first = 2 * GGML_SIM_PROFILE_VULKAN;
    return device == ggml_backend_sim_device(first) || device == ggml_backend_sim_device(first + 1);
}

} // namespace conformance
