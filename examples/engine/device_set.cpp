#include "device_set.h"

#include "ggml-cpu.h"
#include "ggml-sim.h"

#include <algorithm>
#include <charconv>
#include <iterator>
#include <map>
#include <thread>

namespace engine {
namespace {

enum class Kind { Cpu, Sim, Registered };

// Devices of one kind in the list
struct Entry {
    Kind kind = Kind::Sim;
    std::string registry;                             // Registered: its name
    ggml_sim_profile profile = GGML_SIM_PROFILE_CUDA; // Sim
    int count = 1;
};

const std::string kGpus[] = {"cuda", "hip"}; // names of registries, in lower case

std::string profile_names() {
    std::string names;
    for (int p = 0; p < GGML_SIM_PROFILE_COUNT; p++) {
        names += (p ? ", " : "") + std::string(ggml_sim_profile_name(static_cast<ggml_sim_profile>(p)));
    }
    return names;
}

// sim[:profile][*count], cuda[*count], hip[*count] or cpu
Result<Entry> parse_entry(const std::string & text) {
    Entry entry;
    if (text == "cpu") {
        entry.kind = Kind::Cpu;
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
    if (rest == "sim") {
        return entry;
    }
    const bool has_profile = text.find(':') != std::string::npos;
    if (has_profile || std::find(std::begin(kGpus), std::end(kGpus), rest) == std::end(kGpus)) {
        return failure("unknown device '" + text +
                       "': expected sim[:profile][*count], cuda[*count], hip[*count] or cpu");
    }
    entry.kind = Kind::Registered;
    entry.registry = rest;
    return entry;
}

Result<std::vector<Entry>> parse_list(const std::string & list) {
    std::vector<Entry> entries;
    bool cpu_seen = false;
    int n_simulated = 0;
    for (size_t begin = 0; begin <= list.size();) {
        const size_t end = std::min(list.find(',', begin), list.size());
        const Result<Entry> entry = parse_entry(list.substr(begin, end - begin));
        if (!entry.ok()) {
            return entry.status();
        }
        if (cpu_seen) {
            return failure("bad device list '" + list + "': cpu comes last, once");
        }
        cpu_seen = entry.value().kind == Kind::Cpu;
        n_simulated += entry.value().kind == Kind::Sim ? entry.value().count : 0;
        entries.push_back(entry.value());
        begin = end + 1;
    }
    if (n_simulated > GGML_SIM_MAX_DEVICES) {
        return failure("too many simulated devices: at most " + std::to_string(GGML_SIM_MAX_DEVICES));
    }
    return entries;
}

// Simulated device `index`, configured anew
Result<ggml_backend_dev_t> simulated_device(int index, ggml_sim_profile profile) {
    const ggml_sim_config config = ggml_sim_config_default(profile);
    if (!ggml_backend_sim_configure(index, &config)) {
        return failure("cannot configure simulated device " + std::to_string(index));
    }
    return ggml_backend_sim_device(index);
}

// Device `index` of those that the library was built for and that this machine has
Result<ggml_backend_dev_t> registered_device(const std::string & registry, int index) {
    const ggml_backend_reg_t reg = ggml_backend_reg_by_name(registry.c_str());
    if (reg == nullptr) {
        return failure("this build has no backend for '" + registry + "' devices");
    }
    const auto n_devices = static_cast<int>(ggml_backend_reg_dev_count(reg));
    if (index >= n_devices) {
        return failure("device " + std::to_string(index) + " of '" + registry +
                       "' is asked for, and this machine has " + std::to_string(n_devices));
    }
    return ggml_backend_reg_dev_get(reg, static_cast<size_t>(index));
}

} // namespace

Result<DeviceSet> DeviceSet::open(const std::string & list, int n_threads) {
    const Result<std::vector<Entry>> entries = parse_list(list);
    if (!entries.ok()) {
        return entries.status();
    }
    DeviceSet set;
    int n_simulated = 0;
    std::map<std::string, int> n_registered;
    for (const Entry & entry : entries.value()) {
        for (int i = 0; i < entry.count && entry.kind != Kind::Cpu; i++) {
            const Result<ggml_backend_dev_t> device =
                entry.kind == Kind::Sim ? simulated_device(n_simulated++, entry.profile)
                                        : registered_device(entry.registry, n_registered[entry.registry]++);
            if (!device.ok()) {
                return device.status();
            }
            set.backends_.emplace_back(ggml_backend_dev_init(device.value(), nullptr));
            if (!set.backends_.back()) {
                return failure("cannot open device " + std::string(ggml_backend_dev_name(device.value())));
            }
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
