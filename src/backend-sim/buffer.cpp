#include "buffer.h"

#include "backend/host_buffer.h"
#include "costs.h"

#include <algorithm>
#include <cstring>
#include <new>

namespace ggml_sched::sim {

namespace {

constexpr size_t alignment = 128;

Allocation & allocation_of(ggml_backend_buffer_t buffer) {
    return *static_cast<Allocation *>(buffer->context);
}

void free_buffer(ggml_backend_buffer_t buffer) {
    Session sim;
    Allocation & allocation = allocation_of(buffer);
    Device & device = sim->devices[(size_t) allocation.device];
    sim->let_adversary_act();
    sim->report_uses_in_flight(allocation);
    device.n_buffers--;
    if (allocation.kind == MemoryKind::Device) {
        device.used_bytes -= allocation.size;
    }
    if (allocation.in_flight > 0 && allocation.is_owned) {
        allocation.fill_with_garbage(0);
    }
    sim->memory.release(allocation);
}

void * get_base(ggml_backend_buffer_t buffer) {
    return (void *) allocation_of(buffer).base; // NOLINT(performance-no-int-to-ptr): nobody follows it
}

//
// Device memory. Blocking access acts at once and is ordered with no queue.
//

class BlockingAccess {
  public:
    BlockingAccess(ggml_backend_buffer_t buffer, const ggml_tensor * tensor, size_t offset, size_t size)
        : allocation_(allocation_of(buffer)) {
        session_->let_adversary_act();
        const uintptr_t address = (uintptr_t) tensor->data + offset;
        if (address < allocation_.base || address - allocation_.base > allocation_.size ||
            size > allocation_.size - (address - allocation_.base)) {
            session_->violation(nullptr, "tensor '%s' reaches beyond its buffer; nothing is moved", tensor->name);
            return;
        }
        bytes_ = allocation_.at(address);
    }

    // The bytes, or NULL
    char * bytes() const { return bytes_; }

    void done(double cost_us) {
        session_->advance(cost_us);
        session_->let_adversary_act();
    }
    void done_over_link(size_t size) {
        session_->counters.blocking_set_get_calls++;
        done(link_cost_us(config(), size));
    }
    const ggml_sim_config & config() const { return session_->devices[(size_t) allocation_.device].config; }

