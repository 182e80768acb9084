// graph.h - the computation of one micro-batch as a graph.
//
// Each token's arithmetic is the same whatever else is in the micro-batch, and however long the cache is beyond the
// token's position: what the mask hides contributes exact zeros.

#pragma once

#include "kv_cache.h"
#include "model.h"

#include <cstddef>
#include <vector>

namespace engine {

// What the graph's structure depends on. Two micro-batches of the same shape can use the same graph.
struct BatchShape {
    int n_tokens = 0;
    int n_kv = 0;      // rows of the cache that are looked at
    int n_outputs = 0; // tokens whose logits are wanted; without any, the graph ends with the last layer's cache

    bool operator==(const BatchShape & o) const {
        return n_tokens == o.n_tokens && n_kv == o.n_kv && n_outputs == o.n_outputs;
    }
};

// A node that has to run on a given device.
struct Pinned {
    ggml_tensor * node;
    int device;
};

struct BatchGraph {
    ggml_cgraph * graph = nullptr;
    ggml_tensor * tokens = nullptr;     // I32 [n_tokens]
    ggml_tensor * positions = nullptr;  // I32 [n_tokens]
    ggml_tensor * kv_rows = nullptr;    // I64 [n_tokens]: where each token's key and value go
    ggml_tensor * mask = nullptr;       // F32 [n_kv, n_tokens]: 0 or -infinity
    ggml_tensor * output_ids = nullptr; // I32 [n_outputs]: tokens; NULL where n_outputs is 0, like logits
    ggml_tensor * logits = nullptr;     // F32 [n_vocab, n_outputs]

    // The norms at the entry of a layer read no weights, so a scheduler would leave them on the device of the layer
    // before, and would then copy both the norm's result and its operand, which the residual needs.
    std::vector<Pinned> pinned;
};

// Upper bounds for a graph of this model: nodes, and bytes of the context to build it in.
size_t graph_nodes(const Model & model);
size_t graph_memory(const Model & model);

Result<BatchGraph> build_graph(ggml_context * ctx, const Model & model, const KvCache & cache,
                               const BatchShape & shape);

} // namespace engine
