// A scheduler that prints its calls. It is built twice: as ggml's own, and as ours (STUB_OURS), each with the names
// that the injection gives to the functions. Both replace operands without memory by copies, as the real ones do.
// Ggml's own uses the memory of an input again, unless the input has the flag OUTPUT.

#include <algorithm>
#include <cstring>
#include <deque>
#include <map>

#include "ggml-sched.h"
#include "stub.h"

#ifdef STUB_OURS
#define NAME "ours"
#else
#define NAME "stock"
#endif

using stub::fails;

struct ggml_backend_sched {
    std::vector<ggml_backend_t> backends;
    ggml_cgraph * graph = nullptr; // the allocated one
    std::vector<char> memory;
    std::vector<ggml_tensor *> placed;
    std::deque<ggml_tensor> copies;
    std::map<ggml_tensor *, ggml_tensor> before; // by node
    ggml_backend_sched_eval_callback eval = nullptr;
    ggml_backend_sched_copy_callback copy = nullptr;
    ggml_backend_sched_realloc_callback realloc = nullptr;
    void * eval_data = nullptr;
    void * copy_data = nullptr;
    void * realloc_data = nullptr;
    int calls = 0;
    int priority = 0;
};

namespace {

constexpr size_t kSize = 16; // The largest tensor has so many bytes.
unsigned default_priority = 3;

void say(std::initializer_list<std::string> words) {
    std::string line = NAME;
    for (const std::string & word : words) {
        line += word.empty() ? "" : " " + word;
    }
    stub::say(line);
}

// The number of a backend that is not a pointer
std::string number_of(ggml_backend_t backend) {
    return std::to_string(reinterpret_cast<intptr_t>(backend));
}

void place(ggml_backend_sched & sched, ggml_tensor & tensor) {
    if (tensor.data) {
        return;
    }
    tensor.data = sched.memory.data() + sched.placed.size() * kSize;
#ifndef STUB_OURS
    if (tensor.op != GGML_OP_NONE) {
        for (const ggml_tensor * input : sched.placed) {
            if (input->op == GGML_OP_NONE && !(input->flags & GGML_TENSOR_FLAG_OUTPUT)) {
                tensor.data = input->data;
            }
        }
    }
#endif
    tensor.buffer = reinterpret_cast<ggml_backend_buffer_t>(&sched);
    sched.placed.push_back(&tensor);
}

[[maybe_unused]] void take_back(ggml_backend_sched & sched) {
    for (auto & [node, before] : sched.before) {
        *node = before;
    }
    for (ggml_tensor * tensor : sched.placed) {
        tensor->data = nullptr;
        tensor->buffer = nullptr;
    }
    sched.before.clear();
    sched.placed.clear();
    sched.graph = nullptr;
}

} // namespace

ggml_backend_sched_t ggml_backend_sched_new(ggml_backend_t * backends, ggml_backend_buffer_type_t * bufts,
                                            int n_backends, size_t graph_size, bool parallel, bool op_offload) {
    std::string numbers;
    for (int b = 0; b < n_backends; b++) {
        numbers +=
            number_of(backends[b]) + (bufts ? "/" + std::to_string(reinterpret_cast<intptr_t>(bufts[b])) : "") + " ";
    }
    say({"new", numbers + std::to_string(graph_size), parallel ? "parallel" : "-", op_offload ? "offload" : "-"});
    if (fails(NAME " new")) {
        return nullptr;
    }
    auto * sched = new ggml_backend_sched;
    sched->backends.assign(backends, backends + n_backends);
    return sched;
}

void ggml_backend_sched_free(ggml_backend_sched_t sched) {
    say({"free"});
    delete sched;
}

bool ggml_backend_sched_reserve(ggml_backend_sched_t, ggml_cgraph *) {
    say({"reserve"});
    return true;
}

void ggml_backend_sched_reserve_size(ggml_backend_sched_t, ggml_cgraph *, size_t *) {
    say({"reserve_size"});
}

int ggml_backend_sched_get_n_backends(ggml_backend_sched_t sched) {
    return static_cast<int>(sched->backends.size());
}

ggml_backend_t ggml_backend_sched_get_backend(ggml_backend_sched_t sched, int i) {
    return sched->backends[static_cast<size_t>(i)];
}

