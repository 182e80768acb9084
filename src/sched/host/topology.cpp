#include "host/topology.h"

#include <algorithm>

namespace ggml_sched {

namespace {

constexpr int kMaxBackends = plan::kMaxLanes - 1;

} // namespace

plan::Machine machine_of(const std::vector<host::Backend> & backends, const Topology & topology, int n_copies) {
    plan::Machine machine;
    machine.window = std::max(2, n_copies);
    for (size_t a = 0; a < backends.size(); a++) {
        const plan::Lane lane = topology.lane_of[a];
        machine.n_lanes = std::max(machine.n_lanes, lane + 1);
        machine.events[lane] = backends[a].events;
        machine.puts_off_records[lane] = backends[a].keeps_records; // Records of a streaming lane also submit copies.
        for (size_t b = 0; b < backends.size(); b++) {
            machine.reaches[lane][topology.lane_of[b]] =
                backends[a].events && backends[b].events && host::event_reaches(backends[a].device, backends[b].device);
        }
        if (const plan::Lane stream = topology.stream_of[a]; stream != plan::kHost) {
            machine.n_lanes = std::max(machine.n_lanes, stream + 1);
            machine.events[stream] = true;
            machine.reaches[lane][stream] = true;
            machine.reaches[stream][lane] = true;
        }
    }
    return machine;
}

Topology topology_of(const std::vector<host::Backend> & backends) {
    Topology topology;
    topology.ring_buft = ggml_backend_cpu_buffer_type();
    for (const host::Backend & backend : backends) {
        if (backend.async) {
            topology.ring_buft = host::staging_buft(backend);
            break;
        }
    }
    plan::Lane next = plan::kHost + 1;
    for (size_t b = 0; b < backends.size(); b++) {
        topology.lane_of[b] = backends[b].async ? next++ : plan::kHost;
    }
    for (size_t b = 0; b < backends.size() && next < plan::kMaxLanes; b++) {
        topology.stream_of[b] = backends[b].set_async && backends[b].events ? next++ : plan::kHost;
    }
    for (size_t src = 0; src < backends.size(); src++) {
        for (size_t dst = 0; dst < backends.size(); dst++) {
            Topology::Link & link = topology.links[src][dst];
            link.async = src != dst && host::copy_order(backends[src], backends[dst], link.order);
        }
    }
    return topology;
}

Status check_backends(ggml_backend_t * backends, ggml_backend_buffer_type_t * bufts, int n_backends) {
    if (!backends) {
        return Status::failed("the array of backends is NULL; pass 1 to " + std::to_string(kMaxBackends) +
                              " backends, the CPU last");
    }
    if (n_backends < 1 || n_backends > kMaxBackends) {
        return Status::failed("a scheduler needs 1 to " + std::to_string(kMaxBackends) + " backends, not " +
                              std::to_string(n_backends));
    }
    for (int b = 0; b < n_backends; b++) {
        const ggml_backend_t backend = backends[b];
        if (!backend || !ggml_backend_get_device(backend)) {
            return Status::failed("backend " + std::to_string(b) + " is NULL or has no device");
        }
        if (bufts && (!bufts[b] || !ggml_backend_supports_buft(backend, bufts[b]))) {
            return Status::failed(std::string("backend ") + ggml_backend_name(backend) +
                                  " does not support the buffer type " +
                                  (bufts[b] ? ggml_backend_buft_name(bufts[b]) : "NULL") + " that it is given");
        }
    }
    if (!host::is_cpu(backends[n_backends - 1])) {
        return Status::failed(std::string("the last backend must be a CPU, not ") +
                              ggml_backend_name(backends[n_backends - 1]));
    }
    return {};
}

} // namespace ggml_sched
