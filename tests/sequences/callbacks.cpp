#include "callbacks.h"

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <filesystem>

namespace sequences {

namespace {

int n_refusals = 0; // that the log has told

} // namespace

void Callbacks::take_log(ggml_log_level, const char * text, void * file) {
    if (file) {
        std::fputs(text, static_cast<FILE *>(file));
    }
    n_refusals += std::strstr(text, " was called while ") != nullptr;
}

Callbacks::Callbacks(World & world)
    : world_(world) {
    for (int s = 0; s < kMaxScheds; s++) {
        handles_[static_cast<size_t>(s)] = {this, s};
    }
}

void Callbacks::begin(int slot) {
    seen_ = {};
    seen_.slot = slot;
    has_called_ = false;
    for (size_t s = 0; s < world_.model.scheds.size(); s++) {
        eval_[s] = world_.model.scheds[s].eval;
    }
}

void Callbacks::set_eval(int s, const CallbackSpec & spec) {
    world_.model.scheds[static_cast<size_t>(s)].eval = spec;
    ggml_backend_sched_set_eval_callback(world_.sched(s), spec.is_set ? eval : nullptr,
                                         &handles_[static_cast<size_t>(s)]);
}

void Callbacks::set_copy(int s, const CallbackSpec & spec) {
#ifdef SEQUENCES_LACKS_COPY_CALLBACK
    (void) s, (void) spec, (void) copy;
#else
    world_.model.scheds[static_cast<size_t>(s)].copy = spec;
    ggml_backend_sched_set_copy_callback(world_.sched(s), spec.is_set ? copy : nullptr,
                                         &handles_[static_cast<size_t>(s)]);
#endif
}

void Callbacks::set_realloc(int s, const CallbackSpec & spec) {
#ifdef SEQUENCES_LACKS_REALLOC_CALLBACK
    (void) s, (void) spec, (void) realloc;
#else
    world_.model.scheds[static_cast<size_t>(s)].realloc = spec;
    ggml_backend_sched_set_realloc_callback(world_.sched(s), spec.is_set ? realloc : nullptr,
                                            &handles_[static_cast<size_t>(s)]);
#endif
}

bool Callbacks::eval(ggml_tensor * tensor, bool ask, void * user_data) {
    const Handle & handle = *static_cast<Handle *>(user_data);
    Callbacks & self = *handle.callbacks;
    const CallbackSpec spec = self.eval_[static_cast<size_t>(handle.sched)];
    return ask ? self.asks_for(spec, tensor) : self.show(handle.sched, spec, tensor);
}

bool Callbacks::copy(ggml_backend_t, const ggml_tensor *, ggml_tensor *, ggml_cgraph *, void * user_data) {
    const Handle & handle = *static_cast<Handle *>(user_data);
    Callbacks & self = *handle.callbacks;
    self.call_inside(handle.sched, self.world_.model.scheds[static_cast<size_t>(handle.sched)].copy.inside);
    return false;
}

void Callbacks::realloc(ggml_backend_sched_t, ggml_cgraph *, bool, bool, void * user_data) {
    const Handle & handle = *static_cast<Handle *>(user_data);
    Callbacks & self = *handle.callbacks;
    self.call_inside(handle.sched, self.world_.model.scheds[static_cast<size_t>(handle.sched)].realloc.inside);
}

void Callbacks::note(const std::string & wrong) {
    if (seen_.wrong.empty()) {
        seen_.wrong = wrong;
    }
}

size_t Callbacks::index_of(const ggml_tensor * tensor) const {
    const std::vector<int> & nodes = world_.model.graphs[static_cast<size_t>(seen_.slot)].nodes;
    const auto found =
        std::find_if(nodes.begin(), nodes.end(), [&](int node) { return world_.model.tensors[node].real == tensor; });
    return static_cast<size_t>(found - nodes.begin());
}

bool Callbacks::asks_for(const CallbackSpec & spec, const ggml_tensor * tensor) {
    if (seen_.slot < 0) {
        note("an eval callback is asked outside of a run");
        return false;
    }
    return index_of(tensor) % static_cast<size_t>(std::max(1, spec.every)) == 0;
}

bool Callbacks::show(int s, const CallbackSpec & spec, const ggml_tensor * tensor) {
    const std::vector<int> & nodes = world_.model.graphs[static_cast<size_t>(seen_.slot)].nodes;
    const size_t index = index_of(tensor);
    if (index == nodes.size()) {
        note(std::string("the eval callback is shown '") + tensor->name + "', which is no node of the graph");
        return true;
    }
    compute_until(tensor);
    note(seen_.is_undefined ? "" : world_.compare(nodes[index]));
    call_inside(s, spec.inside);
    seen_.is_stopped = spec.stop >= 0 && seen_.n_shown++ >= spec.stop;
    return !seen_.is_stopped;
}

void Callbacks::compute_until(const ggml_tensor * tensor) {
    const std::vector<int> & nodes = world_.model.graphs[static_cast<size_t>(seen_.slot)].nodes;
    const size_t end = index_of(tensor) + 1;
    for (; seen_.n_done < end; seen_.n_done++) {
        interpret(world_.model.tensors, nodes[seen_.n_done]);
    }
}

void Callbacks::finish_run() {
    Tensors & tensors = world_.model.tensors;
    const std::vector<int> & nodes = world_.model.graphs[static_cast<size_t>(seen_.slot)].nodes;
    for (size_t i = seen_.n_done; i < nodes.size(); i++) {
        if (!seen_.is_stopped) {
            interpret(tensors, nodes[i]);
        } else if (tensors[nodes[i]].root == nodes[i]) {
            tensors[nodes[i]].is_known = false;
        }
    }
    seen_.n_done = nodes.size();
}

// A callback calls only once in a run: many nodes are shown.
void Callbacks::call_inside(int s, Inside inside) {
    if (inside == Inside::Nothing || has_called_) {
        return;
    }
    has_called_ = true;
    if (inside > Inside::Free) {
        call_allowed(s, inside);
        return;
    }
    const auto & graphs = world_.model.graphs;
    const auto built = std::find_if(graphs.begin(), graphs.end(), [](const Graph & graph) { return graph.is_built; });
    if (built == graphs.end()) {
        return;
    }
    const int before = n_refusals;
    if (!is_refused(s, inside, built->real, world_.model.tensors[built->nodes[0]].real)) {
        note(std::string(name_of(inside)) + " in a callback was not refused");
    }
    if (n_refusals != before + 1) {
        note(std::string("the log does not tell that ") + name_of(inside) + " in a callback was refused");
    }
}

// True if what the call returned, if anything, says no.
bool Callbacks::is_refused(int s, Inside inside, ggml_cgraph * graph, ggml_tensor * node) {
    ggml_backend_sched_t sched = world_.sched(s);
    switch (inside) {
    case Inside::Reserve: return !ggml_backend_sched_reserve(sched, graph);
    case Inside::ReserveSize: {
        std::vector<size_t> sizes(world_.backends().size(), 1);
        ggml_backend_sched_reserve_size(sched, graph, sizes.data());
        return std::all_of(sizes.begin(), sizes.end(), [](size_t size) { return size == 0; });
    }
    case Inside::Split: ggml_backend_sched_split_graph(sched, graph); return true;
    case Inside::SetTensorBackend:
        ggml_backend_sched_set_tensor_backend(sched, node, world_.backends()[0]);
        return true;
    case Inside::Alloc: return !ggml_backend_sched_alloc_graph(sched, graph);
    case Inside::Compute: return ggml_backend_sched_graph_compute(sched, graph) == GGML_STATUS_FAILED;
    case Inside::ComputeAsync: return ggml_backend_sched_graph_compute_async(sched, graph) == GGML_STATUS_FAILED;
    case Inside::Reset: ggml_backend_sched_reset(sched); return true;
    case Inside::Unalloc: ggml_sched_unalloc_graph(sched); return true;
    case Inside::SetStreaming: ggml_sched_set_streaming(sched, nullptr); return true;
    case Inside::KeepWeights: ggml_sched_keep_weights(sched, true); return true;
    case Inside::TraceStart: return !ggml_sched_trace_start(sched, trace_path(s).c_str());
    case Inside::TraceStop: return !ggml_sched_trace_stop(sched);
    default: ggml_backend_sched_free(sched); return true;
    }
}

void Callbacks::call_allowed(int s, Inside inside) {
    ggml_backend_sched_t sched = world_.sched(s);
    switch (inside) {
    case Inside::Synchronize: ggml_backend_sched_synchronize(sched); break;
    case Inside::Getters: note(call_getters(world_, s)); break;
    case Inside::SetModeAndVerify:
        ggml_sched_set_sync_mode(sched, GGML_SCHED_SYNC_BARRIER);
        ggml_sched_set_verify(sched, true);
        break;
    case Inside::UnsetItself:
        set_eval(s, {});
        set_copy(s, {});
        set_realloc(s, {});
        break;
    default: {
        const int other = (s + 1) % static_cast<int>(world_.model.scheds.size());
        if (other != s) {
            ggml_backend_sched_reset(world_.sched(other));
            world_.model.did_reset(other);
            seen_.resets.push_back(other);
        }
    }
    }
}

std::string call_getters(const World & world, int s) {
    ggml_backend_sched_t sched = world.sched(s);
    char text[64];
    ggml_sched_stats stats;
    ggml_sched_get_stats(sched, &stats, sizeof(stats));
    ggml_sched_expert_stats expert_stats;
    const int n_banks = ggml_sched_get_expert_stats(sched, &expert_stats, 1, sizeof(expert_stats));
    ggml_sched_get_pattern(sched, -1, text, sizeof(text));
    ggml_sched_get_pattern(sched, 0, text, 1);
    ggml_sched_get_plan_text(sched, text, sizeof(text));
    ggml_sched_get_plan_text(sched, nullptr, 0);
    const auto n = static_cast<int>(world.backends().size());
    if (ggml_backend_sched_get_n_backends(sched) != n || ggml_backend_sched_get_backend(sched, -1) ||
        ggml_backend_sched_get_backend(sched, n) || ggml_backend_sched_get_backend(sched, 0) != world.backends()[0]) {
        return "the backends are not those of the scheduler";
    }
    if (ggml_backend_sched_get_n_copies(sched) < 1 || ggml_backend_sched_get_n_splits(sched) < 0 || n_banks < 0 ||
        ggml_sched_get_sync_mode(sched) > GGML_SCHED_SYNC_SERIAL || !ggml_sched_get_error(sched)) {
        return "a getter's answer makes no sense";
    }
    if (ggml_backend_sched_get_buffer_type(sched, nullptr) || ggml_backend_sched_get_buffer_size(sched, nullptr) != 0 ||
        ggml_backend_sched_get_tensor_backend(sched, nullptr)) {
        return "a getter answers for NULL";
    }
    for (int id = 0; id < world.model.tensors.size(); id++) {
        if (world.model.tensors[id].is_alive) {
            ggml_backend_sched_get_tensor_backend(sched, world.model.tensors[id].real);
        }
    }
    return "";
}

std::string trace_path(int s) {
    static const std::string folder = std::filesystem::temp_directory_path().string();
    static const int unique = 0;
    return folder + "/ggml-sched-sequences-" + std::to_string(reinterpret_cast<uintptr_t>(&unique)) + "-" +
           std::to_string(s) + ".json";
}

} // namespace sequences