int ggml_backend_sched_get_n_splits(ggml_backend_sched_t) {
    return 1;
}

int ggml_backend_sched_get_n_copies(ggml_backend_sched_t) {
    return 1;
}

ggml_backend_buffer_type_t ggml_backend_sched_get_buffer_type(ggml_backend_sched_t, ggml_backend_t) {
    return nullptr;
}

size_t ggml_backend_sched_get_buffer_size(ggml_backend_sched_t, ggml_backend_t backend) {
#ifdef STUB_OURS
    return stub::buffer_size * static_cast<size_t>(std::stoi(number_of(backend)));
#else
    (void) backend;
    return 0;
#endif
}

void ggml_backend_sched_set_tensor_backend(ggml_backend_sched_t, ggml_tensor * node, ggml_backend_t backend) {
    say({"set_tensor_backend", node->name, number_of(backend)});
}

ggml_backend_t ggml_backend_sched_get_tensor_backend(ggml_backend_sched_t, ggml_tensor *) {
    return nullptr;
}

void ggml_backend_sched_split_graph(ggml_backend_sched_t, ggml_cgraph *) {
    say({"split_graph"});
}

bool ggml_backend_sched_alloc_graph(ggml_backend_sched_t sched, ggml_cgraph * graph) {
    say({"alloc_graph"});
    if (sched->realloc) {
        sched->realloc(sched, graph, true, false, sched->realloc_data);
    }
    if (sched->graph || !graph) {
        return false;
    }
    sched->memory.assign(64 * kSize, NAME[0]);
    for (ggml_tensor * node : graph->nodes) {
        sched->before[node] = *node;
        for (ggml_tensor *& src : node->src) {
            if (src && src->op == GGML_OP_NONE &&
                (!src->data || std::count(sched->placed.begin(), sched->placed.end(), src))) {
                place(*sched, *src);
                src = &sched->copies.emplace_back(*src);
            }
        }
        place(*sched, *node);
    }
    if (fails(NAME " alloc_graph")) {
#ifdef STUB_OURS
        take_back(*sched);
#endif
        return false;
    }
    sched->graph = graph;
    return true;
}

ggml_status ggml_backend_sched_graph_compute(ggml_backend_sched_t sched, ggml_cgraph * graph) {
    return ggml_backend_sched_graph_compute_async(sched, graph);
}

ggml_status ggml_backend_sched_graph_compute_async(ggml_backend_sched_t sched, ggml_cgraph * graph) {
    say({"graph_compute", sched ? "" : "of NULL"});
    if (!sched) {
        return GGML_STATUS_FAILED;
    }
    if (sched->graph != graph || !graph->nodes.back()->data) { // Another graph may be at the same address.
        sched->graph = nullptr;
        sched->placed.clear();
        if (!ggml_backend_sched_alloc_graph(sched, graph)) {
            return GGML_STATUS_ALLOC_FAILED;
        }
    }
    if (sched->copy) {
        sched->copy(sched->backends[0], graph->nodes[0], graph->nodes[0], graph, sched->copy_data);
    }
    for (ggml_tensor * node : graph->nodes) {
        std::memset(node->data, 'R', ggml_nbytes(node));
        if (sched->eval && !sched->eval(node, true, sched->eval_data)) {
            return GGML_STATUS_ABORTED;
        }
    }
    return GGML_STATUS_SUCCESS;
}

void ggml_backend_sched_synchronize(ggml_backend_sched_t) {
    say({"synchronize"});
}

void ggml_backend_sched_reset(ggml_backend_sched_t sched) {
    say({"reset"});
    sched->graph = nullptr;
}

void ggml_backend_sched_set_eval_callback(ggml_backend_sched_t sched, ggml_backend_sched_eval_callback callback,
                                          void * user_data) {
    say({"set_eval_callback", callback ? "function" : "NULL", sched ? "" : "of NULL"});
    if (!sched) {
        return;
    }
    sched->eval = callback;
    sched->eval_data = user_data;
}

void ggml_backend_sched_set_copy_callback(ggml_backend_sched_t sched, ggml_backend_sched_copy_callback callback,
                                          void * user_data) {
    say({"set_copy_callback", callback ? "function" : "NULL"});
    sched->copy = callback;
    sched->copy_data = user_data;
}

