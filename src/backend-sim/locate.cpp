#include "locate.h"

#include "backend/tensor_access.h"

namespace ggml_sched::sim {

const char * locate(const Simulator & simulator, const Device & device, const ggml_tensor & tensor, size_t offset,
                    size_t size, Place & place) {
    if (size == 0) {
        place = {};
        return nullptr;
    }
    if (tensor.data == nullptr) {
        return "it has no place; allocate it first";
    }
    const bool host_memory = device.traits().host_memory;
    if (const AllocationRef * found = simulator.memory.find(tensor.data)) {
        const AllocationRef & allocation = *found;
        if (allocation->kind == MemoryKind::Pinned && !host_memory) {
            return "it is in host memory; copy it to the device first";
        }
        if (allocation->kind == MemoryKind::Device && allocation->device != device.index) {
            return "it is in the memory of another device; copy it first";
        }
        const size_t start = (uintptr_t) tensor.data - allocation->base;
        if (offset > allocation->size - start || size > allocation->size - start - offset) {
            return "it reaches beyond the end of its buffer";
        }
        place = {allocation->bytes + start + offset, allocation, allocation->host_buffer};
        return nullptr;
    }
    if (simulator.memory.was_freed(tensor.data)) {
        return "its buffer has been freed";
    }
    ggml_backend_buffer_t buffer = buffer_of(&tensor);
    if (buffer == nullptr || !ggml_backend_buffer_is_host(buffer)) {
        return "it is in no memory that the device knows; copy it first";
    }
    if (!host_memory) {
        return "it is in host memory; copy it to the device first";
    }
    place = {static_cast<char *>(tensor.data) + offset, nullptr, buffer};
    return nullptr;
}

bool LaunchResolver::resolve(const ggml_tensor & tensor, size_t offset, size_t size, Place & place) {
    const char * problem = locate(simulator_, device_, tensor, offset, size, place);
    if (problem != nullptr) {
        simulator_.violation(nullptr, "a graph launched on %s uses tensor '%s', but %s", device_.name, tensor.name,
                             problem);
    }
    return problem == nullptr;
}

} // namespace ggml_sched::sim
