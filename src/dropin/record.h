// Record - what the engine has told one of our schedulers. Ggml's own scheduler is told the same if it takes over
// (become_stock.h).
//
// Threading: as the scheduler's.

#pragma once

#include <unordered_map>
#include <vector>

#include "ggml-backend.h"

// 1 if this ggml has functions that make a scheduler ggml's own; cmake/ggml-sched-inject.cmake defines it.
#ifndef GGML_SCHED_PASSES_ON
#define GGML_SCHED_PASSES_ON 0
#endif

namespace ggml_sched {

// A callback that the engine has set
struct Callback {
    void (*give)(ggml_backend_sched & sched) = nullptr; // Sets it on the scheduler of a wrapper. NULL: none was set.
    void (*function)() = nullptr;                       // Has the type that `give` knows.
    void * user_data = nullptr;
};

struct Callbacks {
    Callback eval;
    Callback copy;
    Callback realloc;
};

// The arguments of ggml_backend_sched_new
struct Arguments {
    std::vector<ggml_backend_t> backends;
    std::vector<ggml_backend_buffer_type_t> bufts; // Empty if the argument was NULL.
    size_t graph_size = 0;
    bool parallel = false;
    bool op_offload = false;
};

struct Record {
    Arguments arguments;
    std::unordered_map<ggml_tensor *, ggml_backend_t> assignments; // Those since the last reset.
    ggml_cgraph * graph = nullptr;                                 // The allocated graph, or NULL.
    std::vector<ggml_tensor *> inputs; // Operands of the graph that no node computes and that the scheduler placed.

    void assign(ggml_tensor * tensor, ggml_backend_t backend); // Ignores what our scheduler refuses.
    void forget_graph();
    void reset();

    // True if this is the allocated graph, and not another one at the same address.
    bool is_allocated(ggml_cgraph * other) const;

    // Notes the inputs of a graph before it is allocated. Does nothing for the graph that is allocated already.
    void begin_allocation(ggml_cgraph * graph);
    void end_allocation(ggml_cgraph * graph, bool succeeded);
    void end_run(ggml_cgraph * graph, ggml_status status);
};

// Returns the operands of a graph that no node computes, and that the scheduler will place.
std::vector<ggml_tensor *> find_inputs_to_place(ggml_cgraph * graph);

} // namespace ggml_sched
