#include "placer.h"

#include <numeric>

#include "host/execute.h"
#include "lower/lower.h"

namespace ggml_sched {

Status Placer::place(const CutGraph & graph, const SplitGraphs & prepared, uint64_t splits) {
    if (!knows_places_for(graph, prepared, splits)) {
        if (Status status = find_places(graph, prepared, splits); !status.ok()) {
            return status;
        }
    }
    last_fitted_ = graph.view.version();
    Status status = make_room();
    return status.ok() ? give_places(graph) : status;
}

Status Placer::reserve(const CutGraph & graph, const SplitGraphs & prepared, uint64_t splits) {
    Status status = find_places(graph, prepared, splits);
    return status.ok() ? make_room() : status;
}

Status Placer::measure(const CutGraph & graph, const SplitGraphs & prepared, size_t * sizes) {
    if (Status status = find_places(graph, prepared, 0); !status.ok()) {
        return status;
    }
    for (size_t b = 0; b < backends_.size(); b++) {
        sizes[b] = std::accumulate(plan_.sizes[b].begin(), plan_.sizes[b].end(), size_t{0});
    }
    is_known_ = false;
    return {};
}

// Nodes in an order of their own may share memory that would be in use in another order.
bool Placer::knows_places_for(const CutGraph & graph, const SplitGraphs & prepared, uint64_t splits) const {
    return is_known_ && prepared.keep_order() && splits == splits_ &&
           (last_fitted_ == graph.view.version() || fits(plan_, graph, backends_));
}

Status Placer::find_places(const CutGraph & graph, const SplitGraphs & prepared, uint64_t splits) {
    is_known_ = false;
    n_plans_++;
    if (!planner_.make(graph, prepared.keeps(), plan_)) {
        return Status::no_memory("the graph needs more memory than there can be; use smaller batches");
    }
    is_known_ = prepared.keep_order();
    splits_ = splits;
    last_fitted_ = graph.view.version();
    return {};
}

// Buffers that have to grow are freed: what is in flight must be done with them, and only with them.
Status Placer::make_room() {
    if (buffers_.have_room_for(plan_)) {
        return {};
    }
    if (rules_.is_on(plan::Rule::BufferGrowth) && !flight_.is_empty()) {
        bool waited = false;
        const plan::Program freeing = lower_freeing(buffers_.too_small_for(plan_), spaces_);
        if (Status status = flight_.wait_before(freeing, plan::Rules(), waited); !status.ok()) {
            return status;
        }
    }
    if (!buffers_.grow_for(plan_)) {
        is_known_ = false; // a smaller graph may have room in other places
        return Status::no_memory(
            "not enough memory to allocate the buffers of this graph; use smaller batches or fewer "
            "layers on the devices");
    }
    return {};
}

Status Placer::give_places(const CutGraph & graph) const {
    buffers_.reset();
    const auto n_copies = static_cast<size_t>(graph.slots.n_copies());
    const auto turn = static_cast<size_t>(graph.slots.turn());
    const ggml_tensor * refused = nullptr;
    const auto place = [&](ggml_tensor * tensor, const Place & place) {
        if (!place.is_known()) {
            return;
        }
        const ComputeBuffers::Buffer & buffer = buffers_.of(place);
        char * const address = buffer.base ? buffer.base + place.range.offset : nullptr;
        if (!buffer.inits_tensors) {
            tensor->buffer = buffer.handle;
            tensor->data = address;
        } else if (host::place(tensor, buffer.handle, address) != GGML_STATUS_SUCCESS) {
            refused = tensor;
        }
    };
    for (uint32_t copy = 0; copy < graph.splits.copies.size(); copy++) {
        place(graph.slots.of(copy), place_of_copy(plan_, graph, copy, turn, backends_));
    }
    for (size_t i = 0; i < graph.splits.rotating.size(); i++) {
        place(graph.view.tensor(graph.splits.rotating[i].tensor), plan_.rotating[i * n_copies + turn]);
    }
    // Leafs, and then nodes in their order: some buffers look at what a tensor is computed from, views among it. Only
    // operands that are neither leafs nor nodes come later, which full graphs do not have.
    const Place * places = plan_.tensors.data();
    const auto n = static_cast<TensorId>(plan_.tensors.size());
    for (TensorId id = 0; id < n; id++) {
        ggml_tensor * tensor = graph.view.tensor(id);
        if (!graph.view.views_another(id)) {
            if (!tensor->buffer) {
                place(tensor, places[id]);
            }
            continue;
        }
        const TensorId viewed = graph.view.root(id);
        const ggml_tensor * root = graph.view.tensor(viewed);
        if (viewed > id && !root->buffer) {
            place(graph.view.tensor(viewed), places[viewed]);
        }
        if (!tensor->buffer && root->buffer) {
            // Without an address, it lies in a buffer of no bytes.
            char * const address = root->data ? static_cast<char *>(root->data) + tensor->view_offs : nullptr;
            if (host::place(tensor, root->buffer, address) != GGML_STATUS_SUCCESS) {
                refused = tensor;
            }
        }
    }
    return refused ? Status::failed(std::string("tensor '") + refused->name +
                                    "' is refused by the buffer that it belongs in; the backend's log says why")
                   : Status{};
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
