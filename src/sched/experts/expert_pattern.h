// Expert patterns - the nodes of a graph that work pair by pair with the experts of a block.
//
// A pair is a token and one of the experts that the router has chosen for it. A node works pair by pair if row (i1, i2)
// of its result, for pair i1 of token i2, depends on the same rows of its operands alone, and on the expert of that
// pair. So pairs may be computed in different places, in any order, and each row has the bits that it has where it is
// computed. A pattern goes from the first MUL_MAT_ID to the last node that reads experts with the same ids.
//
// The ids and the activations that the nodes read are there before the first node, and stay what they are.
//
// The functions keep nothing. Any thread may call them.

#pragma once

#include <functional>
#include <vector>

#include "experts/expert_blocks.h"

namespace ggml_sched {

// ExpertPattern - what find_pattern() has found
struct ExpertPattern {
    ggml_tensor * ids = nullptr;       // I32 [experts of a token, tokens], as the nodes read it
    std::vector<ggml_tensor *> nodes;  // in the order of the graph; the last one has the result
    std::vector<ggml_tensor *> inputs; // activations that the nodes read: [n, 1 or experts of a token, tokens]
    int first = 0;                     // index of the first of the nodes in the graph
    int last = 0;                      // index of the last one
    Obstacle obstacle;                 // why it is no pattern

    int64_t n_chosen() const { return ids->ne[0]; } // experts of a token
    int64_t n_tokens() const { return ids->ne[1]; }
    int64_t n_pairs() const { return ids->ne[0] * ids->ne[1]; }
};

// Returns the index in ggml_tensor::src of the experts that a node reads by ids; -1 if it does not.
int operand_with_experts(const ggml_tensor * node);

// Returns the patterns of a graph, one for each tensor of ids, in the order of their first nodes. `are_experts` tells
// whether a tensor has experts that count.
std::vector<ExpertPattern> find_patterns(const host::Nodes & nodes,
                                         const std::function<bool(const ggml_tensor *)> & are_experts);

} // namespace ggml_sched
