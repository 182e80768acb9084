#include "graph_snapshot.h"

#include "costs.h"

#include <algorithm>

namespace ggml_sched::sim {

namespace {

bool computes(const ggml_tensor & node) {
    return (node.flags & GGML_TENSOR_FLAG_COMPUTE) != 0 && node.op != GGML_OP_NONE && !ggml_is_view_op(node.op) &&
           !ggml_is_empty(&node);
}

} // namespace

void GraphSnapshot::clear() {
    tensors_.clear();
    nodes_.clear();
    allocations_.clear();
    cost_us_ = 0;
}

void GraphSnapshot::make_room(const ggml_cgraph & graph) {
    size_t n_tensors = 0;
    for (int i = 0; i < graph.n_nodes; i++) {
        const ggml_tensor & node = *graph.nodes[i];
        if (computes(node)) {
            n_tensors += 1 + (size_t) std::count_if(node.src, node.src + GGML_MAX_SRC,
                                                    [](const ggml_tensor * src) { return src != nullptr; });
        }
    }
    tensors_.reserve(n_tensors);
    nodes_.reserve((size_t) graph.n_nodes);
    size_t n_slots = std::max<size_t>(slots_.size(), 64);
    while (n_slots < 2 * n_tensors) {
        n_slots *= 2;
    }
    slots_.resize(n_slots);
    generation_++;
}

GraphSnapshot::Slot & GraphSnapshot::slot_of(const ggml_tensor * original) {
    const size_t mask = slots_.size() - 1;
    size_t i = ((uintptr_t) original >> 4) * 0x9e3779b97f4a7c15u >> 20 & mask;
    while (slots_[i].generation == generation_ && slots_[i].original != original) {
        i = (i + 1) & mask;
    }
    return slots_[i];
}

ggml_tensor * GraphSnapshot::copy(const ggml_tensor & original, Resolver & resolver) {
    Slot & slot = slot_of(&original);
    if (slot.generation == generation_) {
        return slot.copy;
    }
    Place place;
    if (!resolver.resolve(original, 0, ggml_nbytes(&original), place)) {
        return nullptr;
    }
    tensors_.push_back(original);
    ggml_tensor & shadow = tensors_.back();
    shadow.buffer = place.host_buffer;
    shadow.data = place.bytes;
    shadow.view_src = nullptr;
    shadow.view_offs = 0;
    shadow.extra = nullptr;
    std::fill(shadow.src, shadow.src + GGML_MAX_SRC, nullptr);
    slot = {&original, generation_, &shadow};
    if (place.allocation != nullptr &&
        std::find(allocations_.begin(), allocations_.end(), place.allocation) == allocations_.end()) {
        allocations_.push_back(std::move(place.allocation));
    }
    return &shadow;
}

bool GraphSnapshot::take(const ggml_cgraph & graph, const ggml_sim_config & config, Resolver & resolver) {
    clear();
    make_room(graph);
    for (int i = 0; i < graph.n_nodes; i++) {
        const ggml_tensor & node = *graph.nodes[i];
        if (!computes(node)) {
            continue;
        }
        if (node.op == GGML_OP_CUSTOM) { // The CPU backend would compute it.
            GGML_LOG_ERROR("sim: '%s' (%s) calls a function of the program, which a device cannot do; ask "
                           "ggml_backend_supports_op first\n",
                           node.name, ggml_op_desc(&node));
            return false;
        }
        ggml_tensor * shadow = copy(node, resolver);
        if (shadow == nullptr) {
            return false;
        }
        for (int k = 0; k < GGML_MAX_SRC; k++) {
            if (node.src[k] != nullptr && (shadow->src[k] = copy(*node.src[k], resolver)) == nullptr) {
                return false;
            }
        }
        nodes_.push_back(shadow);
        cost_us_ += node_cost_us(config, node);
    }
    return true;
}

ggml_cgraph GraphSnapshot::as_graph() {
    ggml_cgraph graph = {};
    graph.size = (int) nodes_.size();
    graph.n_nodes = (int) nodes_.size();
    graph.nodes = nodes_.data();
    return graph;
}

} // namespace ggml_sched::sim
