#include "platform_foreign.h"

#include <algorithm>
#include <array>
#include <iostream>

#include "host/known_devices.h"
#include "platform.h"

namespace conformance {

namespace {

// ggml's own tests of operations allow this error for products of matrices.
constexpr double kToleranceOfGgml = 5e-4;
constexpr size_t kServerThreads = 2;

std::array<char, 200> noted = {}; // read by a signal handler

template <typename Function> Function proc(ggml_backend_reg_t reg, const char * name) {
    return reg != nullptr ? reinterpret_cast<Function>(ggml_backend_reg_get_proc_address(reg, name)) : nullptr;
}

// A ggml whose backends are libraries of their own has none at first.
void load_backends() {
    if (ggml_backend_reg_count() == 0) {
        ggml_backend_load_all_from_path(foreign_options().libraries.c_str());
    }
}

void add_servers() {
    using AddServer = ggml_backend_reg_t (*)(const char * endpoint);
    const auto add = proc<AddServer>(ggml_backend_reg_by_name("RPC"), "ggml_backend_rpc_add_server");
    for (const std::string & endpoint : foreign_options().endpoints) {
        const ggml_backend_reg_t reg = add != nullptr ? add(endpoint.c_str()) : nullptr;
        if (reg != nullptr) {
            ggml_backend_register(reg);
        } else {
            std::cerr << "no RPC backend for " << endpoint << ": this ggml was built without GGML_RPC, or is too old\n";
        }
    }
}

// Registries of servers are named after their endpoints, which differ from run to run.
std::string unique_name(const std::string & registry, const std::vector<Subject> & others) {
    const std::string kind = registry.substr(0, registry.find('['));
    std::string name = kind;
    for (int i = 2; std::any_of(others.begin(), others.end(), [&](const Subject & s) { return s.name == name; }); i++) {
        name = kind + "_" + std::to_string(i);
    }
    return name;
}

// The registry's first two devices; the tested device, if it is among the registry's, and another one
std::vector<ggml_backend_dev_t> devices_of(ggml_backend_reg_t reg) {
    std::vector<ggml_backend_dev_t> devices;
    for (size_t i = 0; i < ggml_backend_reg_dev_count(reg); i++) {
        devices.push_back(ggml_backend_reg_dev_get(reg, i));
    }
    std::stable_partition(devices.begin(), devices.end(), [](ggml_backend_dev_t device) {
        return ggml_backend_dev_name(device) == foreign_options().device;
    });
    devices.resize(std::min<size_t>(devices.size(), 2));
    return devices;
}

} // namespace

ForeignOptions & foreign_options() {
    static ForeignOptions options;
    return options;
}

std::vector<Subject> find_subjects() {
    load_backends();
    add_servers();
    std::vector<Subject> found;
    for (size_t i = 0; i < ggml_backend_reg_count(); i++) {
        const ggml_backend_reg_t reg = ggml_backend_reg_get(i);
        Subject subject;
        subject.devices = devices_of(reg);
        if (!subject.devices.empty()) {
            const bool is_cpu = ggml_backend_dev_type(subject.devices[0]) == GGML_BACKEND_DEVICE_TYPE_CPU;
            subject.name = unique_name(ggml_backend_reg_name(reg), found);
            subject.n = is_cpu ? int64_t{1} << 12 : int64_t{1} << 20;
            subject.overcommits = is_cpu || subject.name.rfind("RPC", 0) == 0; // a server may serve the CPU
            subject.least_tolerance = kToleranceOfGgml;
            found.push_back(subject);
        }
    }
    return found;
}

std::string subject_of_device() {
    for (const Subject & subject : subjects()) {
        if (ggml_backend_dev_name(subject.devices[0]) == foreign_options().device) {
            return name_of(subject);
        }
    }
    return "";
}

void serve(const std::string & endpoint) {
    load_backends();
    using Start = void (*)(const char * endpoint, const char * cache_dir, size_t n_threads, size_t n_devices,
                           ggml_backend_dev_t * devices);
    const auto start = proc<Start>(ggml_backend_reg_by_name("RPC"), "ggml_backend_rpc_start_server");
    ggml_backend_dev_t cpu = ggml_backend_dev_by_type(GGML_BACKEND_DEVICE_TYPE_CPU);
    if (start != nullptr) {
        start(endpoint.c_str(), nullptr, kServerThreads, 1, &cpu);
    }
    std::cerr << "this ggml has no RPC server, or it does not start at " << endpoint << "\n";
}

// Nothing is simulated.
void set_schedule(uint64_t) {}

uint64_t n_violations() {
    return 0;
}

void note(const std::string & what) {
    noted.fill('\0');
    what.copy(noted.data(), noted.size() - 1);
}

const char * last_note() {
    return noted.data();
}

bool known_event_reaches(ggml_backend_dev_t recorder, ggml_backend_dev_t waiter) {
    return ggml_sched::host::known_event_reaches(recorder, waiter);
}

CopyQueue known_copy_queue(ggml_backend_dev_t src, ggml_backend_dev_t dst) {
    ggml_sched::plan::CopyOrder order = ggml_sched::plan::CopyOrder::Unordered;
    const bool is_known = ggml_sched::host::known_copy_order(src, dst, order);
    return is_known && order == ggml_sched::plan::CopyOrder::InSource ? CopyQueue::Source : CopyQueue::Unknown;
}

bool known_to_set_ranges(ggml_backend_dev_t device) {
    return ggml_sched::host::known_to_set_ranges(device);
}

bool known_to_keep_records(ggml_backend_dev_t device) {
    return ggml_sched::host::known_to_keep_records(device);
}

} // namespace conformance
