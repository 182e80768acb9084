#include "backend.h"

#include "device.h"
#include "enqueuing_call.h"
#include "locate.h"
#include "transfers.h"

#include <algorithm>
#include <memory>
#include <new>

namespace ggml_sched::sim {

namespace {

//
// Graphs
//

void launch(Simulator & simulator, Queue & queue, std::unique_ptr<GraphSnapshot> && graph) {
    const ggml_sim_config & config = queue.device.config;
    const double cost_us = config.launch_us + graph->cost_us();
    Operation operation;
    operation.kind = OperationKind::Compute;
    operation.uses = graph->allocations();
    operation.graph = std::move(graph);
    simulator.counters.graph_launches++;
    if (queue.device.traits().async) {
        simulator.enqueue(queue, std::move(operation), cost_us);
    } else {
        simulator.run_now(queue, std::move(operation), cost_us);
    }
}

// What went wrong earlier, or is to go wrong now
bool refuses_launch(Simulator & simulator, Queue & queue) {
    if (simulator.is_to_fail(queue.device, GGML_SIM_CALL_LAUNCH)) {
        return true;
    }
    if (queue.has_failed && !queue.was_told) {
        queue.was_told = true;
        GGML_LOG_ERROR("sim: the launch on %s reports an earlier failure, and is not started; see the log above\n",
                       queue.device.name);
        return true;
    }
    queue.has_failed = false;
    return false;
}

enum ggml_status graph_compute(ggml_backend_t backend, ggml_cgraph * cgraph) {
    Session sim;
    Queue & queue = queue_of(backend);
    if (refuses_launch(*sim, queue)) {
        return GGML_STATUS_FAILED;
    }
    enum ggml_status status = GGML_STATUS_SUCCESS;
    const bool has_memory = enqueuing_call(*sim, queue, [&] {
        std::unique_ptr<GraphSnapshot> graph = sim->take_snapshot_storage();
        LaunchResolver resolver(*sim, queue.device);
        if (!graph->take(*cgraph, queue.device.config, resolver)) {
            status = GGML_STATUS_FAILED;
            return;
        }
        launch(*sim, queue, std::move(graph));
    });
    if (!has_memory) {
        queue.has_failed = false;
        return GGML_STATUS_ALLOC_FAILED;
    }
    // What a queue without asynchrony has met belongs to this very launch.
    if (!queue.device.traits().async && queue.has_failed) {
        queue.has_failed = false;
        status = GGML_STATUS_FAILED;
    }
    return status;
}

//
// Waiting
//

void synchronize(ggml_backend_t backend) {
    Session sim;
    Queue & queue = queue_of(backend);
    sim->counters.synchronize_calls++;
    sim->let_adversary_act();
    if (queue.last != nullptr) {
        sim->execute_until(queue.last);
        sim->counters.synchronize_blocked += sim->wait_on_clock(*queue.last) ? 1 : 0;
    }
    (void) sim->is_to_fail(queue, GGML_SIM_CALL_SYNCHRONIZE);
    sim->let_adversary_act();
}

void event_record(ggml_backend_t backend, ggml_backend_event_t handle) {
    Session sim;
    Queue & queue = queue_of(backend);
    sim->counters.event_record_calls++;
    enqueuing_call(*sim, queue, [&] {
        Event * event = is_sim_device(handle->device) ? sim->live_event(handle) : nullptr;
        if (event == nullptr || handle->device != backend->device) {
            sim->violation(&queue, "an event is recorded on %s that is not of that device, or has been freed",
                           queue.device.name);
            return;
        }
        if (sim->is_to_fail(queue, GGML_SIM_CALL_EVENT_RECORD)) {
            return;
        }
        Operation operation;
        operation.kind = OperationKind::Record;
        operation.event = event;
        event->record = sim->enqueue(queue, std::move(operation), 0);
        event->n_kept_records++;
        sim->counters.most_kept_records = std::max(sim->counters.most_kept_records, event->n_kept_records);
    });
}

void event_wait(ggml_backend_t backend, ggml_backend_event_t handle) {
    Session sim;
    Queue & queue = queue_of(backend);
    sim->counters.event_wait_calls++;
    enqueuing_call(*sim, queue, [&] {
        Event * event = is_sim_device(handle->device) ? sim->live_event(handle) : nullptr;
        if (event == nullptr || !event_reaches_device(handle->device, backend->device)) {
            sim->violation(&queue,
                           "%s is told to wait for an event that it does not know, or that has been freed; "
                           "ask ggml_backend_event_reaches first",
                           queue.device.name);
            return;
        }
        if (event->record == nullptr || sim->is_to_fail(queue, GGML_SIM_CALL_EVENT_WAIT)) {
            return;
        }
        Operation operation;
        operation.kind = OperationKind::Wait;
        operation.event = event;
        operation.after.push_back(event->record);
        sim->enqueue(queue, std::move(operation), 0);
    });
}

//
// Life
//

const char * get_name(ggml_backend_t backend) {
    return queue_of(backend).device.name;
}

void free_backend(ggml_backend_t backend) {
    Session sim;
    const std::unique_ptr<Queue> queue(&queue_of(backend));
    sim->remove_queue(*queue);
    queue->device.n_backends--;
    delete backend;
}

ggml_guid_t sim_guid() {
    static ggml_guid guid = {0x51, 0x4d, 0x0e, 0x7c, 0x96, 0x2f, 0x45, 0xd1,
                             0xb3, 0x08, 0xea, 0x61, 0x1d, 0x74, 0xc9, 0x38};
    return &guid;
}

ggml_backend_i backend_interface(const ProfileTraits & traits) {
    ggml_backend_i iface = {};
    iface.get_name = get_name;
    iface.free = free_backend;
    iface.graph_compute = graph_compute;
    if (traits.async) {
        iface.set_tensor_async = set_tensor_async;
        iface.get_tensor_async = get_tensor_async;
        iface.set_tensor_2d_async = set_tensor_2d_async;
        iface.get_tensor_2d_async = get_tensor_2d_async;
        iface.cpy_tensor_async = cpy_tensor_async;
        iface.synchronize = synchronize;
    }
    if (traits.events) {
        iface.event_record = event_record;
        iface.event_wait = event_wait;
    }
    return iface;
}

} // namespace

ggml_backend_t new_backend(Device & device) {
    try {
        Session sim;
        if (sim->is_to_fail(device, GGML_SIM_CALL_INIT_BACKEND)) {
            return nullptr;
        }
        auto queue = std::make_unique<Queue>(device);
        auto backend = std::make_unique<ggml_backend>();
        *backend = {sim_guid(), backend_interface(device.traits()), &device.handle, queue.get()};
        sim->add_queue(*queue);
        device.n_backends++;
        (void) queue.release(); // free_backend has it
        return backend.release();
    } catch (const std::bad_alloc &) {
        GGML_LOG_ERROR("sim: no host memory for a backend of %s\n", device.name);
        return nullptr;
    }
}

bool is_sim_backend(ggml_backend_t backend) {
    return backend != nullptr && ggml_guid_matches(backend->guid, sim_guid());
}

} // namespace ggml_sched::sim