  private:
    Session session_;
    Allocation & allocation_;
    char * bytes_ = nullptr;
};

void device_memset(ggml_backend_buffer_t buffer, ggml_tensor * tensor, uint8_t value, size_t offset, size_t size) {
    BlockingAccess access(buffer, tensor, offset, size);
    if (access.bytes() != nullptr) {
        std::memset(access.bytes(), value, size);
        access.done(local_cost_us(access.config(), size));
    }
}

void device_set_2d(ggml_backend_buffer_t buffer, ggml_tensor * tensor, const void * data, size_t offset, size_t size,
                   size_t n, size_t stride_tensor, size_t stride_data) {
    BlockingAccess access(buffer, tensor, offset, (n - 1) * stride_tensor + size);
    if (access.bytes() == nullptr) {
        return;
    }
    for (size_t i = 0; i < n; i++) {
        std::memcpy(access.bytes() + i * stride_tensor, static_cast<const char *>(data) + i * stride_data, size);
    }
    access.done_over_link(size * n);
}

void device_get_2d(ggml_backend_buffer_t buffer, const ggml_tensor * tensor, void * data, size_t offset, size_t size,
                   size_t n, size_t stride_tensor, size_t stride_data) {
    BlockingAccess access(buffer, tensor, offset, (n - 1) * stride_tensor + size);
    if (access.bytes() == nullptr) {
        return;
    }
    for (size_t i = 0; i < n; i++) {
        std::memcpy(static_cast<char *>(data) + i * stride_data, access.bytes() + i * stride_tensor, size);
    }
    access.done_over_link(size * n);
}

void device_set(ggml_backend_buffer_t buffer, ggml_tensor * tensor, const void * data, size_t offset, size_t size) {
    device_set_2d(buffer, tensor, data, offset, size, 1, 0, 0);
}

void device_get(ggml_backend_buffer_t buffer, const ggml_tensor * tensor, void * data, size_t offset, size_t size) {
    device_get_2d(buffer, tensor, data, offset, size, 1, 0, 0);
}

// From devices of the same driver; the caller stages the others through the host.
bool device_cpy(ggml_backend_buffer_t buffer, const ggml_tensor * src, ggml_tensor * dst) {
    Session sim;
    Allocation & to = allocation_of(buffer);
    const AllocationRef * from = sim->memory.find(src->data);
    if (from == nullptr || (*from)->kind != MemoryKind::Device) {
        return false;
    }
    const Device & device = sim->devices[(size_t) to.device];
    const Device & src_device = sim->devices[(size_t) (*from)->device];
    const bool same_device = &device == &src_device;
    if (!same_device &&
        copy_queue(src_device.config.profile, device.config.profile, false) == GGML_BACKEND_COPY_QUEUE_NONE) {
        return false;
    }
    const size_t size = ggml_nbytes(src);
    const size_t src_start = (uintptr_t) src->data - (*from)->base;
    const size_t dst_start = (uintptr_t) dst->data - to.base;
    if (size > (*from)->size - src_start || dst_start > to.size || size > to.size - dst_start) {
        sim->violation(nullptr, "tensor '%s' or '%s' reaches beyond its buffer; nothing is copied", src->name,
                       dst->name);
        return true;
    }
    sim->let_adversary_act();
    std::memmove(to.bytes + dst_start, (*from)->bytes + src_start, size);
    sim->counters.blocking_set_get_calls++;
    sim->advance(same_device ? copy_cost_us(device.config, size) : link_cost_us(device.config, size));
    sim->let_adversary_act();
    return true;
}

void device_clear(ggml_backend_buffer_t buffer, uint8_t value) {
    Session sim;
    Allocation & allocation = allocation_of(buffer);
    sim->let_adversary_act();
    std::memset(allocation.bytes, value, allocation.size);
    sim->advance(local_cost_us(sim->devices[(size_t) allocation.device].config, allocation.size));
    sim->let_adversary_act();
}

enum ggml_status init_tensor(ggml_backend_buffer_t buffer, ggml_tensor *) {
    Session sim;
    Device & device = sim->devices[(size_t) allocation_of(buffer).device];
    return sim->is_to_fail(device, GGML_SIM_CALL_INIT_TENSOR) ? GGML_STATUS_FAILED : GGML_STATUS_SUCCESS;
}

ggml_backend_buffer_i device_buffer_interface(const Device & device) {
    ggml_backend_buffer_i iface = {};
    iface.init_tensor = device.config.inits_tensors ? init_tensor : nullptr;
    iface.free_buffer = free_buffer;
    iface.get_base = get_base;
    iface.memset_tensor = device_memset;
    iface.set_tensor = device_set;
    iface.get_tensor = device_get;
    iface.set_tensor_2d = device_set_2d;
    iface.get_tensor_2d = device_get_2d;
    iface.cpy_tensor = device_cpy;
    iface.clear = device_clear;
    return iface;
}

//
// Pinned host memory: the host's own, no device is involved.
//

ggml_backend_buffer_i host_buffer_interface() {
    ggml_backend_buffer_i iface = core::host_buffer_interface(free_buffer);
    iface.get_base = get_base;
    return iface;
}

//
// Buffer types
//

Device & device_of(ggml_backend_buffer_type_t buft) {
    return *static_cast<Device *>(buft->context);
}

ggml_backend_buffer_t allocate(ggml_backend_buffer_type_t buft, size_t size, MemoryKind kind) {
    Session sim;
    Device & device = device_of(buft);
    const bool is_device = kind == MemoryKind::Device;
    if (sim->is_to_fail(device, is_device ? GGML_SIM_CALL_ALLOC_BUFFER : GGML_SIM_CALL_ALLOC_HOST_BUFFER)) {
        return nullptr;
    }
    if (is_device && size > device.config.memory_bytes - device.used_bytes) {
        GGML_LOG_ERROR("sim: %s has %zu of %zu bytes left, too few for a buffer of %zu; free buffers, or configure "
                       "more memory\n",
                       device.name, device.config.memory_bytes - device.used_bytes, device.config.memory_bytes, size);
        return nullptr;
    }
    AllocationRef allocation;
    try {
        allocation = sim->memory.allocate(device.index, kind, size, sim->adversary.next_garbage());
    } catch (const std::bad_alloc &) {
        GGML_LOG_ERROR("sim: no host memory to simulate a buffer of %zu bytes of %s\n", size, device.name);
        return nullptr;
    }
    ggml_backend_buffer_t buffer = ggml_backend_buffer_init(
        buft, is_device ? device_buffer_interface(device) : host_buffer_interface(), allocation.get(), size);
    if (buffer == nullptr) {
        sim->memory.release(*allocation);
        return nullptr;
    }
    device.n_buffers++;
    device.used_bytes += is_device ? size : 0;
    return buffer;
}

ggml_backend_buffer_t alloc_device_buffer(ggml_backend_buffer_type_t buft, size_t size) {
    return allocate(buft, size, MemoryKind::Device);
}

ggml_backend_buffer_t alloc_host_buffer(ggml_backend_buffer_type_t buft, size_t size) {
    return allocate(buft, size, MemoryKind::Pinned);
}

bool is_range(const void * begin, size_t size) {
    return begin != nullptr && size > 0 && size <= UINTPTR_MAX - (uintptr_t) begin;
}

const char * device_buft_name(ggml_backend_buffer_type_t buft) {
    return device_of(buft).name;
}
const char * host_buft_name(ggml_backend_buffer_type_t) {
    return "SIM_Host";
}
size_t get_alignment(ggml_backend_buffer_type_t) {
    return alignment;
}
bool is_host(ggml_backend_buffer_type_t) {
    return true;
}

// Returns the first listed device that registers the caller's memory; NULL if none does.
Device * first_that_registers(const Simulator & simulator) {
    const auto found = std::find_if(simulator.listed.begin(), simulator.listed.end(), [](const Device * device) {
        return device->config.registers_memory && device->traits().pinned;
    });
    return found == simulator.listed.end() ? nullptr : *found;
}

// Pins the caller's memory for the device. NULL, and a line in the log, where that is not possible.
AllocationRef pin(Simulator & simulator, const Device & device, void * bytes, size_t size) {
    AllocationRef allocation;
    try {
        allocation =
            is_range(bytes, size) ? simulator.memory.adopt(device.index, static_cast<char *>(bytes), size) : nullptr;
    } catch (const std::bad_alloc &) {
        GGML_LOG_ERROR("sim: no host memory to pin a buffer of %zu bytes for %s\n", size, device.name);
        return nullptr;
    }
    if (allocation == nullptr) {
        GGML_LOG_ERROR("sim: %zu bytes of the caller's cannot be pinned for %s: there are none, or some are pinned "
                       "already; use them as they are\n",
                       size, device.name);
    }
    return allocation;
}

} // namespace

bool a_device_registers_memory() {
    Session sim;
    return first_that_registers(*sim) != nullptr;
}

bool register_host_buffer(void * bytes, size_t size) {
    Session sim;
    Device * const device = first_that_registers(*sim);
    if (device == nullptr || sim->is_to_fail(*device, GGML_SIM_CALL_REGISTER_HOST_BUFFER)) {
        return false;
    }
    const AllocationRef allocation = pin(*sim, *device, bytes, size);
    if (allocation != nullptr) {
        allocation->is_read_only = true;
    }
    return allocation != nullptr;
}

void unregister_host_buffer(void * bytes) {
    Session sim;
    const AllocationRef * const found = sim->memory.find(bytes);
    if (found == nullptr || (*found)->bytes != bytes || (*found)->is_owned) {
        sim->violation(nullptr, "memory of the caller's is unregistered that is not registered");
        return;
    }
    const AllocationRef allocation = *found;
    sim->let_adversary_act();
    sim->report_uses_in_flight(*allocation);
    sim->memory.release(*allocation);
}

ggml_backend_buffer_t buffer_from_host_ptr(Device & device, void * bytes, size_t size) {
    Session sim;
    if (sim->is_to_fail(device, GGML_SIM_CALL_BUFFER_FROM_HOST_PTR)) {
        return nullptr;
    }
    const AllocationRef allocation = pin(*sim, device, bytes, size);
    if (allocation == nullptr) {
        return nullptr;
    }
    ggml_backend_buffer_t buffer =
        ggml_backend_buffer_init(&device.host_buft, host_buffer_interface(), allocation.get(), size);
    if (buffer == nullptr) {
        sim->memory.release(*allocation);
        return nullptr;
    }
    device.n_buffers++;
    return buffer;
}

ggml_backend_buffer_type make_device_buffer_type(Device & device) {
    ggml_backend_buffer_type buft = {};
    buft.iface.get_name = device_buft_name;
    buft.iface.alloc_buffer = alloc_device_buffer;
    buft.iface.get_alignment = get_alignment;
    buft.device = &device.handle;
    buft.context = &device;
    return buft;
}

ggml_backend_buffer_type make_host_buffer_type(Device & device) {
    ggml_backend_buffer_type buft = make_device_buffer_type(device);
    buft.iface.get_name = host_buft_name;
    buft.iface.alloc_buffer = alloc_host_buffer;
    buft.iface.is_host = is_host;
    return buft;
}

} // namespace ggml_sched::sim