void ggml_backend_sched_set_realloc_callback(ggml_backend_sched_t sched, ggml_backend_sched_realloc_callback callback,
                                             void * user_data) {
    say({"set_realloc_callback", callback ? "function" : "NULL"});
    sched->realloc = callback;
    sched->realloc_data = user_data;
}

#ifdef STUB_OURS

const char * ggml_sched_version(void) {
    return "of the stub";
}
const char * ggml_sched_stream_decision_text(uint64_t) {
    return "";
}

void ggml_sched_set_sync_mode(ggml_backend_sched_t, ggml_sched_sync_mode) {}

ggml_sched_sync_mode ggml_sched_get_sync_mode(ggml_backend_sched_t) {
    return GGML_SCHED_SYNC_AUTO;
}

void ggml_sched_get_stats(ggml_backend_sched_t, ggml_sched_stats *, size_t) {}
void ggml_sched_reset_stats(ggml_backend_sched_t) {}

int ggml_sched_get_expert_stats(ggml_backend_sched_t, ggml_sched_expert_stats *, int, size_t) {
    return 0;
}

size_t ggml_sched_get_pattern(ggml_backend_sched_t, int, char *, size_t) {
    return 0;
}

size_t ggml_sched_get_plan_text(ggml_backend_sched_t, char *, size_t) {
    return 0;
}

void ggml_sched_set_verify(ggml_backend_sched_t, bool) {}

void ggml_sched_set_reuse(ggml_backend_sched_t, bool) {}
void ggml_sched_set_debug(ggml_backend_sched_t, int) {}
void ggml_sched_set_debug_realloc(ggml_backend_sched_t, int) {}

void ggml_sched_set_streaming(ggml_backend_sched_t sched, const ggml_sched_stream_params *) {
    say({"set_streaming"});
    sched->graph = nullptr;
}

void ggml_sched_set_experts(ggml_backend_sched_t sched, const ggml_sched_expert_params *) {
    say({"set_experts"});
    sched->graph = nullptr;
}

void ggml_sched_keep_weights(ggml_backend_sched_t, bool) {}

bool ggml_sched_trace_start(ggml_backend_sched_t, const char *) {
    return false;
}

bool ggml_sched_trace_stop(ggml_backend_sched_t) {
    return false;
}

void ggml_sched_unalloc_graph(ggml_backend_sched_t sched) {
    say({"unalloc_graph"});
    take_back(*sched);
}

const char * ggml_sched_get_error(ggml_backend_sched_t) {
    return "";
}

#else

int ggml_backend_sched_set_priority(ggml_backend_sched_t sched, int priority, const float weights[2]) {
    say({"set_priority", std::to_string(priority), std::to_string(static_cast<int>(weights ? weights[1] : 0))});
    sched->priority = priority;
    return ++sched->calls;
}

void ggml_backend_sched_set_label(ggml_backend_sched_t sched, const char * label) {
    say({"set_label", label});
    sched->calls++;
}

ggml_backend_sched_report ggml_backend_sched_get_report(const ggml_backend_sched * sched) {
    say({"get_report"});
    return {sched->calls, sched->priority};
}

const char * ggml_backend_sched_get_label(ggml_backend_sched *) {
    return "a label";
}

bool ggml_backend_sched_watch(ggml_backend_sched_t, void (*watch)(int, void *), ggml_backend_sched_progress progress,
                              void * user_data) {
    watch(10, user_data);
    progress(20, user_data);
    return true;
}

size_t ggml_backend_sched_share(ggml_backend_sched_t first, ggml_backend_sched_t second) {
    say({"share"});
    return first->backends.size() * 10 + second->backends.size();
}

ggml_backend_sched_t ggml_backend_sched_first_of(ggml_backend_sched_t first, ggml_backend_sched_t) {
    return first;
}

ggml_backend_sched_t ggml_backend_sched_new_ext(ggml_backend_t * backends, int n_backends) {
    return ggml_backend_sched_new(backends, nullptr, n_backends, 0, false, false);
}

void ggml_backend_sched_set_default_priority(unsigned priority) {
    default_priority = priority;
}

long long ggml_backend_sched_get_default_priority(void) {
    return default_priority;
}

#endif
