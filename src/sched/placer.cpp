#include "placer.h"

#include "lower/lower.h"

namespace ggml_sched {

Status Placer::place(const CutGraph & graph, uint64_t splits, KnownPlaces & places) {
    if (place_as_before(graph, splits, places)) {
        return {};
    }
    Status status = place_by_allocator(graph);
    if (status.ok()) {
        places.take({splits, allocation_.n_reserves()}, graph.view, graph.splits, graph.slots);
        if (!allocation_.keeps_order()) {
            places.refuse_others();
        }
    }
    return status;
}

bool Placer::place_as_before(const CutGraph & graph, uint64_t splits, KnownPlaces & places) {
    if (!allocation_.keeps_order() || !places.is_for({splits, allocation_.n_reserves()})) {
        return false;
    }
    // The allocator may have planned anew for another layout, without being told to.
    const bool fits =
        places.is_for_same(graph.view) || (allocation_.reserves_when_told() && places.fits(graph.view, graph.slots));
    if (!fits) {
        return false;
    }
    allocation_.reset_buffers();
    return places.place(graph.view, graph.slots);
}

Status Placer::place_by_allocator(const CutGraph & graph) {
    allocation_.list(graph.view, graph.splits, graph.slots, graph.assignment);
    if (allocation_.same_buffers_as_before() && allocation_.place()) {
        return {};
    }
    if (Status status = wait_for_buffers(); !status.ok()) {
        return status;
    }
    if (!allocation_.reserve() || !allocation_.place()) {
        return Status::no_memory("not enough memory to allocate this graph; use smaller batches or fewer layers on the "
                                 "devices");
    }
    return {};
}

Status Placer::reserve(const CutGraph & graph) {
    allocation_.list(graph.view, graph.splits, graph.slots, graph.assignment);
    if (Status status = wait_for_buffers(); !status.ok()) {
        return status;
    }
    if (!allocation_.reserve()) {
        return Status::no_memory("not enough memory to reserve the buffers for this graph; use smaller batches or "
                                 "fewer layers on the devices");
    }
    return {};
}

// Buffers that have to grow are freed: what is in flight must be done with them, and only with them.
Status Placer::wait_for_buffers() {
    if (!rules_.is_on(plan::Rule::BufferGrowth) || flight_.is_empty()) {
        return {};
    }
    bool waited = false;
    return flight_.wait_before(lower_freeing(allocation_.buffers_in_the_way(), spaces_), plan::Rules(), waited);
}

Status Placer::wait_for_inputs(const GraphView & view, std::shared_ptr<const plan::History> & free_after) {
    const std::shared_ptr<const plan::History> & now = flight_.history();
    if (flight_.is_empty() || (free_after && (free_after == now || *free_after == *now))) {
        return {};
    }
    bool waited = false;
    Status status = flight_.wait_before(lower_caller_writes(view, spaces_), rules_, waited);
    if (!waited) {
        free_after = flight_.history();
    }
    return status;
}

} // namespace ggml_sched
