#include "alloc/memory_planner.h"

#include <algorithm>

namespace ggml_sched {

namespace {

// True if the node reads the owner in several slots.
bool is_read_twice(uint32_t owner, const uint32_t * owners, uint32_t n) {
    return n > 1 && std::count(owners, owners + n, owner) > 1;
}

// True if `next` begins where `first` ends.
bool is_straight_behind(const Place & first, const Place & next) {
    return first.pool == next.pool && first.range.part == next.range.part &&
           first.range.offset + first.range.size == next.range.offset;
}

} // namespace

MemoryPlanner::MemoryPlanner(const std::vector<host::Backend> & backends)
    : backends_(backends) {
    for (const host::Backend & backend : backends) {
        const auto same = std::find_if(backends.begin(), backends.end(),
                                       [&](const host::Backend & other) { return other.buft == backend.buft; });
        pools_.push_back({static_cast<BackendId>(same - backends.begin()),
                          ggml_backend_buft_get_alignment(backend.buft), ggml_backend_buft_get_max_size(backend.buft),
                          backend.pads});
    }
    ranges_.resize(pools_.size());
    pool_lives_.resize(pools_.size());
}

bool MemoryPlanner::make(const CutGraph & graph, const std::vector<AllocDependency> & dependencies, MemoryPlan & plan) {
    begin(graph, plan);
    find_owners();
    find_late_uses(dependencies);
    find_last_uses();
    find_what_stays();
    bool ok = place_rotated_inputs() && place_early();
    next_late_use_ = 0;
    for (const Split & split : graph.splits.splits) {
        ok = ok && place_split(split);
    }
    for (size_t pool = 0; pool < ranges_.size(); pool++) {
        plan.sizes[pool] = ranges_[pool].peaks();
        if (ok && streams_ && plan.sizes[pool].size() == 1) {
            plan.sizes[pool][0] = pool_lives_[pool].compact(plan.sizes[pool][0]);
        }
    }
    find_adjacent_copies();
    return ok;
}

void MemoryPlanner::begin(const CutGraph & graph, MemoryPlan & plan) {
    graph_ = &graph;
    plan_ = &plan;
    parallel_ = graph.slots.n_copies() > 1;
    streams_ = std::any_of(graph.splits.copies.begin(), graph.splits.copies.end(),
                           [](const InputCopy & copy) { return copy.streamed; });
    for (size_t pool = 0; pool < ranges_.size(); pool++) {
        ranges_[pool].reset(pools_[pool].max_part);
        pool_lives_[pool].clear();
    }
    is_taken_over_.assign(graph.splits.copies.size(), false);
    const auto n_copies = static_cast<size_t>(graph.slots.n_copies());
    plan.tensors.assign(graph.view.n_tensors(), Place{});
    plan.copies.assign(graph.splits.copies.size() * n_copies, Place{});
    plan.adjacent_copies.assign(graph.splits.copies.size(), kNoAdjacentCopy);
    plan.rotated_inputs.assign(graph.splits.rotated_inputs.size() * n_copies, Place{});
    plan.in_place.clear();
    plan.sizes.resize(ranges_.size());
}

void MemoryPlanner::find_owners() {
    const GraphView & view = graph_->view;
    const auto n = static_cast<TensorId>(view.n_tensors());
    const std::vector<InputCopy> & copies = graph_->splits.copies;
    lives_.resize(n + copies.size());
    range_of_.resize(streams_ ? lives_.size() : 0);
    for (TensorId id = 0; id < n; id++) {
        lives_[id] = Life((view.facts(id) & kNeedsMemory) != 0);
    }
    for (size_t i = 0; i < copies.size(); i++) {
        lives_[n + i] = Life(!parallel_ && !copies[i].streamed);
    }
    const Operands operands = view.operands();
    owners_.resize(operands.size());
    for (size_t i = 0; i < operands.size(); i++) {
        owners_[i] = owner_of(operands[i].tensor);
    }
    for (const OperandReplacement & replacement : graph_->splits.replacements) {
        owners_[replacement.operand] = n + replacement.copy;
    }
}

void MemoryPlanner::find_late_uses(const std::vector<AllocDependency> & dependencies) {
    const GraphView & view = graph_->view;
    late_uses_.clear();
    for (const AllocDependency & dependency : dependencies) {
        const bool is_copy = dependency.kept >= view.n_tensors();
        late_uses_.push_back({dependency.until, is_copy ? dependency.kept : owner_of(dependency.kept), 0});
    }
    // The host reads the ids themselves even where the node reads an older copy of them.
    for (const OperandReplacement & replacement : graph_->splits.replacements) {
        if (replacement.slot == kExpertIdsSlot && view.content(replacement.node).op() == GGML_OP_MUL_MAT_ID) {
            late_uses_.push_back({replacement.node, owner_of(view.operands()[replacement.operand].tensor), 0});
        }
    }
    if (late_uses_.empty()) {
        return;
    }
    std::vector<int32_t> index_of(view.n_tensors(), kNoNode);
    for (size_t i = 0; i < view.nodes().size(); i++) {
        index_of[view.nodes()[i].tensor] = static_cast<int32_t>(i);
    }
    for (LateUse & use : late_uses_) {
        use.node = index_of[use.until];
    }
    std::stable_sort(late_uses_.begin(), late_uses_.end(),
                     [](const LateUse & a, const LateUse & b) { return a.node < b.node; });
}

void MemoryPlanner::find_last_uses() {
    const GraphView & view = graph_->view;
    const GraphNode * nodes = view.nodes().data();
    const Operand * operands = view.operands().begin();
    const Owner * owners = owners_.data();
    Life * lives = lives_.data();
    for (const Split & split : graph_->splits.splits) {
        for (const uint32_t input : split.inputs) {
            const TensorId source = graph_->splits.copies[input].tensor;
            lives[source].has_reader = true;
            lives[owner_of(source)].last_use = before(split.begin);
        }
        for (int i = split.begin; i < split.end; i++) {
            const uint32_t end = nodes[i].first_operand + nodes[i].n_operands;
            for (uint32_t operand = nodes[i].first_operand; operand < end; operand++) {
                lives[operands[operand].tensor].has_reader = true;
                lives[owners[operand]].last_use = at(i);
            }
            if (view.views_another(nodes[i].tensor)) { // the node may write to the root
                lives[owner_of(nodes[i].tensor)].last_use = at(i);
            }
        }
    }
    for (const LateUse & use : late_uses_) {
        int32_t & last_use = lives_[use.owner].last_use;
        last_use = use.node == kNoNode ? last_use : std::max(last_use, after(use.node));
    }
}

void MemoryPlanner::find_what_stays() {
    const GraphView & view = graph_->view;
    const auto n = static_cast<TensorId>(view.n_tensors());
    for (TensorId id = 0; id < n; id++) {
        const uint8_t facts = view.facts(id) & (lives_[id].has_reader ? kIsOutput : kIsOutput | kIsComputed);
        if (facts) {
            lives_[owner_of(id)].last_use = kForever;
        }
    }
    // The caller may write an input before it reads the results of the same graph. So they must not share memory.
    for (const TensorId input : view.inputs()) {
        if (host::inputs_keep_values()) {
            lives_[view.root(input)].last_use = kForever;
        }
    }
}

bool MemoryPlanner::place_rotated_inputs() {
    const auto n_copies = static_cast<size_t>(parallel_ ? graph_->slots.n_copies() : 0);
    bool ok = true;
    for (size_t i = 0; n_copies > 0 && i < graph_->splits.rotated_inputs.size(); i++) {
        const InputCopy & input = graph_->splits.rotated_inputs[i];
        lives_[input.tensor].needs_place = false;
        const size_t size = size_of(input.tensor, input.backend);
        for (size_t cur_copy = 0; cur_copy < n_copies; cur_copy++) {
            ok = ok && find_place(size, input.backend, plan_->rotated_inputs[i * n_copies + cur_copy], kNoOwner);
        }
    }
    for (uint32_t i = 0; n_copies > 0 && i < graph_->splits.copies.size(); i++) {
        const InputCopy & copy = graph_->splits.copies[i];
        const size_t size = copy.streamed ? 0 : size_of_copy(i);
        for (size_t cur_copy = 0; !copy.streamed && cur_copy < n_copies; cur_copy++) {
            ok = ok && find_place(size, copy.backend, plan_->copies[i * n_copies + cur_copy], kNoOwner);
        }
    }
    return ok;
}

bool MemoryPlanner::place_early() {
    const GraphView & view = graph_->view;
    const auto n = static_cast<TensorId>(view.n_tensors());
    for (TensorId id = 0; id < n; id++) {
        const bool is_early = (view.facts(id) & (kIsNode | kIsInput)) != kIsNode;
        if (is_early && lives_[id].needs_place && graph_->assignment.backend[id] != kNoBackend && !place(id)) {
            return false;
        }
    }
    return true;
}

bool MemoryPlanner::place_split(const Split & split) {
    if (!place_inputs(split)) {
        return false;
    }
    for (const uint32_t input : split.inputs) {
        release_after(owner_of(graph_->splits.copies[input].tensor), before(split.begin));
    }
    const GraphView & view = graph_->view;
    const GraphNode * nodes = view.nodes().data();
    const bool have_late_uses = !late_uses_.empty();
    for (int i = split.begin; i < split.end; i++) {
        const GraphNode & node = nodes[i];
        if (lives_[node.tensor].needs_place) {
            const int n_slots = to_take_over_[node.op];
            if ((n_slots == 0 || !take_over(i, node, n_slots)) && !place(node.tensor)) {
                return false;
            }
        }
        const Owner * owners = owners_.data() + node.first_operand;
        const Owner * end = owners + node.n_operands;
        for (; owners != end; ++owners) {
            release_after(*owners, at(i));
        }
        if (have_late_uses) {
            release_lates(i);
        }
    }
    return true;
}

bool MemoryPlanner::place_inputs(const Split & split) {
    const auto first_copy = static_cast<Owner>(graph_->view.n_tensors());
    for (const uint32_t input : split.inputs) {
        if (lives_[first_copy + input].needs_place && !place(first_copy + input)) {
            return false;
        }
    }
    return true;
}

void MemoryPlanner::find_adjacent_copies() {
    for (const Split & split : graph_->splits.splits) {
        uint32_t previous = kNoAdjacentCopy;
        for (const uint32_t input : split.inputs) {
            if (parallel_ || graph_->splits.copies[input].streamed) {
                continue;
            }
            if (backends_[split.backend].sets_ranges && previous != kNoAdjacentCopy && !is_taken_over_[previous] &&
                is_straight_behind(plan_->copies[previous], plan_->copies[input])) {
                plan_->adjacent_copies[previous] = input;
            }
            previous = input;
        }
    }
}

void MemoryPlanner::release_lates(int node) {
    for (; next_late_use_ < late_uses_.size() && late_uses_[next_late_use_].node <= node; next_late_use_++) {
        release_after(late_uses_[next_late_use_].owner, after(node));
    }
}

bool MemoryPlanner::take_over(int index, const GraphNode & node, int n_slots) {
    const Operand * const operands = graph_->view.operands_of(node).begin();
    const Owner * const owners = owners_.data() + node.first_operand;
    for (uint32_t k = 0; k < node.n_operands && operands[k].slot < n_slots; k++) {
        Life & life = lives_[owners[k]];
        if (life.last_use != at(index) || !life.is_live || is_read_twice(owners[k], owners, node.n_operands)) {
            continue;
        }
        const bool is_view = owners[k] != operands[k].tensor && owners[k] < graph_->view.n_tensors();
        if (is_view && !host::views_can_be_taken_over()) {
            continue;
        }
        const ggml_tensor * tensor = graph_->view.tensor(node.tensor);
        Place & place = place_of(owners[k]);
        if (!have_same_layout(tensor, tensor->src[operands[k].slot]) ||
            !may_be_in(place.pool, graph_->assignment.backend[node.tensor])) {
            continue;
        }
        const size_t size = size_of(node.tensor, place.pool);
        if (size > place.range.size) {
            continue;
        }
        life.is_live = false;
        lives_[node.tensor].needs_place = false;
        lives_[node.tensor].is_live = true;
        Place & taken = plan_->tensors[node.tensor];
        taken = place;
        taken.range.size = size;
        if (streams_) {
            range_of_[node.tensor] = range_of_[owners[k]];
            pool_lives_[place.pool].share(range_of_[owners[k]], taken, place.range.size - size);
        }
        if (size < place.range.size) {
            ranges_[place.pool].release({place.range.part, place.range.offset + size, place.range.size - size});
        }
        if (owners[k] >= graph_->view.n_tensors()) {
            is_taken_over_[owners[k] - graph_->view.n_tensors()] = true;
        }
        plan_->in_place.emplace_back(node.tensor, operands[k].slot);
        return true;
    }
    return false;
}

bool MemoryPlanner::may_be_in_other(BackendId pool, BackendId backend) const {
    return host::results_may_stay_in_other_memory() &&
           ggml_backend_supports_buft(backends_[backend].handle, backends_[pool].buft);
}

bool MemoryPlanner::place(Owner owner) {
    const size_t n = graph_->view.n_tensors();
    lives_[owner].needs_place = false;
    lives_[owner].is_live = true;
    if (owner >= n) {
        const auto copy = static_cast<uint32_t>(owner - n);
        return find_place(size_of_copy(copy), graph_->splits.copies[copy].backend, plan_->copies[copy], owner);
    }
    const BackendId backend = graph_->assignment.backend[owner];
    return find_place(size_of(owner, backend), backend, plan_->tensors[owner], owner);
}

bool MemoryPlanner::find_place(size_t size, BackendId backend, Place & place, Owner owner) {
    place.pool = pools_[backend].first;
    if (!ranges_[place.pool].allocate(size, place.range)) {
        return false;
    }
    if (streams_) {
        const uint32_t range = pool_lives_[place.pool].add(place);
        if (owner != kNoOwner) {
            range_of_[owner] = range;
        }
    }
    return true;
}

void MemoryPlanner::release(Owner owner) {
    const Place & place = place_of(owner);
    ranges_[place.pool].release(place.range);
    if (streams_) {
        pool_lives_[place.pool].release(range_of_[owner], place.range.size);
    }
    lives_[owner].is_live = false;
}

size_t MemoryPlanner::size_of_copy(uint32_t copy) const {
    const BackendId backend = graph_->splits.copies[copy].backend;
    return padded(size_on(backends_[backend], graph_->slots.of(copy)), pools_[backend].alignment);
}

} // namespace ggml_sched
