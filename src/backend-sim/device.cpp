#include "device.h"

#include "backend.h"
#include "backend/procs.h"
#include "buffer.h"
#include "enqueuing_call.h"
#include "ggml-cpu.h"

#include <cstdio>
#include <new>
#include <utility>

namespace ggml_sched::sim {

namespace {

constexpr int64_t min_offload_rows = 32; // fewer are not worth sending the weights

Device & context_of(ggml_backend_dev_t device) {
    return *static_cast<Device *>(device->context);
}

const char * get_name(ggml_backend_dev_t device) {
    return context_of(device).name;
}
const char * get_description(ggml_backend_dev_t device) {
    return context_of(device).traits().description;
}
enum ggml_backend_dev_type get_type(ggml_backend_dev_t device) {
    return context_of(device).traits().type;
}

void get_memory(ggml_backend_dev_t device, size_t * free, size_t * total) {
    Session sim;
    const Device & context = context_of(device);
    *free = context.config.memory_bytes - context.used_bytes;
    *total = context.config.memory_bytes;
}

void get_props(ggml_backend_dev_t device, ggml_backend_dev_props * props) {
    *props = {};
    props->name = get_name(device);
    props->description = get_description(device);
    props->type = get_type(device);
    get_memory(device, &props->memory_free, &props->memory_total);
    const ProfileTraits & traits = context_of(device).traits();
    props->caps.async = traits.async;
    props->caps.host_buffer = traits.pinned;
    props->caps.buffer_from_host_ptr = traits.pinned;
    props->caps.events = traits.events;
}

ggml_backend_t init_backend(ggml_backend_dev_t device, const char *) {
    return new_backend(context_of(device));
}
ggml_backend_buffer_type_t get_buffer_type(ggml_backend_dev_t device) {
    return &context_of(device).device_buft;
}
ggml_backend_buffer_type_t get_host_buffer_type(ggml_backend_dev_t device) {
    return &context_of(device).host_buft;
}
ggml_backend_buffer_t from_host_ptr(ggml_backend_dev_t device, void * ptr, size_t size, size_t) {
    return buffer_from_host_ptr(context_of(device), ptr, size);
}

// Devices execute functions of the program as little as a GPU does.
bool supports_op(ggml_backend_dev_t, const ggml_tensor * op) {
    return op->op != GGML_OP_CUSTOM &&
           ggml_backend_dev_supports_op(ggml_backend_reg_dev_get(ggml_backend_cpu_reg(), 0), op);
}

bool supports_buft(ggml_backend_dev_t device, ggml_backend_buffer_type_t buft) {
    const Device & context = context_of(device);
    return buft == &context.device_buft || (context.traits().host_memory && ggml_backend_buft_is_host(buft));
}

bool offload_op(ggml_backend_dev_t device, const ggml_tensor * op) {
    if (!context_of(device).config.offload) {
        return false;
    }
    return (op->op == GGML_OP_MUL_MAT && op->ne[1] >= min_offload_rows) ||
           (op->op == GGML_OP_MUL_MAT_ID && op->ne[2] >= min_offload_rows);
}

ggml_backend_event_t event_new(ggml_backend_dev_t device) {
    try {
        Session sim;
        const bool fails = sim->is_to_fail(context_of(device), GGML_SIM_CALL_EVENT_NEW);
        return fails ? nullptr : sim->new_event(context_of(device));
    } catch (const std::bad_alloc &) {
        GGML_LOG_ERROR("sim: no host memory for an event of %s\n", get_name(device));
        return nullptr;
    }
}

void event_free(ggml_backend_dev_t, ggml_backend_event_t event) {
    Session sim;
    sim->let_adversary_act();
    sim->free_event(event);
}

void event_synchronize(ggml_backend_dev_t device, ggml_backend_event_t handle) {
    Session sim;
    sim->counters.event_synchronize_calls++;
    sim->let_adversary_act();
    Event * event = sim->live_event(handle);
    if (event == nullptr) {
        sim->violation(nullptr, "the host waits for an event that has been freed");
    } else if (event->record != nullptr) {
        const CompletionRef record = event->record;
        sim->execute_until(record);
        sim->counters.lost_waits += sim->has_wait_for_earlier_record(*event) ? 1 : 0;
        event->n_kept_records = 0;
        sim->counters.event_synchronize_blocked += sim->wait_on_clock(*record) ? 1 : 0;
        if (sim->is_to_fail(context_of(device), GGML_SIM_CALL_EVENT_SYNCHRONIZE)) {
            sim->fail_queue_of(*record);
        }
    }
    sim->let_adversary_act();
}

ggml_backend_device_i device_interface(const ProfileTraits & traits) {
    ggml_backend_device_i iface = {};
    iface.get_name = get_name;
    iface.get_description = get_description;
    iface.get_memory = get_memory;
    iface.get_type = get_type;
    iface.get_props = get_props;
    iface.init_backend = init_backend;
    iface.get_buffer_type = get_buffer_type;
    iface.supports_op = supports_op;
    iface.supports_buft = supports_buft;
    iface.offload_op = offload_op;
    if (traits.pinned) {
        iface.get_host_buffer_type = get_host_buffer_type;
        iface.buffer_from_host_ptr = from_host_ptr;
    }
    if (traits.events) {
        iface.event_new = event_new;
        iface.event_free = event_free;
        iface.event_synchronize = event_synchronize;
    }
    return iface;
}

//
// Registry
//

const char * reg_name(ggml_backend_reg_t) {
    return "SIM";
}

size_t reg_device_count(ggml_backend_reg_t) {
    Session sim;
    return sim->listed.size();
}

ggml_backend_dev_t reg_device(ggml_backend_reg_t, size_t index) {
    Session sim;
    return index < sim->listed.size() ? &sim->listed[index]->handle : nullptr;
}

bool last_operation_times(ggml_backend_t backend, double * start_us, double * finish_us) {
    if (!is_sim_backend(backend) || start_us == nullptr || finish_us == nullptr) {
        return false;
    }
    Session sim;
    return sim->last_operation_times(queue_of(backend), *start_us, *finish_us);
}

bool sets_ranges(ggml_backend_dev_t device) {
    return is_sim_device(device) && context_of(device).config.sets_ranges;
}

bool host_writes(ggml_backend_dev_t device) {
    return is_sim_device(device) && context_of(device).config.host_writes;
}

enum ggml_status take_failure(ggml_backend_t backend, uint64_t * mark) {
    if (!is_sim_backend(backend) || mark == nullptr) {
        return GGML_STATUS_SUCCESS;
    }
    Session sim;
    Queue & queue = queue_of(backend);
    queue.mark = *mark;
    *mark = queue.failed_mark;
    return std::exchange(queue.has_failed, false) ? GGML_STATUS_FAILED : GGML_STATUS_SUCCESS;
}

void * reg_proc_address(ggml_backend_reg_t, const char * name) {
    using core::address_of;
    const core::Proc procs[] = {
        {"ggml_backend_event_reaches", address_of<ggml_backend_event_reaches_t>(event_reaches_device)},
        {"ggml_backend_copy_queue", address_of<ggml_backend_copy_queue_t>(copy_queue_between)},
        {"ggml_backend_sets_ranges", address_of<ggml_backend_sets_ranges_t>(sets_ranges)},
        {"ggml_backend_host_writes", address_of<ggml_backend_host_writes_t>(host_writes)},
        {"ggml_backend_take_failure", address_of<ggml_backend_take_failure_t>(take_failure)},
        {"ggml_backend_clock_us", address_of<ggml_backend_clock_us_t>(ggml_backend_sim_time_us)},
        {"ggml_backend_last_operation_times", address_of<ggml_backend_last_operation_times_t>(last_operation_times)},
    };
    const core::Proc registering[] = {
        {"ggml_backend_register_host_buffer", address_of<bool (*)(void *, size_t)>(register_host_buffer)},
        {"ggml_backend_unregister_host_buffer", address_of<void (*)(void *)>(unregister_host_buffer)},
    };
    void * const address = core::find_proc(procs, name);
    return address == nullptr && a_device_registers_memory() ? core::find_proc(registering, name) : address;
}

} // namespace

void configure_device(Device & device, const ggml_sim_config & config) {
    device.config = config;
    device.handle.iface = device_interface(device.traits());
    device.calls_until_failure = {};
}

void init_device(Device & device, int index) {
    device.index = index;
    (void) std::snprintf(device.name, sizeof(device.name), "SIM%d", index);
    device.handle.reg = ggml_backend_sim_reg();
    device.handle.context = &device;
    device.device_buft = make_device_buffer_type(device);
    device.host_buft = make_host_buffer_type(device);
    configure_device(device, ggml_sim_config_default(GGML_SIM_PROFILE_CUDA));
}

bool is_sim_device(ggml_backend_dev_t device) {
    return device != nullptr && device->reg == ggml_backend_sim_reg();
}

bool event_reaches_device(ggml_backend_dev_t recorder, ggml_backend_dev_t waiter) {
    return is_sim_device(recorder) && is_sim_device(waiter) &&
           event_reaches(context_of(recorder).config.profile, context_of(waiter).config.profile, recorder == waiter);
}

enum ggml_backend_copy_queue copy_queue_between(ggml_backend_dev_t src, ggml_backend_dev_t dst) {
    if (!is_sim_device(dst) || src == nullptr) {
        return GGML_BACKEND_COPY_QUEUE_NONE;
    }
    const enum ggml_sim_profile dst_profile = context_of(dst).config.profile;
    if (is_sim_device(src)) {
        return copy_queue(context_of(src).config.profile, dst_profile, src == dst);
    }
    const bool from_host = ggml_backend_dev_type(src) == GGML_BACKEND_DEVICE_TYPE_CPU;
    return from_host && copies_from_pinned(dst_profile) ? GGML_BACKEND_COPY_QUEUE_DESTINATION
                                                        : GGML_BACKEND_COPY_QUEUE_NONE;
}

} // namespace ggml_sched::sim

using namespace ggml_sched::sim;

ggml_backend_reg_t ggml_backend_sim_reg(void) {
    static ggml_backend_reg reg = {
        GGML_BACKEND_API_VERSION, {reg_name, reg_device_count, reg_device, reg_proc_address}, nullptr};
    return &reg;
}
