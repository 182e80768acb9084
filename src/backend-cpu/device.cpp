#include "cpu_backend.h"
#include "ggml-cpu.h"
#include "supports_op.h"
#include "system_memory.h"

#include <cstring>

namespace ggml_sched::cpu {

namespace {

const char * device_name(ggml_backend_dev_t) {
    return "CPU";
}

const char * device_description(ggml_backend_dev_t) {
    return "Host processor";
}

void device_memory(ggml_backend_dev_t, size_t * free, size_t * total) {
    *total = core::host_memory_size();
    *free = *total; // what the system lends to caches counts as free, so there is no better number
}

enum ggml_backend_dev_type device_type(ggml_backend_dev_t) {
    return GGML_BACKEND_DEVICE_TYPE_CPU;
}

void device_props(ggml_backend_dev_t dev, ggml_backend_dev_props * props) {
    *props = {};
    props->name = device_name(dev);
    props->description = device_description(dev);
    device_memory(dev, &props->memory_free, &props->memory_total);
    props->type = device_type(dev);
    props->caps.buffer_from_host_ptr = true;
}

ggml_backend_t device_init_backend(ggml_backend_dev_t, const char *) {
    return ggml_backend_cpu_init();
}

ggml_backend_buffer_type_t device_buffer_type(ggml_backend_dev_t) {
    return ggml_backend_cpu_buffer_type();
}

ggml_backend_buffer_t device_buffer_from_host_ptr(ggml_backend_dev_t, void * ptr, size_t size, size_t) {
    return ggml_backend_cpu_buffer_from_ptr(ptr, size);
}

bool device_supports_op(ggml_backend_dev_t, const ggml_tensor * op) {
    return supports_op(op);
}

bool device_supports_buft(ggml_backend_dev_t, ggml_backend_buffer_type_t buft) {
    return ggml_backend_buft_is_host(buft);
}

ggml_backend_device_i device_interface() {
    ggml_backend_device_i iface = {};
    iface.get_name = device_name;
    iface.get_description = device_description;
    iface.get_memory = device_memory;
    iface.get_type = device_type;
    iface.get_props = device_props;
    iface.init_backend = device_init_backend;
    iface.get_buffer_type = device_buffer_type;
    iface.buffer_from_host_ptr = device_buffer_from_host_ptr;
    iface.supports_op = device_supports_op;
    iface.supports_buft = device_supports_buft;
    return iface;
}

const char * registry_name(ggml_backend_reg_t) {
    return "CPU";
}

size_t registry_device_count(ggml_backend_reg_t) {
    return 1;
}

ggml_backend_dev_t registry_device(ggml_backend_reg_t, size_t index) {
    return index == 0 ? cpu_device() : nullptr;
}

void * registry_proc_address(ggml_backend_reg_t, const char * name) {
    if (std::strcmp(name, "ggml_backend_set_n_threads") == 0) {
        return reinterpret_cast<void *>(ggml_backend_cpu_set_n_threads);
    }
    return nullptr;
}

} // namespace

ggml_backend_dev_t cpu_device() {
    static ggml_backend_device device = {device_interface(), cpu_registry(), nullptr};
    return &device;
}

ggml_backend_reg_t cpu_registry() {
    static ggml_backend_reg registry = {
        GGML_BACKEND_API_VERSION,
        {registry_name, registry_device_count, registry_device, registry_proc_address},
        nullptr,
    };
    return &registry;
}

} // namespace ggml_sched::cpu

ggml_backend_reg_t ggml_backend_cpu_reg(void) {
    return ggml_sched::cpu::cpu_registry();
}
