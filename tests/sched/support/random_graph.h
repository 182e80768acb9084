// A random graph as a recipe, so that it can be built again in another context, over other memory.

#pragma once

#include <random>
#include <vector>

#include "support/rig.h"

namespace ggml_sched::test {

using Random = std::mt19937_64;

inline int pick(Random & random, int n) {
    return static_cast<int>(random() % static_cast<uint64_t>(n));
}

// All values are F32 [kWidth, kRows]; weights are [kWidth, kWidth]; caches are [kWidth, kCacheRows].
constexpr int64_t kWidth = 16;
constexpr int64_t kRows = 8;
constexpr int64_t kCacheRows = 24;

enum class Kind {
    Add,
    Mul,
    AddRow,
    Scale,
    Norm,
    SoftMax,
    Silu,
    MatMul,
    Transposed,
    InPlace,
    Lookup, // from values (and weights)
    StoreRows,
    StoreCopy,
    Load, // to and from a cache
    Count,
};

struct Recipe {
    struct Item {
        Kind kind;
        int a; // values, counted from the inputs on
        int b;
        int extra;   // a weight, a cache or a row
        int backend; // -1: the scheduler decides
        bool output;
    };
    int n_inputs;
    std::vector<Item> items;
};

Recipe random_recipe(Random & random, int max_items, int n_backends, int n_weights, int n_caches);

// The tensors that outlive graphs
struct Persistent {
    ContextPtr context;
    std::vector<BufferPtr> buffers;
    std::vector<ggml_tensor *> weights;
    std::vector<ggml_tensor *> caches;
};

struct BuiltGraph {
    ContextPtr context;
    std::vector<ggml_tensor *> inputs;
    ggml_tensor * rows; // I32 [kRows]: where StoreRows writes
    std::vector<ggml_tensor *> outputs;
    std::vector<std::pair<ggml_tensor *, int>> placed; // nodes with a backend of their own
    ggml_cgraph * graph;
};

BuiltGraph build(const Recipe & recipe, const Persistent & persistent);

} // namespace ggml_sched::test
