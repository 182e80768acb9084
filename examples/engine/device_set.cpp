#include "device_set.h"

#include "ggml-cpu.h"
#include "ggml-sim.h"

#include <algorithm>
#include <charconv>
#include <thread>

namespace engine {
namespace {

struct Entry {
    bool is_cpu = false;
    ggml_sim_profile profile = GGML_SIM_PROFILE_CUDA;
    int count = 1;
};

std::string profile_names() {
    std::string names;
    for (int p = 0; p < GGML_SIM_PROFILE_COUNT; p++) {
        names += (p ? ", " : "") + std::string(ggml_sim_profile_name(static_cast<ggml_sim_profile>(p)));
    }
    return names;
}

// sim[:profile][*count] or cpu
Result<Entry> parse_entry(const std::string & text) {
    Entry entry;
    if (text == "cpu") {
        entry.is_cpu = true;
        return entry;
    }
    std::string rest = text;
    if (const size_t star = rest.find('*'); star != std::string::npos) {
        const char * begin = rest.data() + star + 1;
        const char * end = rest.data() + rest.size();
        const auto [stop, code] = std::from_chars(begin, end, entry.count);
        if (code != std::errc() || stop != end || entry.count < 1 || entry.count > GGML_SIM_MAX_DEVICES) {
            return failure("bad count in device '" + text + "': a number from 1 to " +
                           std::to_string(GGML_SIM_MAX_DEVICES) + " follows the *");
        }
        rest.resize(star);
    }
    if (const size_t colon = rest.find(':'); colon != std::string::npos) {
        const std::string profile = rest.substr(colon + 1);
        entry.profile = ggml_sim_profile_from_name(profile.c_str());
        if (entry.profile == GGML_SIM_PROFILE_COUNT) {
            return failure("unknown profile '" + profile + "' in device '" + text + "': there are " + profile_names());
        }
        rest.resize(colon);
    }
    if (rest != "sim") {
        return failure("unknown device '" + text + "': expected sim[:profile][*count] or cpu");
    }
    return entry;
}

Result<std::vector<ggml_sim_profile>> parse_list(const std::string & list) {
    std::vector<ggml_sim_profile> profiles;
    bool cpu_seen = false;
    for (size_t begin = 0; begin <= list.size();) {
        const size_t end = std::min(list.find(',', begin), list.size());
        const Result<Entry> entry = parse_entry(list.substr(begin, end - begin));
        if (!entry.ok()) {
            return entry.status();
        }
        if (cpu_seen) {
            return failure("bad device list '" + list + "': cpu comes last, once");
        }
        cpu_seen = entry.value().is_cpu;
        if (!cpu_seen) {
            profiles.insert(profiles.end(), entry.value().count, entry.value().profile);
        }
        begin = end + 1;
    }
    if (profiles.size() > GGML_SIM_MAX_DEVICES) {
        return failure("too many simulated devices: at most " + std::to_string(GGML_SIM_MAX_DEVICES));
    }
    return profiles;
}

} // namespace

Result<DeviceSet> DeviceSet::open(const std::string & list, int n_threads) {
    const Result<std::vector<ggml_sim_profile>> profiles = parse_list(list);
    if (!profiles.ok()) {
        return profiles.status();
    }
    DeviceSet set;
    for (size_t i = 0; i < profiles.value().size(); i++) {
        const ggml_sim_config config = ggml_sim_config_default(profiles.value()[i]);
        if (!ggml_backend_sim_configure(static_cast<int>(i), &config)) {
            return failure("cannot configure simulated device " + std::to_string(i));
        }
        set.backends_.emplace_back(ggml_backend_dev_init(ggml_backend_sim_device(static_cast<int>(i)), nullptr));
        if (!set.backends_.back()) {
            return failure("cannot open simulated device " + std::to_string(i));
        }
    }
    set.backends_.emplace_back(ggml_backend_cpu_init());
    if (!set.backends_.back()) {
        return failure("cannot open the CPU backend");
    }
    const int cores = static_cast<int>(std::max(1U, std::thread::hardware_concurrency()));
    ggml_backend_cpu_set_n_threads(set.backend(set.cpu()), n_threads > 0 ? n_threads : cores);
    return set;
}

bool DeviceSet::only_simulated_accelerators() const {
    return accelerators() > 0 && std::all_of(backends_.begin(), backends_.end() - 1,
                                             [](const BackendHandle & b) { return ggml_backend_is_sim(b.get()); });
}

std::vector<ggml_backend_t> DeviceSet::handles() const {
    std::vector<ggml_backend_t> all;
    for (const BackendHandle & b : backends_) {
        all.push_back(b.get());
    }
    return all;
}

} // namespace engine
