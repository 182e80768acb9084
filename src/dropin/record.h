// Record - what the engine has told one of our schedulers. If ggml's own scheduler takes over, it is told the same
// (become_stock.h).
//
// The wrapper (choice.h) owns the record, which owns no backend and no tensor. One thread at a time uses it.

#pragma once

#include <unordered_map>
#include <vector>

#include "ggml-backend.h"

// 1 if this ggml has functions that make a scheduler ggml's own. cmake/ggml-sched-inject.cmake defines it.
#ifndef GGML_SCHED_PASSES_ON
#define GGML_SCHED_PASSES_ON 0
#endif

namespace ggml_sched {

// Callback - a callback that the engine has set
struct Callback {
    void (*give)(ggml_backend_sched & sched) = nullptr; // sets it on the wrapper's scheduler; NULL: none was set
    void (*function)() = nullptr;                       // has the type that `give` knows
    void * user_data = nullptr;
};

struct Callbacks {
    Callback eval;
    Callback copy;
    Callback realloc;
};

// Arguments - the arguments of ggml_backend_sched_new
struct Arguments {
    std::vector<ggml_backend_t> backends;
    std::vector<ggml_backend_buffer_type_t> bufts; // empty if the argument was NULL
    size_t graph_size = 0;
    bool parallel = false;
    bool op_offload = false;
};

struct Record {
    Arguments arguments;
    std::unordered_map<ggml_tensor *, ggml_backend_t> assignments; // those since the last reset
    ggml_cgraph * graph = nullptr;                                 // allocated graph, or NULL
    std::vector<ggml_tensor *> inputs; // operands of the graph that no node computes and that the scheduler placed

    // Notes an assignment, unless our scheduler refuses it.
    void assign(ggml_tensor * tensor, ggml_backend_t backend);
    void forget_graph();
    // Forgets the graph and the assignments.
    void reset();

    // Returns true if this is the allocated graph, and not another one at its address.
    bool is_allocated(ggml_cgraph * other) const;

    // Notes the inputs of a graph before it is allocated. Does nothing for the graph that is allocated already.
    void begin_allocation(ggml_cgraph * graph);
    // Notes whether the graph is allocated now.
    void end_allocation(ggml_cgraph * graph, bool succeeded);
    void end_run(ggml_cgraph * graph, ggml_status status);
};

// Returns the operands of a graph that no node computes, and that the scheduler will place.
std::vector<ggml_tensor *> find_inputs_to_place(ggml_cgraph * graph);

} // namespace ggml_sched
