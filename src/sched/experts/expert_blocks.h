// Expert blocks - which operands of a graph are experts in host memory, and which of them are used together.
//
// A router chooses experts for each token by their ids. All weights that are read with the same ids are one block: the
// matrices of MUL_MAT_ID, and what belongs to them, such as biases of each expert. The nodes of a block would wait for
// each other if some of the weights were in host memory and others in device memory. So a block moves whole, or not at
// all.
//
// The functions keep nothing. Any thread may call them.

#pragma once

#include <vector>

#include "graph/backend_id.h"
#include "host/graph_handle.h"
#include "host/query.h"

namespace ggml_sched {

// Obstacle - what keeps experts in host memory: a text, and the tensor that it is about, or NULL
struct Obstacle {
    const char * text = nullptr; // NULL: nothing
    const ggml_tensor * tensor = nullptr;
};

// ExpertOperand - a weight in host memory that a node of a block reads
struct ExpertOperand {
    const ggml_tensor * node;
    const ggml_tensor * tensor;
};

// ExpertBlock - the nodes that read weights with the same ids
struct ExpertBlock {
    const ggml_tensor * ids; // the root of the ids
    std::vector<ExpertOperand> operands;
    // Other weights that the nodes read: in device memory, repacked for the CPU, or views of weights. The device of the
    // block must be able to use them where they are.
    std::vector<const ggml_tensor *> others = {};
    // The device whose weights the nodes before the block read; kNoBackend if there is none.
    BackendId layer = kNoBackend;
    // A weight of integers; NULL if there is none. Engines look up places of cached experts there, and write it.
    const ggml_tensor * table = nullptr;
};

// The operand of MUL_MAT_ID and ADD_ID that has the ids
constexpr int kIdsOperand = 2;

// Returns the tensor itself, or what it is a view of.
inline const ggml_tensor * expert_root_of(const ggml_tensor * tensor) {
    return tensor->view_src ? tensor->view_src : tensor;
}

// Returns the matrices in host memory of which a MUL_MAT_ID chooses; NULL for another node.
const ggml_tensor * matrices_in_host_memory(const ggml_tensor * node);

// Returns the blocks of a graph, in the order of their first nodes. The last backend is the CPU.
std::vector<ExpertBlock> find_expert_blocks(const ggml_cgraph * graph, const std::vector<host::Backend> & backends);

} // namespace ggml_sched
