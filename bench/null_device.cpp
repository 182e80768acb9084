#include "null_device.h"

#include <cstdlib>
#include <cstring>
#include <new>

#include "ggml-backend-impl.h"

namespace ggml_sched::bench {

namespace {

constexpr size_t kAlignment = 256;

ggml_backend_buffer_type * buft_of(int index);
ggml_backend_buffer_type * host_buft();
ggml_backend_device * device_of(int index);
ggml_backend_reg * reg();

// Buffers: real memory, so that addresses are valid, but not declared as the host's

void free_buffer(ggml_backend_buffer_t buffer) {
    std::free(buffer->context);
}
void * get_base(ggml_backend_buffer_t buffer) {
    return buffer->context;
}
void memset_tensor(ggml_backend_buffer_t, ggml_tensor *, uint8_t, size_t, size_t) {}
void set_tensor(ggml_backend_buffer_t, ggml_tensor *, const void *, size_t, size_t) {}
void get_tensor(ggml_backend_buffer_t, const ggml_tensor *, void *, size_t, size_t) {}
void clear(ggml_backend_buffer_t, uint8_t) {}

ggml_backend_buffer_i buffer_interface() {
    ggml_backend_buffer_i iface = {};
    iface.free_buffer = free_buffer;
    iface.get_base = get_base;
    iface.memset_tensor = memset_tensor;
    iface.set_tensor = set_tensor;
    iface.get_tensor = get_tensor;
    iface.clear = clear;
    return iface;
}

const char * buft_name(ggml_backend_buffer_type_t) {
    return "NULL";
}
ggml_backend_buffer_t alloc_buffer(ggml_backend_buffer_type_t buft, size_t size) {
    void * memory = std::aligned_alloc(kAlignment, GGML_PAD(size + 1, kAlignment));
    return memory ? ggml_backend_buffer_init(buft, buffer_interface(), memory, size) : nullptr;
}
size_t alignment(ggml_backend_buffer_type_t) {
    return kAlignment;
}

// Backends

const char * backend_name(ggml_backend_t) {
    return "NULL";
}
void free_backend(ggml_backend_t backend) {
    delete backend;
}
void set_async(ggml_backend_t, ggml_tensor *, const void *, size_t, size_t) {}
void get_async(ggml_backend_t, const ggml_tensor *, void *, size_t, size_t) {}
bool copy_async(ggml_backend_t, ggml_backend_t, const ggml_tensor *, ggml_tensor *) {
    return true;
}
void synchronize(ggml_backend_t) {}
ggml_status graph_compute(ggml_backend_t, ggml_cgraph *) {
    return GGML_STATUS_SUCCESS;
}
void event_record(ggml_backend_t, ggml_backend_event_t) {}
void event_wait(ggml_backend_t, ggml_backend_event_t) {}

// Devices

const char * device_name(ggml_backend_dev_t) {
    return "NULL";
}
void device_memory(ggml_backend_dev_t, size_t * free, size_t * total) {
    *free = *total = size_t{1} << 40;
}
enum ggml_backend_dev_type device_type(ggml_backend_dev_t) {
    return GGML_BACKEND_DEVICE_TYPE_GPU;
}
void device_props(ggml_backend_dev_t, ggml_backend_dev_props * props) {
    *props = {};
    props->name = props->description = "NULL";
    props->type = GGML_BACKEND_DEVICE_TYPE_GPU;
    props->caps.async = props->caps.host_buffer = props->caps.events = true;
}
ggml_backend_buffer_type_t device_buft(ggml_backend_dev_t device) {
    return static_cast<ggml_backend_buffer_type_t>(device->context);
}
ggml_backend_buffer_type_t device_host_buft(ggml_backend_dev_t) {
    return host_buft();
}
bool supports_op(ggml_backend_dev_t, const ggml_tensor *) {
    return true;
}
bool offload_op(ggml_backend_dev_t, const ggml_tensor * node) {
    return node->op == GGML_OP_MUL_MAT;
}
bool supports_buft(ggml_backend_dev_t device, ggml_backend_buffer_type_t buft) {
    return device->context == buft;
}
ggml_backend_event_t event_new(ggml_backend_dev_t device) {
    return new ggml_backend_event{device, nullptr};
}
void event_free(ggml_backend_dev_t, ggml_backend_event_t event) {
    delete event;
}
void event_synchronize(ggml_backend_dev_t, ggml_backend_event_t) {}
ggml_backend_t device_init(ggml_backend_dev_t device, const char *) {
    static ggml_guid guid = {0x4e, 0x55, 0x4c, 0x4c};
    ggml_backend * backend = new ggml_backend{};
    backend->guid = &guid;
    backend->device = device;
    backend->iface.get_name = backend_name;
    backend->iface.free = free_backend;
    backend->iface.set_tensor_async = set_async;
    backend->iface.get_tensor_async = get_async;
    backend->iface.cpy_tensor_async = copy_async;
    backend->iface.synchronize = synchronize;
    backend->iface.graph_compute = graph_compute;
    backend->iface.event_record = event_record;
    backend->iface.event_wait = event_wait;
    return backend;
}

// The registry

const char * reg_name(ggml_backend_reg_t) {
    return "NULL";
}
size_t reg_count(ggml_backend_reg_t) {
    return kNullDevices;
}
ggml_backend_dev_t reg_device(ggml_backend_reg_t, size_t index) {
    return device_of(static_cast<int>(index));
}
bool event_reaches(ggml_backend_dev_t, ggml_backend_dev_t) {
    return true;
}
ggml_backend_copy_queue copy_queue(ggml_backend_dev_t, ggml_backend_dev_t) {
    return GGML_BACKEND_COPY_QUEUE_SOURCE;
}
void * proc_address(ggml_backend_reg_t, const char * name) {
    if (std::strcmp(name, "ggml_backend_event_reaches") == 0) {
        return reinterpret_cast<void *>(event_reaches);
    }
    if (std::strcmp(name, "ggml_backend_copy_queue") == 0) {
        return reinterpret_cast<void *>(copy_queue);
    }
    return nullptr;
}

ggml_backend_reg * reg() {
    static ggml_backend_reg instance = {
        GGML_BACKEND_API_VERSION, {reg_name, reg_count, reg_device, proc_address}, nullptr};
    return &instance;
}

ggml_backend_device * device_of(int index) {
    static ggml_backend_device devices[kNullDevices] = {};
    ggml_backend_device & device = devices[index];
    if (!device.reg) {
        device.reg = reg();
        device.context = buft_of(index);
        ggml_backend_device_i & iface = device.iface;
        iface.get_name = iface.get_description = device_name;
        iface.get_memory = device_memory;
        iface.get_type = device_type;
        iface.get_props = device_props;
        iface.init_backend = device_init;
        iface.get_buffer_type = device_buft;
        iface.get_host_buffer_type = device_host_buft;
        iface.supports_op = supports_op;
        iface.offload_op = offload_op;
        iface.supports_buft = supports_buft;
        iface.event_new = event_new;
        iface.event_free = event_free;
        iface.event_synchronize = event_synchronize;
    }
    return &device;
}

ggml_backend_buffer_type * buft_of(int index) {
    static ggml_backend_buffer_type types[kNullDevices] = {};
    ggml_backend_buffer_type & type = types[index];
    if (!type.device) {
        type.iface.get_name = buft_name;
        type.iface.alloc_buffer = alloc_buffer;
        type.iface.get_alignment = alignment;
        type.device = device_of(index);
    }
    return &type;
}

// Memory of the host that the devices read by themselves
bool is_host(ggml_backend_buffer_type_t) {
    return true;
}
ggml_backend_buffer_type * host_buft() {
    static ggml_backend_buffer_type type = {};
    if (!type.device) {
        type.iface.get_name = buft_name;
        type.iface.alloc_buffer = alloc_buffer;
        type.iface.get_alignment = alignment;
        type.iface.is_host = is_host;
        type.device = device_of(0);
    }
    return &type;
}

} // namespace

ggml_backend_t null_backend_init(int index) {
    return device_init(device_of(index), nullptr);
}

} // namespace ggml_sched::bench
