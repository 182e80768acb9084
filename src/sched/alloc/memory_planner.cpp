#include "alloc/memory_planner.h"

#include <algorithm>

namespace ggml_sched {

MemoryPlanner::MemoryPlanner(const std::vector<host::Backend> & backends)
    : backends_(backends) {
    for (const host::Backend & backend : backends) {
        const auto same = std::find_if(backends.begin(), backends.end(),
                                       [&](const host::Backend & other) { return other.buft == backend.buft; });
        pools_.push_back({static_cast<BackendId>(same - backends.begin()),
                          ggml_backend_buft_get_alignment(backend.buft), ggml_backend_buft_get_max_size(backend.buft)});
    }
    ranges_.resize(pools_.size());
}

bool MemoryPlanner::make(const CutGraph & graph, const std::vector<host::Keep> & keeps, MemoryPlan & plan) {
    begin(graph, plan);
    find_owners();
    find_late_uses(keeps);
    find_last_uses();
    find_what_stays();
    bool ok = place_rotating() && place_early();
    next_late_ = 0;
    for (const Split & split : graph.splits.splits) {
        ok = ok && place_split(split);
    }
    for (size_t pool = 0; pool < ranges_.size(); pool++) {
        plan.sizes[pool] = ranges_[pool].peaks();
    }
    return ok;
}

void MemoryPlanner::begin(const CutGraph & graph, MemoryPlan & plan) {
    graph_ = &graph;
    plan_ = &plan;
    rotates_ = graph.slots.n_copies() > 1;
    for (size_t pool = 0; pool < ranges_.size(); pool++) {
        ranges_[pool].reset(pools_[pool].max_part);
    }
    const auto n_copies = static_cast<size_t>(graph.slots.n_copies());
    plan.tensors.assign(graph.view.n_tensors(), Place{});
    plan.copies.assign(graph.splits.copies.size() * n_copies, Place{});
    plan.rotating.assign(graph.splits.rotating.size() * n_copies, Place{});
    plan.views.clear();
    plan.in_place.clear();
    plan.sizes.resize(ranges_.size());
}

// Whose memory each operand is, and whose place is to be found.
void MemoryPlanner::find_owners() {
    const GraphView & view = graph_->view;
    const auto n = static_cast<TensorId>(view.n_tensors());
    const std::vector<InputCopy> & copies = graph_->splits.copies;
    lives_.assign(n + copies.size(), Life{});
    for (TensorId id = 0; id < n; id++) {
        if (view.view_source(id) == kNoTensor) {
            lives_[id].needs_place = !view.content(id).has_place();
        } else {
            plan_->views.push_back(id);
        }
    }
    for (size_t i = 0; i < copies.size(); i++) {
        lives_[n + i].needs_place = !rotates_ && !copies[i].streamed;
    }
    owners_.clear();
    for (const Operand & operand : view.operands()) {
        owners_.push_back(owner_of(operand.tensor));
    }
    for (const Rewire & rewire : graph_->splits.rewires) {
        owners_[rewire.operand] = n + rewire.copy;
    }
}

void MemoryPlanner::find_late_uses(const std::vector<host::Keep> & keeps) {
    const GraphView & view = graph_->view;
    lates_.clear();
    for (const host::Keep & keep : keeps) {
        const TensorId tensor = view.ids().find(keep.tensor);
        const TensorId until = view.ids().find(keep.until);
        if (tensor != kNoTensor && until != kNoTensor) {
            lates_.push_back({until, owner_of(tensor), 0});
        }
    }
    // The host looks at the ids themselves, also where the node reads a copy that was made long before.
    for (const Rewire & rewire : graph_->splits.rewires) {
        if (rewire.slot == kExpertIdsSlot && view.content(rewire.node).op() == GGML_OP_MUL_MAT_ID) {
            lates_.push_back({rewire.node, owner_of(view.operands()[rewire.operand].tensor), 0});
        }
    }
    if (lates_.empty()) {
        return;
    }
    std::vector<int32_t> index_of(view.n_tensors(), kNoNode);
    for (size_t i = 0; i < view.nodes().size(); i++) {
        index_of[view.nodes()[i].tensor] = static_cast<int32_t>(i);
    }
    for (Late & late : lates_) {
        late.node = index_of[late.until];
    }
    std::stable_sort(lates_.begin(), lates_.end(), [](const Late & a, const Late & b) { return a.node < b.node; });
}

void MemoryPlanner::find_last_uses() {
    const GraphView & view = graph_->view;
    for (const Split & split : graph_->splits.splits) {
        for (const uint32_t input : split.inputs) {
            const TensorId source = graph_->splits.copies[input].tensor;
            lives_[source].has_reader = true;
            lives_[owner_of(source)].last_use = before(split.begin);
        }
        for (int i = split.begin; i < split.end; i++) {
            const GraphNode & node = view.nodes()[i];
            const uint32_t end = node.first_operand + node.n_operands;
            for (uint32_t operand = node.first_operand; operand < end; operand++) {
                lives_[view.operands()[operand].tensor].has_reader = true;
                lives_[owners_[operand]].last_use = at(i);
            }
            if (view.view_source(node.tensor) != kNoTensor) { // it may write there
                lives_[owner_of(node.tensor)].last_use = at(i);
            }
        }
    }
    for (const Late & late : lates_) {
        int32_t & last_use = lives_[late.owner].last_use;
        last_use = late.node == kNoNode ? last_use : std::max(last_use, after(late.node));
    }
}

// Results that nobody reads, and what the caller wants to read.
void MemoryPlanner::find_what_stays() {
    const GraphView & view = graph_->view;
    for (TensorId id = 0; id < view.n_tensors(); id++) {
        const TensorContent & content = view.content(id);
        const bool is_result = content.op() != GGML_OP_NONE && !lives_[id].has_reader;
        if (is_result || (content.flags() & GGML_TENSOR_FLAG_OUTPUT)) {
            lives_[owner_of(id)].last_use = kForever;
        }
    }
    // The caller may write an input while results of the same graph are still to be read: they must not share memory.
    for (const TensorId leaf : view.leafs()) {
        if (host::inputs_keep_values() && (view.content(leaf).flags() & GGML_TENSOR_FLAG_INPUT)) {
            lives_[leaf].last_use = kForever;
        }
    }
}

bool MemoryPlanner::place_rotating() {
    const int n_copies = graph_->slots.n_copies();
    bool ok = true;
    for (int turn = 0; rotates_ && turn < n_copies; turn++) {
        for (size_t i = 0; i < graph_->splits.rotating.size(); i++) {
            const InputCopy & input = graph_->splits.rotating[i];
            lives_[input.tensor].needs_place = false;
            ok = ok &&
                 find_place(graph_->view.tensor(input.tensor), input.backend, plan_->rotating[i * n_copies + turn]);
        }
        for (uint32_t i = 0; i < graph_->splits.copies.size(); i++) {
            const InputCopy & copy = graph_->splits.copies[i];
            ok = ok &&
                 (copy.streamed || find_place(graph_->slots.of(i), copy.backend, plan_->copies[i * n_copies + turn]));
        }
    }
    return ok;
}

// What is not computed, and what the caller writes
bool MemoryPlanner::place_early() {
    const GraphView & view = graph_->view;
    for (TensorId id = 0; id < view.n_tensors(); id++) {
        const bool is_early = !view.is_node(id) || (view.content(id).flags() & GGML_TENSOR_FLAG_INPUT);
        if (is_early && lives_[id].needs_place && graph_->assignment.backend[id] != kNoBackend && !place(id)) {
            return false;
        }
    }
    return true;
}

bool MemoryPlanner::place_split(const Split & split) {
    const auto first_copy = static_cast<Owner>(graph_->view.n_tensors());
    for (const uint32_t input : split.inputs) {
        if (lives_[first_copy + input].needs_place && !place(first_copy + input)) {
            return false;
        }
    }
    for (const uint32_t input : split.inputs) {
        release_after(owner_of(graph_->splits.copies[input].tensor), before(split.begin));
    }
    for (int i = split.begin; i < split.end; i++) {
        const GraphNode & node = graph_->view.nodes()[i];
        if (lives_[node.tensor].needs_place && !take_over(i, node) && !place(node.tensor)) {
            return false;
        }
        const Owner * owners = owners_.data() + node.first_operand;
        for (uint32_t k = 0; k < node.n_operands; k++) {
            release_after(owners[k], at(i));
        }
        for (; next_late_ < lates_.size() && lates_[next_late_].node <= i; next_late_++) {
            release_after(lates_[next_late_].owner, after(i));
        }
    }
    return true;
}

// An operand that nobody else needs any more may give its memory to the result.
bool MemoryPlanner::take_over(int index, const GraphNode & node) {
    const ggml_tensor * tensor = graph_->view.tensor(node.tensor);
    const Owner * owners = owners_.data() + node.first_operand;
    for (uint32_t k = 0; k < node.n_operands; k++) {
        const Owner owner = owners[k];
        Life & life = lives_[owner];
        if (life.last_use != at(index) || !life.is_live) {
            continue;
        }
        const uint8_t slot = graph_->view.operands()[node.first_operand + k].slot;
        if (slot >= host::n_operands_to_take_over(tensor->op) ||
            std::count(owners, owners + node.n_operands, owner) != 1 || !have_same_layout(tensor, tensor->src[slot])) {
            continue;
        }
        const auto [pool, range] = place_of(owner);
        const size_t size = padded_size(tensor, pool);
        if (size > range.size || !may_be_in(pool, graph_->assignment.backend[node.tensor])) {
            continue;
        }
        if (size < range.size) {
            ranges_[pool].release({range.part, range.offset + size, range.size - size});
        }
        place_of(node.tensor) = {pool, {range.part, range.offset, size}};
        plan_->in_place.push_back({node.tensor, slot});
        life.is_live = false;
        lives_[node.tensor].needs_place = false;
        lives_[node.tensor].is_live = true;
        return true;
    }
    return false;
}

bool MemoryPlanner::may_be_in(BackendId pool, BackendId backend) const {
    return pool == pools_[backend].first ||
           (host::results_may_stay_in_other_memory() &&
            ggml_backend_supports_buft(backends_[backend].handle, backends_[pool].buft));
}

bool MemoryPlanner::place(Owner owner) {
    const size_t n = graph_->view.n_tensors();
    const BackendId backend = owner < n ? graph_->assignment.backend[owner] : graph_->splits.copies[owner - n].backend;
    lives_[owner].needs_place = false;
    lives_[owner].is_live = true;
    return find_place(tensor_of(owner), backend, place_of(owner));
}

bool MemoryPlanner::find_place(const ggml_tensor * tensor, BackendId backend, Place & place) {
    place.pool = pools_[backend].first;
    return ranges_[place.pool].allocate(padded_size(tensor, place.pool), place.range);
}

void MemoryPlanner::release(Owner owner) {
    const Place & place = place_of(owner);
    ranges_[place.pool].release(place.range);
    lives_[owner].is_live = false;
}

const ggml_tensor * MemoryPlanner::tensor_of(Owner owner) const {
    const auto n = static_cast<Owner>(graph_->view.n_tensors());
    return owner < n ? graph_->view.tensor(owner) : graph_->slots.of(owner - n);
}

size_t MemoryPlanner::padded_size(const ggml_tensor * tensor, BackendId pool) const {
    const size_t mask = pools_[pool].alignment - 1;
    return (size_on(backends_[pool], tensor) + mask) & ~mask;
}

} // namespace ggml_sched
