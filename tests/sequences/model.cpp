#include "model.h"

#include <algorithm>

namespace sequences {

namespace {

// The verdict of both: a call that may not be made goes before one that is refused, and so on.
Verdict worse(Verdict a, Verdict b) {
    constexpr int kRank[] = {0, 2, 1, 3};
    return kRank[static_cast<size_t>(a)] >= kRank[static_cast<size_t>(b)] ? a : b;
}

} // namespace

const char * name_of(Verdict verdict) {
    constexpr const char * kNames[] = {"right", "refused", "either", "skip"};
    return kNames[static_cast<size_t>(verdict)];
}

int Model::sched_of(const Tensor & root) const {
    for (size_t s = 0; s < scheds.size(); s++) {
        if (scheds[s].number == root.owner) {
            return static_cast<int>(s);
        }
    }
    return -1;
}

bool Model::is_live(int id) const {
    const Tensor & root = tensors[id];
    return root.home == Home::Caller || (root.home == Home::Scheduler && !root.is_lost && sched_of(root) >= 0);
}

bool Model::uses(int slot, int other) const {
    const Graph & graph = graphs[static_cast<size_t>(slot)];
    const auto lies_there = [&](int id) { return tensors[id].slot == other; };
    return std::any_of(graph.nodes.begin(), graph.nodes.end(), lies_there) ||
           std::any_of(graph.leafs.begin(), graph.leafs.end(), lies_there) ||
           std::any_of(graph.results.begin(), graph.results.end(), lies_there);
}

bool Model::is_allocated(int sched, int slot) const {
    const SchedState & state = scheds[static_cast<size_t>(sched)];
    return state.phase == SchedState::Phase::Allocated && !state.is_gone && state.slot == slot &&
           state.generation == graphs[static_cast<size_t>(slot)].generation;
}

// True if the tensor points into memory that another scheduler may have freed.
bool Model::dangles(const Tensor & root, int sched) const {
    if (root.home != Home::Scheduler || lies_here(root, sched)) {
        return false;
    }
    const int other = sched_of(root);
    return other < 0 || root.is_vague || (root.is_lost && root.epoch != scheds[static_cast<size_t>(other)].epoch);
}

// Reads what the memory of the nodes and leafs says.
Verdict Model::places_verdict(int sched, const Graph & graph) const {
    Verdict verdict = Verdict::Right;
    for (const int node : graph.nodes) {
        const Tensor & root = tensors.root_of(node);
        if (dangles(root, sched)) {
            return Verdict::Skip;
        }
        if (root.kind == Tensor::Kind::Compute && root.home == Home::Scheduler && !lies_here(root, sched)) {
            const bool is_result =
                std::find(graph.results.begin(), graph.results.end(), tensors[node].root) != graph.results.end();
            verdict = is_result ? verdict : Verdict::Refused;
        }
    }
    for (const int leaf : graph.leafs) {
        const Tensor & root = tensors[leaf];
        if (root.home == Home::Scheduler && !lies_here(root, sched) && !is_live(leaf)) {
            return Verdict::Skip; // only the caller can know that nothing is there any more
        }
    }
    return verdict;
}

// Can each node run where the caller wants it?
Verdict Model::backends_verdict(int sched, const Graph & graph) const {
    const SchedState & state = scheds[static_cast<size_t>(sched)];
    Verdict verdict = Verdict::Right;
    bool is_assigned = false;
    bool lacks_in_place = false;
    for (const int id : graph.nodes) {
        const Tensor & node = tensors[id];
        if (node.kind != Tensor::Kind::Compute) {
            continue;
        }
        const auto lacks = [&node](ggml_backend_t backend) { return !ggml_backend_supports_op(backend, node.real); };
        lacks_in_place = lacks_in_place || (node.writes_root && std::any_of(backends.begin(), backends.end(), lacks));
        const auto wish = state.assigned.find(node.real);
        is_assigned = is_assigned || wish != state.assigned.end();
        if (wish != state.assigned.end() && !node.writes_root && lacks(backends[static_cast<size_t>(wish->second)])) {
            verdict = worse(verdict, state.is_assigned_vague ? Verdict::Either : Verdict::Refused);
        }
    }
    // An operation in place may draw what it changes to another backend, which the caller may not want.
    return worse(verdict, is_assigned && lacks_in_place ? Verdict::Either : Verdict::Right);
}

Verdict Model::results_verdict(int sched, const Graph & graph) const {
    const SchedState & state = scheds[static_cast<size_t>(sched)];
    Verdict verdict = Verdict::Right;
    for (const int id : graph.results) {
        const Tensor & result = tensors[id];
        if (result.home == Home::None) {
            verdict = worse(verdict, Verdict::Either);
        } else if (!lies_here(result, sched)) {
            if (!is_live(id)) {
                return Verdict::Skip;
            }
        } else if (result.is_lost) {
            verdict = worse(verdict, result.is_vague ? Verdict::Either : Verdict::Refused);
        } else if (state.is_gone || state.is_vague) {
            verdict = worse(verdict, Verdict::Either);
        } else if (!result.output && !result.input) {
            // The allocated graph may only read it, too: then nothing has overwritten it.
            const std::vector<int> & nodes = graphs[static_cast<size_t>(state.slot)].nodes;
            const bool is_computed = std::find(nodes.begin(), nodes.end(), id) != nodes.end();
            verdict = worse(verdict, is_computed ? Verdict::Refused : Verdict::Either);
        }
    }
    return verdict;
}

// Has an input lost what the caller has written there? An input that never had memory is undefined, which is allowed.
Verdict Model::inputs_verdict(int sched, const Graph & graph) const {
    const SchedState & state = scheds[static_cast<size_t>(sched)];
    Verdict verdict = Verdict::Right;
    for (const int id : graph.leafs) {
        const Tensor & leaf = tensors[id];
        if (leaf.home == Home::Caller || (leaf.home == Home::Scheduler && !lies_here(leaf, sched))) {
            continue;
        }
        if (leaf.home == Home::Scheduler && leaf.is_lost) {
            verdict = worse(verdict, leaf.is_vague ? Verdict::Either : Verdict::Refused);
        } else if (leaf.home == Home::Scheduler && state.is_vague) {
            verdict = worse(verdict, Verdict::Either);
        }
    }
    return verdict;
}

Verdict Model::alloc(int sched, int slot) const {
    const Graph & graph = graphs[static_cast<size_t>(slot)];
    if (!graph.is_built) {
        return Verdict::Skip;
    }
    const Verdict memory = worse(places_verdict(sched, graph), results_verdict(sched, graph));
    const Verdict verdict = memory == Verdict::Skip ? memory : worse(memory, backends_verdict(sched, graph));
    return worse(verdict, is_tight_ ? Verdict::Either : Verdict::Right);
}

Verdict Model::compute(int sched, int slot) const {
    const Graph & graph = graphs[static_cast<size_t>(slot)];
    const SchedState & state = scheds[static_cast<size_t>(sched)];
    if (!graph.is_built) {
        return Verdict::Skip;
    }
    if (is_allocated(sched, slot)) {
        const bool reads_foreign_garbage = std::any_of(graph.results.begin(), graph.results.end(), [&](int id) {
            return tensors[id].home != Home::None && !lies_here(tensors[id], sched) && !is_live(id);
        });
        const Verdict places = reads_foreign_garbage ? Verdict::Skip : places_verdict(sched, graph);
        return places == Verdict::Skip ? places : is_tight_ || state.is_vague ? Verdict::Either : Verdict::Right;
    }
    const Verdict verdict = alloc(sched, slot);
    return verdict == Verdict::Skip ? verdict : worse(verdict, inputs_verdict(sched, graph));
}

Verdict Model::measure(int sched, int slot) const {
    const Verdict verdict = alloc(sched, slot);
    return verdict == Verdict::Refused ? Verdict::Either : verdict;
}

Verdict Model::execution(int slot) const {
    Verdict verdict = Verdict::Right;
    for (const int node : graphs[static_cast<size_t>(slot)].nodes) {
        if (tensors[node].kind == Tensor::Kind::Compute && tensors[node].op == Op::Rows) {
            const Tensor & ids = tensors[tensors[node].src[1]];
            verdict = worse(verdict, !ids.is_known             ? Verdict::Either
                                     : are_bad_ids(ids.values) ? Verdict::Refused
                                                               : Verdict::Right);
        }
    }
    return verdict;
}

Verdict Model::unalloc(int sched) const {
    const SchedState & state = scheds[static_cast<size_t>(sched)];
    return state.phase == SchedState::Phase::Allocated && state.is_gone ? Verdict::Skip : Verdict::Right;
}

void Model::lose_all(int sched) {
    for (int id = 0; id < tensors.size(); id++) {
        if (lies_here(tensors[id], sched)) {
            tensors[id].is_lost = true;
        }
    }
}

// The call may have taken pointers back that were lost before.
void Model::make_vague(int sched, const Graph & graph) {
    const auto mark = [&](int id) {
        Tensor & root = tensors.root_of(id);
        if (lies_here(root, sched)) {
            root.is_vague = true;
        }
    };
    std::for_each(graph.nodes.begin(), graph.nodes.end(), mark);
    std::for_each(graph.leafs.begin(), graph.leafs.end(), mark);
    std::for_each(graph.results.begin(), graph.results.end(), mark);
}

void Model::place(int sched, int id) {
    Tensor & root = tensors[id];
    root.home = Home::Scheduler;
    root.owner = scheds[static_cast<size_t>(sched)].number;
    root.epoch = scheds[static_cast<size_t>(sched)].epoch;
    root.is_lost = root.is_vague = root.is_known = false;
    root.is_writable = true;
}

void Model::end_assignments(int sched) {
    scheds[static_cast<size_t>(sched)].assigned.clear();
    scheds[static_cast<size_t>(sched)].is_assigned_vague = false;
}

void Model::did_alloc(int sched, int slot, bool ok) {
    SchedState & state = scheds[static_cast<size_t>(sched)];
    const Graph & graph = graphs[static_cast<size_t>(slot)];
    std::vector<int> kept;
    for (const std::vector<int> * list : {&graph.leafs, &graph.results}) {
        for (const int id : *list) {
            if (lies_here(tensors[id], sched) && !tensors[id].is_lost) {
                kept.push_back(id);
            }
        }
    }
    const bool keeps = !state.is_vague;
    lose_all(sched);
    state.phase = SchedState::Phase::Empty;
    state.is_gone = state.is_vague = false;
    if (!ok) {
        make_vague(sched, graph);
        state.is_assigned_vague = true;
        return;
    }
    for (const int id : kept) {
        tensors[id].is_lost = false;
        tensors[id].is_known = tensors[id].is_known && keeps;
        tensors[id].is_writable = true;
        tensors[id].epoch = state.epoch;
    }
    for (const std::vector<int> * list : {&graph.leafs, &graph.results}) {
        for (const int id : *list) {
            if (tensors[id].home == Home::None || (lies_here(tensors[id], sched) && tensors[id].is_lost)) {
                place(sched, id);
            }
        }
    }
    for (const int node : graph.nodes) {
        if (tensors[node].root == node) {
            place(sched, node);
        }
    }
    state.phase = SchedState::Phase::Allocated;
    state.slot = slot;
    state.generation = graph.generation;
    // Views in the graphs of other schedulers may show where these tensors were before.
    for (size_t other = 0; other < scheds.size(); other++) {
        SchedState & its = scheds[other];
        if (static_cast<int>(other) != sched && its.phase == SchedState::Phase::Allocated && its.slot != slot &&
            (uses(its.slot, slot) || uses(slot, its.slot))) {
            its.is_vague = true;
        }
    }
}

void Model::did_perhaps_alloc(int sched, int slot) {
    SchedState & state = scheds[static_cast<size_t>(sched)];
    const Graph & graph = graphs[static_cast<size_t>(slot)];
    for (const std::vector<int> * list : {&graph.nodes, &graph.leafs, &graph.results}) {
        for (const int id : *list) {
            if (tensors[id].root == id && tensors[id].home == Home::None) {
                place(sched, id);
                tensors[id].is_lost = true;
            }
        }
    }
    make_vague(sched, graph);
    state.phase = SchedState::Phase::Allocated;
    state.is_vague = true;
    state.slot = slot;
    state.generation = graph.generation;
}

void Model::did_measure(int sched, int slot, bool is_split) {
    SchedState & state = scheds[static_cast<size_t>(sched)];
    lose_all(sched);
    make_vague(sched, graphs[static_cast<size_t>(slot)]);
    state.is_assigned_vague = state.is_assigned_vague || !is_split;
    state.phase = is_split ? SchedState::Phase::Split : SchedState::Phase::Empty;
    state.is_gone = state.is_vague = false;
}

void Model::did_fail_run(int sched, int slot) {
    for (const int node : graphs[static_cast<size_t>(slot)].nodes) {
        if (tensors[node].kind == Tensor::Kind::Compute) {
            tensors.root_of(node).is_known = false;
        }
    }
    scheds[static_cast<size_t>(sched)].in_flight = false;
}

void Model::did_reset(int sched) {
    SchedState & state = scheds[static_cast<size_t>(sched)];
    lose_all(sched);
    end_assignments(sched);
    state.phase = SchedState::Phase::Empty;
    state.is_gone = state.is_vague = false;
}

void Model::did_unalloc(int sched) {
    SchedState & state = scheds[static_cast<size_t>(sched)];
    for (int id = 0; id < tensors.size(); id++) {
        Tensor & tensor = tensors[id];
        if (lies_here(tensor, sched) && !tensor.is_lost) {
            tensor.is_lost = state.is_vague;
            tensor.is_vague = state.is_vague;
            tensor.home = state.is_vague ? Home::Scheduler : Home::None;
            tensor.is_known = false;
        }
    }
    did_reset(sched);
}

void Model::did_renew(int sched) {
    did_reset(sched);
    // Devices tell the next scheduler of runs that have failed.
    const bool may_owe_error = scheds[static_cast<size_t>(sched)].may_owe_error;
    scheds[static_cast<size_t>(sched)] = {};
    scheds[static_cast<size_t>(sched)].number = ++n_scheds_made_;
    scheds[static_cast<size_t>(sched)].may_owe_error = may_owe_error;
}

void Model::did_null_graph(int sched) {
    SchedState & state = scheds[static_cast<size_t>(sched)];
    state.is_vague = state.is_vague || state.phase == SchedState::Phase::Allocated;
    state.is_assigned_vague = true;
}

void Model::free_graph(int slot) {
    for (SchedState & state : scheds) {
        if (state.phase == SchedState::Phase::Allocated && state.slot >= 0 && !state.is_gone) {
            const bool is_same = graphs[static_cast<size_t>(state.slot)].generation == state.generation;
            state.is_gone = !is_same || state.slot == slot || uses(state.slot, slot);
        }
    }
    for (int other = 0; other < kSlots; other++) {
        if (other != slot && graphs[static_cast<size_t>(other)].is_built && uses(other, slot)) {
            graphs[static_cast<size_t>(other)].is_built = false;
        }
    }
    for (int id = 0; id < tensors.size(); id++) {
        if (tensors[id].slot == slot) {
            tensors[id].is_alive = false;
            tensors[id].home = Home::None;
        }
    }
    graphs[static_cast<size_t>(slot)].is_built = false;
}

} // namespace sequences
