// ggml-sim.h: what programs and tests tell the simulator.

#include "ggml-sim.h"

#include "backend.h"
#include "costs.h"
#include "device.h"
#include "enumerator.h"

#include <algorithm>
#include <new>

namespace ggml_sched::sim {

namespace {

bool is_device_index(int index, const char * function) {
    if (index >= 0 && index < GGML_SIM_MAX_DEVICES) {
        return true;
    }
    GGML_LOG_ERROR("%s: there is no device %d; they are 0 to %d\n", function, index, GGML_SIM_MAX_DEVICES - 1);
    return false;
}

bool can_configure(const Device & device, const ggml_sim_config & config, const char * function) {
    if (!is_profile(config.profile)) {
        GGML_LOG_ERROR("%s: there is no profile %d\n", function, core::number_of(config.profile));
        return false;
    }
    if (config.memory_bytes == 0 || !are_costs_valid(config)) {
        GGML_LOG_ERROR("%s: memory and rates must be positive, durations not negative; start from "
                       "ggml_sim_config_default\n",
                       function);
        return false;
    }
    if (device.n_backends + device.n_buffers + device.n_events > 0) {
        GGML_LOG_ERROR("%s: %s is in use: free its %d backends, %d buffers and %d events first\n", function,
                       device.name, device.n_backends, device.n_buffers, device.n_events);
        return false;
    }
    return true;
}

// Shows the device to those who enumerate devices.
bool list_device(Device & device) {
    try {
        Session sim;
        if (std::find(sim->listed.begin(), sim->listed.end(), &device) == sim->listed.end()) {
            sim->listed.push_back(&device);
        }
    } catch (const std::bad_alloc &) {
        GGML_LOG_ERROR("sim: no host memory to list %s\n", device.name);
        return false;
    }
    ggml_backend_device_register(&device.handle); // without the session: the registry asks us in turn
    return true;
}

Device & device_at(int index) {
    Session sim;
    return sim->devices[(size_t) index];
}

} // namespace

} // namespace ggml_sched::sim

using namespace ggml_sched::sim;

ggml_backend_dev_t ggml_backend_sim_device(int index) {
    if (!is_device_index(index, __func__)) {
        return nullptr;
    }
    Device & device = device_at(index);
    return list_device(device) ? &device.handle : nullptr;
}

bool ggml_backend_sim_configure(int index, const struct ggml_sim_config * config) {
    if (!is_device_index(index, __func__)) {
        return false;
    }
    if (config == nullptr) {
        GGML_LOG_ERROR("%s: config is NULL\n", __func__);
        return false;
    }
    Device & device = device_at(index);
    {
        Session sim;
        if (!can_configure(device, *config, __func__)) {
            return false;
        }
        configure_device(device, *config);
    }
    return list_device(device);
}

bool ggml_backend_is_sim(ggml_backend_t backend) {
    return is_sim_backend(backend);
}

void ggml_backend_sim_set_seed(uint64_t seed) {
    Session sim;
    sim->set_seed(seed);
}

double ggml_backend_sim_time_us(void) {
    Session sim;
    return sim->now_us();
}

void ggml_backend_sim_advance_us(double us) {
    if (!(us >= 0)) {
        GGML_LOG_ERROR("%s: the clock cannot go by %g us\n", __func__, us);
        return;
    }
    Session sim;
    sim->advance(us);
}

void ggml_backend_sim_reset_clock(void) {
    Session sim;
    if (!sim->reset_clock()) {
        GGML_LOG_ERROR("%s: operations are still queued; synchronize all backends first\n", __func__);
    }
}

void ggml_backend_sim_get_counters(struct ggml_sim_counters * counters) {
    if (counters == nullptr) {
        GGML_LOG_ERROR("%s: counters is NULL\n", __func__);
        return;
    }
    Session sim;
    *counters = sim->counters;
}

void ggml_backend_sim_reset_counters(void) {
    Session sim;
    sim->counters = {};
    sim->forget_kept_records();
}

const char * ggml_sim_call_name(enum ggml_sim_call call) {
    static const char * const names[GGML_SIM_CALL_COUNT] = {
        "launch",
        "init_backend",
        "alloc_buffer",
        "alloc_host_buffer",
        "init_tensor",
        "event_new",
        "copy_async",
        "set_async",
        "get_async",
        "event_record",
        "event_wait",
        "synchronize",
        "event_synchronize",
        "buffer_from_host_ptr",
        "register_host_buffer",
    };
    return ggml_sched::core::is_below(call, GGML_SIM_CALL_COUNT) ? names[ggml_sched::core::number_of(call)] : nullptr;
}

bool ggml_backend_sim_fail_launch(int index, int n) {
    return ggml_backend_sim_fail(index, GGML_SIM_CALL_LAUNCH, n);
}

bool ggml_backend_sim_fail(int index, enum ggml_sim_call call, int n) {
    if (!is_device_index(index, __func__)) {
        return false;
    }
    if (!ggml_sched::core::is_below(call, GGML_SIM_CALL_COUNT)) {
        GGML_LOG_ERROR("%s: there is no call %d; they are 0 to %d\n", __func__, ggml_sched::core::number_of(call),
                       GGML_SIM_CALL_COUNT - 1);
        return false;
    }
    if (n < 0) {
        GGML_LOG_ERROR("%s: n is %d; it must be 0 or more\n", __func__, n);
        return false;
    }
    Session sim;
    sim->devices[(size_t) index].calls_until_failure[(size_t) call] = n;
    return true;
}
