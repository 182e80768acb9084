#include "fake_device.h"

#include <cstring>

#include "ggml-backend-impl.h"

namespace parity {

struct FakeDevice::State {
    std::string name;
    FakeTraits traits;
    ggml_backend_t cpu = nullptr;
    Traffic traffic;
    ggml_backend_device device = {};
    ggml_backend_buffer_type buft = {};
    ggml_backend backend = {};
    ggml_guid guid = {};
};

namespace {

using State = FakeDevice::State;

constexpr size_t kAlignment = 64;

State & of(ggml_backend_dev_t device) {
    return *static_cast<State *>(device->context);
}
State & of(ggml_backend_t backend) {
    return *static_cast<State *>(backend->context);
}
State & of(ggml_backend_buffer_type_t buft) {
    return *static_cast<State *>(buft->context);
}
State & of(ggml_backend_buffer_t buffer) {
    return of(buffer->buft);
}

// Buffers: the context is the memory, from malloc

void * base_of(ggml_backend_buffer_t buffer) {
    const auto address = reinterpret_cast<uintptr_t>(buffer->context);
    return reinterpret_cast<void *>((address + kAlignment - 1) / kAlignment * kAlignment);
}

ggml_backend_buffer_i buffer_interface() {
    ggml_backend_buffer_i iface = {};
    iface.free_buffer = [](ggml_backend_buffer_t buffer) { free(buffer->context); };
    iface.get_base = base_of;
    iface.memset_tensor = [](ggml_backend_buffer_t, ggml_tensor * tensor, uint8_t value, size_t offset, size_t size) {
        std::memset(static_cast<char *>(tensor->data) + offset, value, size);
    };
    iface.set_tensor = [](ggml_backend_buffer_t buffer, ggml_tensor * tensor, const void * data, size_t offset,
                          size_t size) {
        std::memcpy(static_cast<char *>(tensor->data) + offset, data, size);
        of(buffer).traffic.bytes_set += size;
    };
    iface.get_tensor = [](ggml_backend_buffer_t buffer, const ggml_tensor * tensor, void * data, size_t offset,
                          size_t size) {
        std::memcpy(data, static_cast<const char *>(tensor->data) + offset, size);
        of(buffer).traffic.bytes_got += size;
    };
    iface.clear = [](ggml_backend_buffer_t buffer, uint8_t value) {
        std::memset(base_of(buffer), value, buffer->size);
    };
    return iface;
}

ggml_backend_buffer_type_i buffer_type_interface() {
    ggml_backend_buffer_type_i iface = {};
    iface.get_name = [](ggml_backend_buffer_type_t buft) { return of(buft).name.c_str(); };
    iface.alloc_buffer = [](ggml_backend_buffer_type_t buft, size_t size) -> ggml_backend_buffer_t {
        void * memory = malloc(size + kAlignment);
        return memory ? ggml_backend_buffer_init(buft, buffer_interface(), memory, size) : nullptr;
    };
    iface.get_alignment = [](ggml_backend_buffer_type_t) { return kAlignment; };
    iface.is_host = [](ggml_backend_buffer_type_t buft) { return of(buft).traits.is_host; };
    return iface;
}

bool is_view(const ggml_tensor * op) {
    return op->op == GGML_OP_NONE || op->op == GGML_OP_VIEW || op->op == GGML_OP_RESHAPE || op->op == GGML_OP_PERMUTE ||
           op->op == GGML_OP_TRANSPOSE;
}

bool supports(const State & state, const ggml_tensor * op) {
    const bool writes_in_place = op->op == GGML_OP_CPY || op->op == GGML_OP_SET_ROWS;
    if (state.traits.unsupported == 0 || is_view(op) || writes_in_place) {
        return true;
    }
    const uint32_t hash = (static_cast<uint32_t>(op->op) + 1) * 2654435761u ^ state.traits.unsupported * 40503u;
    return (hash >> 13) % 4 != 0;
}

ggml_backend_device_i device_interface() {
    ggml_backend_device_i iface = {};
    iface.get_name = [](ggml_backend_dev_t device) { return of(device).name.c_str(); };
    iface.get_description = [](ggml_backend_dev_t device) { return of(device).name.c_str(); };
    iface.get_memory = [](ggml_backend_dev_t, size_t * free, size_t * total) { *free = *total = size_t{1} << 30; };
    iface.get_type = [](ggml_backend_dev_t) { return GGML_BACKEND_DEVICE_TYPE_GPU; };
    iface.get_props = [](ggml_backend_dev_t device, ggml_backend_dev_props * props) {
        *props = {};
        props->name = props->description = of(device).name.c_str();
        props->type = GGML_BACKEND_DEVICE_TYPE_GPU;
        props->caps.async = of(device).traits.async;
        props->caps.events = of(device).traits.events;
    };
    iface.get_buffer_type = [](ggml_backend_dev_t device) { return &of(device).buft; };
    iface.supports_op = [](ggml_backend_dev_t device, const ggml_tensor * op) { return supports(of(device), op); };
    iface.supports_buft = [](ggml_backend_dev_t device, ggml_backend_buffer_type_t buft) {
        return buft == &of(device).buft || (of(device).traits.uses_host_memory && ggml_backend_buft_is_host(buft));
    };
    iface.offload_op = [](ggml_backend_dev_t device, const ggml_tensor * op) {
        return of(device).traits.offloads && (op->op == GGML_OP_MUL_MAT || op->op == GGML_OP_MUL_MAT_ID);
    };
    iface.event_new = [](ggml_backend_dev_t device) -> ggml_backend_event_t {
        return of(device).traits.events ? new ggml_backend_event{device, nullptr} : nullptr;
    };
    iface.event_free = [](ggml_backend_dev_t, ggml_backend_event_t event) { delete event; };
    iface.event_synchronize = [](ggml_backend_dev_t, ggml_backend_event_t) {};
    return iface;
}

ggml_backend_i backend_interface(const FakeTraits & traits) {
    ggml_backend_i iface = {};
    iface.get_name = [](ggml_backend_t backend) { return of(backend).name.c_str(); };
    iface.graph_compute = [](ggml_backend_t backend, ggml_cgraph * graph) {
        return ggml_backend_graph_compute(of(backend).cpu, graph);
    };
    if (traits.async) {
        iface.set_tensor_async = [](ggml_backend_t, ggml_tensor * tensor, const void * data, size_t offset,
                                    size_t size) { ggml_backend_tensor_set(tensor, data, offset, size); };
        iface.get_tensor_async = [](ggml_backend_t, const ggml_tensor * tensor, void * data, size_t offset,
                                    size_t size) { ggml_backend_tensor_get(tensor, data, offset, size); };
        iface.synchronize = [](ggml_backend_t) {};
    }
    if (traits.events) {
        iface.event_record = [](ggml_backend_t, ggml_backend_event_t) {};
        iface.event_wait = [](ggml_backend_t, ggml_backend_event_t) {};
    }
    return iface;
}

} // namespace

FakeDevice::FakeDevice(std::string name, const FakeTraits & traits, ggml_backend_t cpu)
    : state_(std::make_unique<State>()) {
    state_->name = std::move(name);
    state_->traits = traits;
    state_->cpu = cpu;
    state_->device.iface = device_interface();
    state_->device.context = state_.get();
    state_->buft.iface = buffer_type_interface();
    state_->buft.device = &state_->device;
    state_->buft.context = state_.get();
    state_->backend.guid = &state_->guid;
    state_->backend.iface = backend_interface(traits);
    state_->backend.device = &state_->device;
    state_->backend.context = state_.get();
}

FakeDevice::~FakeDevice() = default;

ggml_backend_t FakeDevice::backend() const {
    return &state_->backend;
}

ggml_backend_buffer_type_t FakeDevice::buffer_type() const {
    return &state_->buft;
}

Traffic & FakeDevice::traffic() const {
    return state_->traffic;
}

} // namespace parity
