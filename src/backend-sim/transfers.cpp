#include "transfers.h"

#include "backend.h"
#include "costs.h"
#include "device.h"
#include "enqueuing_call.h"
#include "locate.h"

namespace ggml_sched::sim {

namespace {

//
// Transfers between the host and the device
//

// Pieces of `size` bytes, of the tensor and in host memory
struct Pieces {
    size_t offset;
    size_t size;
    size_t n = 1;
    size_t stride_tensor = 0;
    size_t stride_data = 0;

    size_t tensor_extent() const { return (n - 1) * stride_tensor + size; }
};

// Finds both ends. False, with a violation, where the device cannot use them.
bool find_ends(Simulator & simulator, Queue & queue, OperationKind kind, const ggml_tensor & tensor, const void * data,
               const Pieces & pieces, Place & place, AllocationRef & pinned) {
    const char * problem = locate(simulator, queue.device, tensor, pieces.offset, pieces.tensor_extent(), place);
    if (problem != nullptr) {
        simulator.violation(&queue, "%s on %s: tensor '%s' cannot be used: %s", name_of(kind), queue.device.name,
                            tensor.name, problem);
        return false;
    }
    if (const AllocationRef * found = simulator.memory.find(data)) {
        if ((*found)->kind == MemoryKind::Device) {
            simulator.violation(&queue, "%s on %s: the host pointer for tensor '%s' is a device address", name_of(kind),
                                queue.device.name, tensor.name);
            return false;
        }
        if ((*found)->is_read_only && kind == OperationKind::Get) {
            simulator.violation(&queue, "%s on %s: the host memory for tensor '%s' was registered for reading only",
                                name_of(kind), queue.device.name, tensor.name);
            return false;
        }
        pinned = *found;
    }
    return true;
}

Operation make_transfer(OperationKind kind, const Pieces & pieces, Place && place, AllocationRef && pinned) {
    Operation operation;
    operation.kind = kind;
    operation.transfer.size = pieces.size;
    operation.transfer.n = pieces.n;
    if (place.allocation != nullptr) {
        operation.uses.push_back(std::move(place.allocation));
    }
    if (pinned != nullptr) {
        operation.uses.push_back(std::move(pinned));
    }
    return operation;
}

void set_pieces(ggml_backend_t backend, const ggml_tensor & tensor, const void * data, const Pieces & pieces) {
    Session sim;
    Queue & queue = queue_of(backend);
    sim->counters.set_async_calls++;
    enqueuing_call(*sim, queue, [&] {
        Place place;
        AllocationRef pinned;
        if (!find_ends(*sim, queue, OperationKind::Set, tensor, data, pieces, place, pinned) ||
            sim->is_to_fail(queue, GGML_SIM_CALL_SET_ASYNC)) {
            return;
        }
        char * bytes = place.bytes;
        const bool is_pinned = pinned != nullptr;
        Operation operation = make_transfer(OperationKind::Set, pieces, std::move(place), std::move(pinned));
        Transfer & transfer = operation.transfer;
        transfer.dst = bytes;
        transfer.dst_stride = pieces.stride_tensor;
        transfer.src = static_cast<const char *>(data);
        transfer.src_stride = pieces.stride_data;
        // A driver may read pageable memory during the call, or later: the contract allows both.
        if (!is_pinned && !sim->adversary.is_lazy() && sim->adversary.one_in(2)) {
            transfer.stage();
        }
        sim->enqueue(queue, std::move(operation), link_cost_us(queue.device.config, pieces.size * pieces.n),
                     &queue.device.from_host);
    });
}

void get_pieces(ggml_backend_t backend, const ggml_tensor & tensor, void * data, const Pieces & pieces) {
    Session sim;
    Queue & queue = queue_of(backend);
    sim->counters.get_async_calls++;
    enqueuing_call(*sim, queue, [&] {
        Place place;
        AllocationRef pinned;
        if (!find_ends(*sim, queue, OperationKind::Get, tensor, data, pieces, place, pinned) ||
            sim->is_to_fail(queue, GGML_SIM_CALL_GET_ASYNC)) {
            return;
        }
        const char * bytes = place.bytes;
        Operation operation = make_transfer(OperationKind::Get, pieces, std::move(place), std::move(pinned));
        Transfer & transfer = operation.transfer;
        transfer.dst = static_cast<char *>(data);
        transfer.dst_stride = pieces.stride_data;
        transfer.src = bytes;
        transfer.src_stride = pieces.stride_tensor;
        sim->enqueue(queue, std::move(operation), link_cost_us(queue.device.config, pieces.size * pieces.n),
                     &queue.device.to_host);
    });
}

//
// Copies between devices
//

// The source of a copy, for the device whose queue it would run on; pinned host memory where the profile takes it
bool find_copy_source(const Simulator & simulator, const Device * src_device, const Device & dst_device,
                      const ggml_tensor & src, size_t size, Place & place) {
    if (src_device != nullptr && locate(simulator, *src_device, src, 0, size, place) == nullptr) {
        return true;
    }
    const AllocationRef * found = simulator.memory.find(src.data);
    if (!copies_from_pinned(dst_device.config.profile) || found == nullptr || (*found)->kind != MemoryKind::Pinned ||
        size > (*found)->size - ((uintptr_t) src.data - (*found)->base)) {
        return false;
    }
    place = {static_cast<char *>(src.data), *found, (*found)->host_buffer};
    return true;
}

struct CopyRoute {
    ggml_backend_copy_queue runs_on;
    Queue * src; // NULL if the source is no simulated backend
    Queue * dst;
};

CopyRoute route_copy(ggml_backend_t backend_src, ggml_backend_t backend_dst) {
    CopyRoute route = {GGML_BACKEND_COPY_QUEUE_NONE, nullptr, &queue_of(backend_dst)};
    if (is_sim_backend(backend_src)) {
        route.src = &queue_of(backend_src);
    }
    route.runs_on = copy_queue_between(backend_src->device, backend_dst->device);
    return route;
}

void enqueue_copy(Simulator & simulator, const CopyRoute & route, Place && src, Place && dst, size_t size) {
    const bool on_source = route.src != nullptr && route.runs_on == GGML_BACKEND_COPY_QUEUE_SOURCE;
    Queue & runner = on_source ? *route.src : *route.dst;
    const bool is_local = route.src != nullptr && &route.src->device == &route.dst->device &&
                          src.allocation != nullptr && src.allocation->kind == MemoryKind::Device;
    const bool from_host = src.allocation != nullptr && src.allocation->kind == MemoryKind::Pinned;
    const double cost_us =
        is_local ? copy_cost_us(runner.device.config, size) : link_cost_us(runner.device.config, size);

    Operation copy;
    copy.kind = OperationKind::Copy;
    copy.transfer.dst = dst.bytes;
    copy.transfer.src = src.bytes;
    copy.transfer.size = size;
    for (Place * place : {&src, &dst}) {
        if (place->allocation != nullptr) {
            copy.uses.push_back(std::move(place->allocation));
        }
    }
    if (!on_source && route.src != nullptr && route.src != route.dst && route.src->last != nullptr) {
        copy.after.push_back(route.src->last);
    }
    const CompletionRef completion =
        simulator.enqueue(runner, std::move(copy), cost_us, from_host ? &runner.device.from_host : nullptr);
    if (on_source && route.src != route.dst) {
        Operation wait;
        wait.after.push_back(completion);
        simulator.enqueue(*route.dst, std::move(wait), 0);
    }
}

} // namespace

void set_tensor_async(ggml_backend_t backend, ggml_tensor * tensor, const void * data, size_t offset, size_t size) {
    set_pieces(backend, *tensor, data, {offset, size});
}

void get_tensor_async(ggml_backend_t backend, const ggml_tensor * tensor, void * data, size_t offset, size_t size) {
    get_pieces(backend, *tensor, data, {offset, size});
}

void set_tensor_2d_async(ggml_backend_t backend, ggml_tensor * tensor, const void * data, size_t offset, size_t size,
                         size_t n_copies, size_t stride_tensor, size_t stride_data) {
    set_pieces(backend, *tensor, data, {offset, size, n_copies, stride_tensor, stride_data});
}

void get_tensor_2d_async(ggml_backend_t backend, const ggml_tensor * tensor, void * data, size_t offset, size_t size,
                         size_t n_copies, size_t stride_tensor, size_t stride_data) {
    get_pieces(backend, *tensor, data, {offset, size, n_copies, stride_tensor, stride_data});
}

bool cpy_tensor_async(ggml_backend_t backend_src, ggml_backend_t backend_dst, const ggml_tensor * src,
                      ggml_tensor * dst) {
    Session sim;
    const CopyRoute route = route_copy(backend_src, backend_dst);
    const size_t size = ggml_nbytes(src);
    const Device * src_device = route.src != nullptr ? &route.src->device : nullptr;
    Place from;
    Place to;
    if (route.runs_on == GGML_BACKEND_COPY_QUEUE_NONE || size != ggml_nbytes(dst) ||
        locate(*sim, route.dst->device, *dst, 0, size, to) != nullptr ||
        !find_copy_source(*sim, src_device, route.dst->device, *src, size, from) ||
        sim->is_to_fail(route.dst->device, GGML_SIM_CALL_COPY_ASYNC)) {
        return false;
    }
    sim->counters.copy_async_calls++;
    enqueuing_call(*sim, *route.dst, [&] { enqueue_copy(*sim, route, std::move(from), std::move(to), size); });
    return true;
}

} // namespace ggml_sched::sim
