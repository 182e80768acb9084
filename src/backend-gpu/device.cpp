#include "device.h"

#include "backend.h"
#include "ggml-cpu.h"
#include "ggml-impl.h"
#include "range.h"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <new>

namespace ggml_sched::gpu {
inline namespace GGML_SCHED_GPU_VENDOR {

namespace {

constexpr int64_t kMinOffloadColumns = 32; // fewer are not worth sending the weights

Device & context_of(ggml_backend_dev_t device) {
    return *static_cast<Device *>(device->context);
}

//
// The device interface
//

const char * get_name(ggml_backend_dev_t device) {
    return context_of(device).name();
}
const char * get_description(ggml_backend_dev_t device) {
    return context_of(device).info().name;
}
enum ggml_backend_dev_type get_type(ggml_backend_dev_t device) {
    return context_of(device).info().integrated ? GGML_BACKEND_DEVICE_TYPE_IGPU : GGML_BACKEND_DEVICE_TYPE_GPU;
}

void get_memory(ggml_backend_dev_t device, size_t * free, size_t * total) {
    const Device & context = context_of(device);
    if (!context.select() || !succeeded(memory_info(free, total), context.name(), "asking for the memory")) {
        *free = 0;
        *total = context.info().memory;
    }
}

void get_props(ggml_backend_dev_t device, ggml_backend_dev_props * props) {
    *props = {};
    props->name = get_name(device);
    props->description = get_description(device);
    get_memory(device, &props->memory_free, &props->memory_total);
    props->type = get_type(device);
    props->device_id = context_of(device).info().bus_id;
    props->caps.async = true;
    props->caps.host_buffer = true;
    props->caps.buffer_from_host_ptr = true;
    props->caps.events = true;
}

ggml_backend_t init_backend(ggml_backend_dev_t device, const char *) {
    return new_backend(context_of(device));
}
ggml_backend_buffer_type_t get_buffer_type(ggml_backend_dev_t device) {
    return context_of(device).buffer_type();
}
ggml_backend_buffer_type_t get_host_buffer_type(ggml_backend_dev_t) {
    return host_buffer_type();
}

// The kernels compute what the CPU backend does, in the same layouts. CONCAT has no kernel. CUSTOM calls a function of
// the program, which a GPU cannot do.
bool supports_op(ggml_backend_dev_t, const ggml_tensor * op) {
    return op->op != GGML_OP_CONCAT && op->op != GGML_OP_CUSTOM &&
           ggml_backend_dev_supports_op(ggml_backend_reg_dev_get(ggml_backend_cpu_reg(), 0), op);
}
bool supports_buft(ggml_backend_dev_t device, ggml_backend_buffer_type_t buft) {
    return buft == context_of(device).buffer_type();
}
bool offload_op(ggml_backend_dev_t, const ggml_tensor * op) {
    return (op->op == GGML_OP_MUL_MAT && op->ne[1] >= kMinOffloadColumns) ||
           (op->op == GGML_OP_MUL_MAT_ID && op->ne[2] >= kMinOffloadColumns);
}

ggml_backend_device_i device_interface() {
    ggml_backend_device_i iface = {};
    iface.get_name = get_name;
    iface.get_description = get_description;
    iface.get_memory = get_memory;
    iface.get_type = get_type;
    iface.get_props = get_props;
    iface.init_backend = init_backend;
    iface.get_buffer_type = get_buffer_type;
    iface.get_host_buffer_type = get_host_buffer_type;
    iface.buffer_from_host_ptr = buffer_from_host_ptr;
    iface.supports_op = supports_op;
    iface.supports_buft = supports_buft;
    iface.offload_op = offload_op;
    iface.event_new = event_new;
    iface.event_free = event_free;
    iface.event_synchronize = event_synchronize;
    return iface;
}

std::vector<std::unique_ptr<Device>> find_devices() {
    std::vector<std::unique_ptr<Device>> found;
    int count = 0;
    const Error error = device_count(&count);
    if (error != kSuccess) { // no driver, or no device: nothing is wrong with a machine without one
        (void) take_last_error();
        return found;
    }
    try {
        for (int i = 0; i < std::min(count, kMaxDevices); ++i) {
            DeviceInfo info = {};
            if (succeeded(device_info(i, &info), kVendorName, "asking for a device's properties")) {
                found.push_back(std::make_unique<Device>(i, info));
            }
        }
    } catch (const std::bad_alloc &) {
        GGML_LOG_ERROR("%s: no host memory to list all devices; close other programs\n", kVendorName);
    }
    return found;
}

} // namespace

bool succeeded(Error error, const char * device, const char * what) {
    if (error == kSuccess) {
        return true;
    }
    (void) take_last_error();
    GGML_LOG_ERROR("%s: %s failed: %s%s\n", device, what, error_text(error),
                   is_out_of_memory(error) ? "; free buffers, or use fewer layers or smaller batches" : "");
    return false;
}

Device::Device(int index, const DeviceInfo & info)
    : index_(index)
    , name_(kVendorName + std::to_string(index))
    , info_(info)
    , handle_{device_interface(), registry(), this}
    , buffer_type_(make_buffer_type(*this)) {}

bool Device::select() const {
    return succeeded(set_device(index_), name(), "choosing the device");
}

bool Device::has_transfer_stream() {
    return transfer_stream_ != nullptr || succeeded(create_stream(&transfer_stream_), name(), "making a stream");
}

bool Device::is_launch_to_fail() {
    return launches_until_failure_ > 0 && --launches_until_failure_ == 0;
}

const std::vector<std::unique_ptr<Device>> & devices() {
    // Never destroyed: programs free backends and buffers as late as they like.
    static const auto & all = *new std::vector<std::unique_ptr<Device>>(find_devices());
    return all;
}

Device * device_of(ggml_backend_dev_t device) {
    return device != nullptr && device->reg == registry() ? static_cast<Device *>(device->context) : nullptr;
}

void connect(const Device & device, const Device & peer) {
    static std::mutex mutex;
    static std::array<std::array<bool, kMaxDevices>, kMaxDevices> is_connected = {};
    const std::lock_guard<std::mutex> lock(mutex);
    bool & done = is_connected[static_cast<size_t>(device.index())][static_cast<size_t>(peer.index())];
    if (done || &device == &peer) {
        return;
    }
    done = true;
    if (std::getenv("GGML_SCHED_GPU_NO_PEER") != nullptr) {
        return;
    }
    bool can = false;
    if (!succeeded(can_access_peer(device.index(), peer.index(), &can), device.name(), "asking about a peer") || !can) {
        GGML_LOG_DEBUG("%s cannot reach the memory of %s: copies go through the host\n", device.name(), peer.name());
        return;
    }
    if (device.select()) {
        (void) succeeded(enable_peer_access(peer.index()), device.name(), "enabling access to a peer");
    }
}

//
// Events
//

ggml_backend_event_t event_new(ggml_backend_dev_t device) {
    const Device & context = context_of(device);
    EventHandle handle = nullptr;
    if (!context.select() || !succeeded(create_event(&handle), context.name(), "making an event")) {
        return nullptr;
    }
    auto * event = new (std::nothrow) ggml_backend_event{device, handle};
    if (event == nullptr) {
        GGML_LOG_ERROR("%s: no host memory for an event; close other programs\n", context.name());
        (void) destroy_event(handle);
    }
    return event;
}

void event_free(ggml_backend_dev_t device, ggml_backend_event_t event) {
    const Device & context = context_of(device);
    if (context.select()) {
        (void) succeeded(destroy_event(static_cast<EventHandle>(event->context)), context.name(), "freeing an event");
    }
    delete event;
}

void event_synchronize(ggml_backend_dev_t device, ggml_backend_event_t event) {
    const Range range("host waits for event");
    const Device & context = context_of(device);
    if (context.select()) {
        (void) succeeded(synchronize_event(static_cast<EventHandle>(event->context)), context.name(),
                         "waiting for an event");
    }
}

} // namespace GGML_SCHED_GPU_VENDOR
} // namespace ggml_sched::gpu
