// ggml-impl.h - what the library's own parts know about graphs and logging. Not installed.
// The names are those of ggml's header of the same name, so that src/sched/host compiles against either.

#pragma once

#include <stddef.h>
#include <stdint.h>

#include "ggml.h"

#ifdef __cplusplus
extern "C" {
#endif

// Formats and passes a line to the log callback. Any thread.
GGML_API void ggml_log_internal(enum ggml_log_level level, const char * format, ...) GGML_ATTRIBUTE_FORMAT(2, 3);

#define GGML_LOG_DEBUG(...) ggml_log_internal(GGML_LOG_LEVEL_DEBUG, __VA_ARGS__)
#define GGML_LOG_INFO(...) ggml_log_internal(GGML_LOG_LEVEL_INFO, __VA_ARGS__)
#define GGML_LOG_WARN(...) ggml_log_internal(GGML_LOG_LEVEL_WARN, __VA_ARGS__)
#define GGML_LOG_ERROR(...) ggml_log_internal(GGML_LOG_LEVEL_ERROR, __VA_ARGS__)
#define GGML_LOG_CONT(...) ggml_log_internal(GGML_LOG_LEVEL_CONT, __VA_ARGS__)

// The tensors that a graph has visited, by open addressing; a NULL key is a free slot.
struct ggml_hash_set {
    size_t size; // a power of two; 0 in a view
    struct ggml_tensor ** keys;
};

// A graph, or a view of consecutive nodes of one (size 0, sharing the arrays).
struct ggml_cgraph {
    int size; // room for nodes, and for leafs
    int n_nodes;
    int n_leafs;

    struct ggml_tensor ** nodes; // computed, in order
    struct ggml_tensor ** leafs; // not computed

    struct ggml_hash_set visited_hash_set;

    bool overflow; // a tensor found no room: the graph is incomplete and must not be computed
    uint64_t uid;  // two graphs with the same uid other than 0 are the same
};

// The nodes [i0, i1) of cgraph, in the same arrays.
GGML_API struct ggml_cgraph ggml_graph_view(struct ggml_cgraph * cgraph, int i0, int i1);

// A number that no graph has had in this process. Any thread.
GGML_API uint64_t ggml_graph_next_uid(void);

// A tensor with the type, shape and strides of tensor, without data.
GGML_API struct ggml_tensor * ggml_dup_tensor_layout(struct ggml_context * ctx, const struct ggml_tensor * tensor);

// Operations that move no bytes
GGML_API bool ggml_is_view_op(enum ggml_op op);

// The op_params of GGML_OP_CUSTOM begin with the bytes of this struct. They are not aligned: copy them.
struct ggml_custom_op_params {
    ggml_custom_op_t fun;
    int n_tasks; // > 0, or GGML_N_TASKS_MAX
    void * userdata;
};

// op_params as integers or floats
static inline int32_t ggml_get_op_params_i32(const struct ggml_tensor * tensor, uint32_t i) {
    return tensor->op_params[i];
}

#ifdef __cplusplus
}
#endif
