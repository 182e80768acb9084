// null_device.cpp - devices: what they are called, what they can do, and what belongs to them.

#include <new>

#include "null_impl.h"

namespace null_backend {

namespace {

const char * const kNames[null_device_count] = {"Null0", "Null1", "Null2", "Null3", "Null4", "Null5", "Null6", "Null7"};

// The context of a device is its name. Its place in the list is its index.
int index_of(ggml_backend_dev_t device) {
    return static_cast<int>(static_cast<const char * const *>(device->context) - kNames);
}

const char * get_name(ggml_backend_dev_t device) {
    return kNames[index_of(device)];
}
const char * get_description(ggml_backend_dev_t) {
    return "a device that does nothing";
}
void get_memory(ggml_backend_dev_t, size_t * free, size_t * total) {
    *free = *total = size_t{1} << 40;
}
enum ggml_backend_dev_type get_type(ggml_backend_dev_t) {
    return GGML_BACKEND_DEVICE_TYPE_GPU;
}
void get_props(ggml_backend_dev_t device, ggml_backend_dev_props * props) {
    *props = {};
    props->name = get_name(device);
    props->description = get_description(device);
    props->type = get_type(device);
    get_memory(device, &props->memory_free, &props->memory_total);
    // The scheduler uses only what is declared here. Each flag promises functions: see docs/backend-guide.md.
    props->caps.async = true;
    props->caps.host_buffer = true;
    props->caps.events = true;
}
ggml_backend_buffer_type_t get_buffer_type(ggml_backend_dev_t device) {
    return null_device_memory(index_of(device));
}
ggml_backend_buffer_type_t get_host_buffer_type(ggml_backend_dev_t) {
    return null_pinned_memory();
}

// A clone answers true only for what it computes, with any operands in memory for which supports_buft is true.
bool supports_op(ggml_backend_dev_t, const ggml_tensor *) {
    return true;
}
bool supports_buft(ggml_backend_dev_t device, ggml_backend_buffer_type_t type) {
    return type == get_buffer_type(device);
}
// True: the device takes the operation although its weights are in host memory.
bool offload_op(ggml_backend_dev_t, const ggml_tensor * node) {
    return node->op == GGML_OP_MUL_MAT;
}

// Events belong to the device. They may outlive the queue that recorded them.
ggml_backend_event_t event_new(ggml_backend_dev_t device) {
    return new (std::nothrow) ggml_backend_event{device, nullptr};
}
void event_free(ggml_backend_dev_t, ggml_backend_event_t event) {
    delete event;
}
// The host waits for the event.
void event_synchronize(ggml_backend_dev_t, ggml_backend_event_t) {}

ggml_backend_device_i device_interface() {
    ggml_backend_device_i iface = {};
    iface.get_name = get_name;
    iface.get_description = get_description;
    iface.get_memory = get_memory;
    iface.get_type = get_type;
    iface.get_props = get_props;
    iface.init_backend = null_queue_new;
    iface.get_buffer_type = get_buffer_type;
    iface.get_host_buffer_type = get_host_buffer_type;
    iface.supports_op = supports_op;
    iface.supports_buft = supports_buft;
    iface.offload_op = offload_op;
    iface.event_new = event_new;
    iface.event_free = event_free;
    iface.event_synchronize = event_synchronize;
    return iface;
}

} // namespace

} // namespace null_backend

ggml_backend_dev_t null_backend_device(int index) {
    using namespace null_backend;
    static ggml_backend_device devices[null_device_count] = {};
    if (index < 0 || index >= null_device_count) {
        return nullptr;
    }
    ggml_backend_device & device = devices[index];
    if (!device.reg) {
        device = {device_interface(), null_backend_reg(), const_cast<const char **>(&kNames[index])};
    }
    return &device;
}

ggml_backend_t null_backend_init(int index) {
    const ggml_backend_dev_t device = null_backend_device(index);
    return device ? null_backend::null_queue_new(device, nullptr) : nullptr;
}
