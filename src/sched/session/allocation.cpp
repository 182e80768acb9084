#include "session/allocation.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "host/execute.h"
#include "lower/lower.h"

namespace ggml_sched {

namespace {

// Returns the sum; SIZE_MAX if it is larger.
size_t saturated_sum(size_t a, size_t b) {
    return a > SIZE_MAX - b ? SIZE_MAX : a + b;
}

// Returns true if no node of the graph computes the tensor, or if the caller may read or write it later.
bool lasts(uint8_t facts) {
    constexpr uint8_t kComputedHere = kIsComputed | kIsNode;
    return (facts & kComputedHere) != kComputedHere || (facts & (kIsInput | kIsOutput));
}

} // namespace

Status Allocation::find(const CutGraph & graph, const SplitGraphs & prepared, const GraphComparison & comparison,
                        const SplitsId & splits) {
    if (find_kept(graph, prepared, comparison, splits)) {
        return {};
    }
    Status status = find_new(graph, prepared);
    if (status.ok()) {
        kept_.forget_if([&](const SplitsId & known, const KeptPlaces & places) {
            return known == splits && places.order == prepared.order();
        });
        kept_.add(splits, {places_, prepared.order(), comparison.version(), comparison.number()});
    }
    return status;
}

Status Allocation::give(const CutGraph & graph) {
    if (Status status = make_room(); !status.ok()) {
        return status;
    }
    Status status = give_places(graph);
    if (!status.ok()) {
        take_back(graph.view, graph.splits);
    }
    return status;
}

void Allocation::forget() noexcept {
    forget_places();
    lasting_.clear();
}

void Allocation::forget_places() noexcept {
    kept_.forget();
}

Status Allocation::reserve(const CutGraph & graph, const SplitGraphs & prepared, const GraphComparison & comparison,
                           const SplitsId & splits) {
    Status status = find(graph, prepared, comparison, splits);
    return status.ok() ? make_room() : status;
}

Status Allocation::measure(const CutGraph & graph, const SplitGraphs & prepared, size_t * sizes) {
    if (Status status = find_new(graph, prepared); !status.ok()) {
        return status;
    }
    for (size_t b = 0; b < backends_.size(); b++) {
        const std::vector<size_t> & parts = places_->sizes[b];
        sizes[b] = std::accumulate(parts.begin(), parts.end(), size_t{0}, saturated_sum);
    }
    return {};
}

// Returns true if kept places fit, which are then the places of the graph. In another order of its nodes these may
// share memory that is still in use.
bool Allocation::find_kept(const CutGraph & graph, const SplitGraphs & prepared, const GraphComparison & comparison,
                           const SplitsId & splits) {
    // Where a test ignores the splits, nothing of this graph may be looked up in the places.
    const bool ignores_splits = ignored_.has(KeyField::Splits);
    KeptPlaces * const kept = kept_.find([&](const SplitsId & known, const KeptPlaces & places) {
        return ignores_splits ||
               (known == splits && (ignored_.has(KeyField::Order) || places.order == prepared.order()) &&
                (ignored_.has(KeyField::Sizes) || places.last_fitted == comparison.version() ||
                 fits(*places.plan, graph, comparison, backends_, places.fitted)));
    });
    if (!kept) {
        return false;
    }
    kept->last_fitted = comparison.version();
    kept->fitted = comparison.number();
    if (places_ != kept->plan) {
        places_ = kept->plan;
    }
    return true;
}

// Lets the planner find the places.
Status Allocation::find_new(const CutGraph & graph, const SplitGraphs & prepared) {
    MemoryPlan made;
    if (!planner_.make(graph, prepared.order().dependencies, made)) {
        return Status::no_memory("the graph needs more memory than there can be; use smaller batches");
    }
    places_ = std::make_shared<const MemoryPlan>(std::move(made));
    return {};
}

// Makes the buffers large enough. Buffers that have to grow are freed first, so the host waits for what uses them.
Status Allocation::make_room() {
    if (buffers_.have_room_for(*places_)) {
        return {};
    }
    if (rules_.is_on(plan::Rule::BufferGrowth) && !in_flight_.is_empty()) {
        bool waited = false;
        const plan::Program freeing = lower_freeing(buffers_.too_small_for(*places_), spaces_);
        if (Status status = in_flight_.wait_before(freeing, plan::Rules(), waited); !status.ok()) {
            return status;
        }
    }
    if (!buffers_.grow_for(*places_)) {
        kept_.forget(); // A smaller graph may have room in other places.
        return Status::no_memory(
            "not enough memory to allocate the buffers of this graph; use smaller batches or fewer "
            "layers on the devices");
    }
    return {};
}

// Returns false if the buffer refuses the view.
bool Allocation::place_view(const GraphView & view, TensorId id) {
    ggml_tensor * const tensor = view.tensor(id);
    const ggml_tensor * root = view.tensor(view.root(id));
    // A root without an address lies in a buffer of no bytes.
    char * const address = root->data ? static_cast<char *>(root->data) + tensor->view_offs : nullptr;
    // The root of a view may have got another place since the view got its own.
    if (!root->buffer || (tensor->buffer == root->buffer && tensor->data == address)) {
        return true;
    }
    placed_views_.push_back(id);
    return host::place(tensor, root->buffer, address) == GGML_STATUS_SUCCESS;
}

// Tells each tensor its place, and notes which tensors last.
Status Allocation::give_places(const CutGraph & graph) {
    buffers_.reset();
    placed_views_.clear();
    lasting_.clear();
    const auto n_copies = static_cast<size_t>(graph.slots.n_copies());
    const auto cur_copy = static_cast<size_t>(graph.slots.cur_copy());
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
        place(graph.slots.of(copy), place_of_copy(*places_, graph, copy, cur_copy, backends_));
    }
    for (size_t i = 0; i < graph.splits.rotated_inputs.size(); i++) {
        ggml_tensor * const input = graph.view.tensor(graph.splits.rotated_inputs[i].tensor);
        place(input, places_->rotated_inputs[i * n_copies + cur_copy]);
        lasting_.push_back({input, input->data});
    }
    // Leafs come first, then nodes in their order, since some buffers look at the operands of a tensor. Operands that
    // are neither leafs nor nodes come last; full graphs have none.
    const Place * places = places_->tensors.data();
    const auto n = static_cast<TensorId>(places_->tensors.size());
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
        if (roots[id] != id && !place_view(graph.view, id)) {
            refused = graph.view.tensor(id);
        }
    }
    return refused ? Status::failed(std::string("tensor '") + refused->name +
                                    "' is refused by the buffer that it belongs in; the backend's log says why")
                   : Status{};
}

void Allocation::take_back(const GraphView & view, const Splits & splits) const {
    const auto clear = [&](TensorId id) {
        view.tensor(id)->buffer = nullptr;
        view.tensor(id)->data = nullptr;
    };
    for (const InputCopy & input : splits.rotated_inputs) {
        clear(input.tensor);
    }
    for (TensorId id = 0; id < places_->tensors.size(); id++) {
        if (!view.views_another(id) && places_->tensors[id].is_known()) {
            clear(id);
        }
    }
    std::for_each(placed_views_.begin(), placed_views_.end(), clear);
}

bool Allocation::must_wait_for_inputs(const GraphView & view) const {
    return in_flight_.must_wait_before(lower_caller_writes(view, spaces_), rules_);
}

Status Allocation::wait_for_inputs(const GraphView & view, std::shared_ptr<const plan::History> & free_after) {
    const std::shared_ptr<const plan::History> & now = in_flight_.history();
    if (free_after && (free_after == now || *free_after == *now)) {
        return {};
    }
    bool waited = false;
    Status status = in_flight_.wait_before(lower_caller_writes(view, spaces_), rules_, waited);
    if (!waited) {
        free_after = in_flight_.history();
    }
    return status;
}

} // namespace ggml_sched
