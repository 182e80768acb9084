// Expert blocks - which operands of a graph are experts in host memory, and which of them are used together.
//
// A router chooses experts for each token by their ids. All operands that are read with the same ids are one block:
// the matrices of MUL_MAT_ID, and what belongs to them, such as biases and scales of each expert. The nodes of a block
// would wait for each other if some of the operands were in host memory and others in device memory. So a block is
// moved whole, or not at all.
//
// The functions keep nothing. Any thread may call them.

#pragma once

#include <vector>

#include "host/graph_handle.h"

namespace ggml_sched {

// ExpertOperand - one operand of a node that is an expert tensor
struct ExpertOperand {
    ggml_tensor * node;
    int slot; // index into ggml_tensor::src

    ggml_tensor *& tensor() const { return node->src[slot]; }
};

// ExpertBlock - the expert tensors in host memory that are read with the same ids
struct ExpertBlock {
    const ggml_tensor * ids; // the root of the ids
    std::vector<ExpertOperand> operands;
    // The buffer of the last weight in device memory that a node before the block reads: it tells the device of the
    // layer. NULL if there is none.
    ggml_backend_buffer_t layer = nullptr;
};

// Returns the blocks of a graph, in the order of their first nodes.
std::vector<ExpertBlock> find_expert_blocks(const ggml_cgraph * graph);

} // namespace ggml_sched
