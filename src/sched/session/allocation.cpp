#include "session/allocation.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "host/execute.h"
#include "lower/lower.h"

namespace ggml_sched {

namespace {

// More memory than addresses can name is SIZE_MAX.
size_t saturated_sum(size_t a, size_t b) {
    return a > SIZE_MAX - b ? SIZE_MAX : a + b;
}

// No node of the graph computes it, or it is a result that the caller reads later.
bool lasts(uint8_t facts) {
    constexpr uint8_t kComputedHere = kIsComputed | kIsNode;
    return (facts & kComputedHere) != kComputedHere || (facts & (kIsInput | kIsOutput));
}

} // namespace

Status Placer::find(const CutGraph & graph, const SplitGraphs & prepared, uint64_t splits) {
    if (!knows_places_for(graph, prepared, splits)) {
        if (Status status = find_places(graph, prepared, splits); !status.ok()) {
            return status;
        }
    }
    places_.fit(graph.view);
    return {};
}

Status Placer::give(const CutGraph & graph) {
    if (Status status = make_room(); !status.ok()) {
        return status;
    }
    Status status = give_places(graph);
    if (!status.ok()) {
        take_back(graph.view, graph.splits);
    }
    return status;
}

void Placer::forget() noexcept {
    forget_places();
    lasting_.clear();
}

void Placer::forget_places() noexcept {
    places_ = {};
    others_.clear();
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
        const std::vector<size_t> & parts = places_.plan.sizes[b];
        sizes[b] = std::accumulate(parts.begin(), parts.end(), size_t{0}, saturated_sum);
    }
    places_.are_known = false;
    return {};
}

// Makes those for these splits the current ones, if there are any, and keeps what was current.
void Placer::recall(uint64_t splits) {
    constexpr size_t kMostOthers = 3;
    if (places_.splits == splits) {
        return;
    }
    if (places_.are_known) {
        others_.push_back(std::move(places_));
    }
    places_ = {};
    const auto known = std::find_if(others_.begin(), others_.end(),
                                    [splits](const Places & places) { return places.splits == splits; });
    if (known != others_.end()) {
        places_ = std::move(*known);
        others_.erase(known);
    } else if (others_.size() > kMostOthers) {
        others_.erase(others_.begin());
    }
}

// Nodes in an order of their own may share memory that would be in use in another order.
bool Placer::knows_places_for(const CutGraph & graph, const SplitGraphs & prepared, uint64_t splits) {
    if (places_.are_known && ignored_.has(KeyField::Splits)) {
        return true; // nothing of this graph may be looked up
    }
    recall(splits);
    return places_.are_known && prepared.keep_order() &&
           (ignored_.has(KeyField::Sizes) || places_.last_fitted == graph.view.version() ||
            fits(places_.plan, graph, backends_, places_.fitted));
}

Status Placer::find_places(const CutGraph & graph, const SplitGraphs & prepared, uint64_t splits) {
    recall(splits);
    places_.are_known = false;
    places_.number = ++n_plans_;
    if (!planner_.make(graph, prepared.keeps(), places_.plan)) {
        return Status::no_memory("the graph needs more memory than there can be; use smaller batches");
    }
    places_.are_known = prepared.keep_order();
    places_.splits = splits;
    places_.fit(graph.view);
    return {};
}

// Buffers that have to grow are freed: what is in flight must be done with them, and only with them.
Status Placer::make_room() {
    if (buffers_.have_room_for(places_.plan)) {
        return {};
    }
    if (rules_.is_on(plan::Rule::BufferGrowth) && !flight_.is_empty()) {
        bool waited = false;
        const plan::Program freeing = lower_freeing(buffers_.too_small_for(places_.plan), spaces_);
        if (Status status = flight_.wait_before(freeing, plan::Rules(), waited); !status.ok()) {
            return status;
        }
    }
    if (!buffers_.grow_for(places_.plan)) {
        places_.are_known = false; // a smaller graph may have room in other places
        return Status::no_memory(
            "not enough memory to allocate the buffers of this graph; use smaller batches or fewer "
            "layers on the devices");
    }
    return {};
}

Status Placer::give_places(const CutGraph & graph) {
    buffers_.reset();
    placed_views_.clear();
    lasting_.clear();
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
        place(graph.slots.of(copy), place_of_copy(places_.plan, graph, copy, turn, backends_));
    }
    for (size_t i = 0; i < graph.splits.rotating.size(); i++) {
        ggml_tensor * const input = graph.view.tensor(graph.splits.rotating[i].tensor);
        place(input, places_.plan.rotating[i * n_copies + turn]);
        lasting_.push_back({input, input->data});
    }
    // Leafs, and then nodes in their order: some buffers look at what a tensor is computed from, views among it. Only
    // operands that are neither leafs nor nodes come later, which full graphs do not have.
    const Place * places = places_.plan.tensors.data();
    const auto n = static_cast<TensorId>(places_.plan.tensors.size());
    const uint8_t * const facts = graph.view.facts();
    const TensorId * const roots = graph.view.roots();
    const auto place_root = [&](TensorId id) {
        ggml_tensor * const tensor = graph.view.tensor(id);
        if (!tensor->buffer) {
            place(tensor, places[id]);
            if (lasts(facts[id])) {
                lasting_.push_back({tensor, tensor->data});
            }
        }
    };
    for (TensorId id = 0; id < n; id++) {
        place_root(roots[id]);
        if (roots[id] == id) {
            continue;
        }
        ggml_tensor * const tensor = graph.view.tensor(id);
        const ggml_tensor * root = graph.view.tensor(roots[id]);
        // Without an address, it lies in a buffer of no bytes.
        char * const address = root->data ? static_cast<char *>(root->data) + tensor->view_offs : nullptr;
        // The root of a view may have got another place since the view got its own.
        if (root->buffer && (tensor->buffer != root->buffer || tensor->data != address)) {
            placed_views_.push_back(id);
            if (host::place(tensor, root->buffer, address) != GGML_STATUS_SUCCESS) {
                refused = tensor;
            }
        }
    }
    return refused ? Status::failed(std::string("tensor '") + refused->name +
                                    "' is refused by the buffer that it belongs in; the backend's log says why")
                   : Status{};
}

void Placer::take_back(const GraphView & view, const Splits & splits) const {
    const auto clear = [&](TensorId id) {
        view.tensor(id)->buffer = nullptr;
        view.tensor(id)->data = nullptr;
    };
    for (const InputCopy & input : splits.rotating) {
        clear(input.tensor);
    }
    for (TensorId id = 0; id < places_.plan.tensors.size(); id++) {
        if (!view.views_another(id) && places_.plan.tensors[id].is_known()) {
            clear(id);
        }
    }
    std::for_each(placed_views_.begin(), placed_views_.end(), clear);
}

bool Placer::must_wait_for_inputs(const GraphView & view) const {
    return flight_.must_wait_before(lower_caller_writes(view, spaces_), rules_);
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
