#include "experts/expert_graph.h"

#include <algorithm>
#include <utility>

namespace ggml_sched {

void ExpertGraph::begin(ggml_cgraph * graph) {
    restore();
    graph_ = graph;
    pool_.clear();
    patterns_.clear();
}

Obstacle ExpertGraph::add(const ExpertPattern & pattern, ExpertBank & bank, Misses misses) {
    if (partings_.size() == patterns_.size()) {
        partings_.emplace_back();
    }
    const auto cpu = static_cast<BackendId>(backends_.size() - 1);
    PartedPattern parted = part_pattern(pattern, bank, misses, cpu, partings_[patterns_.size()], pool_);
    // Tensors may still have the memory of an earlier allocation, which says nothing about the next one.
    std::vector<std::pair<ggml_tensor *, ggml_backend_buffer_t>> with_memory;
    with_memory.reserve(pattern.nodes.size() + pattern.inputs.size() + 1); // From here on no exception is made.
    for (const Change & change : parted.changes) {
        change.after.give_to(change.node);
    }
    const auto hide_memory = [&](ggml_tensor * tensor) {
        with_memory.emplace_back(tensor, std::exchange(tensor->buffer, nullptr));
    };
    std::for_each(pattern.nodes.begin(), pattern.nodes.end(), hide_memory);
    std::for_each(pattern.inputs.begin(), pattern.inputs.end(), hide_memory);
    hide_memory(pattern.ids);
    Obstacle obstacle;
    for (const PlacedNode & placed : parted.placed) {
        if (!ggml_backend_supports_op(backends_[placed.backend].handle, placed.node)) {
            obstacle = {"cannot be computed where it belongs", placed.node};
        }
    }
    for (auto hidden = with_memory.rbegin(); hidden != with_memory.rend(); ++hidden) {
        hidden->first->buffer = hidden->second;
    }
    for (const Change & change : parted.changes) {
        change.before.give_to(change.node);
    }
    if (!obstacle.text) {
        patterns_.push_back(std::move(parted));
    }
    return obstacle;
}

ggml_cgraph * ExpertGraph::finish() {
    if (patterns_.empty()) {
        return graph_;
    }
    std::vector<const Insertion *> insertions;
    for (const PartedPattern & pattern : patterns_) {
        for (const Insertion & insertion : pattern.insertions) {
            insertions.push_back(&insertion);
        }
    }
    std::stable_sort(insertions.begin(), insertions.end(),
                     [](const Insertion * a, const Insertion * b) { return a->index < b->index; });
    const host::Nodes nodes = host::nodes_of(graph_);
    nodes_.clear();
    auto next = insertions.begin();
    for (int i = 0; i < nodes.size; i++) {
        for (; next != insertions.end() && (*next)->index == i; ++next) {
            nodes_.insert(nodes_.end(), (*next)->nodes.begin(), (*next)->nodes.end());
        }
        nodes_.push_back(nodes[i]);
    }
    handle_.replace_nodes(graph_, nodes_.data(), static_cast<int>(nodes_.size()));
    return handle_.get();
}

void ExpertGraph::exchange() {
    is_exchanged_ = true;
    for (const PartedPattern & pattern : patterns_) {
        for (const Change & change : pattern.changes) {
            change.after.give_to(change.node);
        }
    }
}

void ExpertGraph::restore() {
    for (size_t i = 0; is_exchanged_ && i < patterns_.size(); i++) {
        for (const Change & change : patterns_[i].changes) {
            change.before.give_to(change.node);
        }
        partings_[i].restore_shapes();
    }
    is_exchanged_ = false;
}

} // namespace ggml_sched
