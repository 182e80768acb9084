// A small transformer in the shape that engines build, with the usual names, its parts on whatever backends one likes.

#pragma once

#include <vector>

#include "support/rig.h"

namespace ggml_sched::test {

constexpr int kCpu = -1; // or the number of a device

struct ModelOptions {
    int embedding = kCpu;     // where the table of token embeddings is
    std::vector<int> layers;  // where each layer's weights are
    std::vector<int> caches;  // where each layer's KV cache is; empty: with its weights
    std::vector<int> experts; // where each layer's experts are; empty: no experts, a plain feed-forward layer
    int output = kCpu;
    int n_tokens = 1; // in a batch
    bool lookups_on_cpu =
        false;           // the CPU looks tokens up, and again for each layer but the first in a table of its own
    bool pinned = false; // weights in host memory, for the first device
};

// The weights and caches; they stay.
class Model {
  public:
    Model(const Rig & rig, const ModelOptions & options);

    struct Graph {
        ContextPtr context;
        ggml_cgraph * graph;
        std::vector<ggml_tensor *> inputs;
        ggml_tensor * output;
    };
    // One forward pass. As engines ask for, attention runs where the cache is, and each layer begins where its weights
    // are.
    Graph build(const Rig & rig) const;

  private:
    friend class ModelBuilder;

    struct Layer {
        ggml_tensor * query;
        ggml_tensor * key_value;
        ggml_tensor * attn_output;
        ggml_tensor * gate; // of the experts, or NULL
        ggml_tensor * ffn;  // or all the experts
        ggml_tensor * cache;
        ggml_tensor * table; // or NULL
    };

    ggml_tensor * place(const Rig & rig, const char * name, int backend, ggml_type type, std::vector<int64_t> shape,
                        bool is_weight);

    ModelOptions options_;
    std::vector<ContextPtr> contexts_;
    std::vector<BufferPtr> buffers_;
    ggml_tensor * embedding_;
    std::vector<Layer> layers_;
    ggml_tensor * output_;
};

} // namespace ggml_sched::test
