// The graphs of a case, built with ggml's functions.

#pragma once

#include <string>
#include <utility>
#include <vector>

#include "support/case.h"
#include "support/rig.h"

namespace ggml_sched::test {

// All values are F32 [kWidth, GraphSpec::rows]; weights are [kWidth, kWidth], those of experts [kWidth, kWidth,
// kExperts]; caches hold kCacheParts values.
constexpr int64_t kWidth = 8;
constexpr int64_t kExperts = kWidth; // so a value's row has a score for each
constexpr size_t kWeightBytes = kWidth * kWidth * sizeof(float);
constexpr size_t kExpertsBytes = kExperts * kWeightBytes;
constexpr int64_t kCacheRows = int64_t{kRows} * kCacheParts;

// The tensors that outlive graphs
struct Persistent {
    ContextPtr context;
    std::vector<BufferPtr> buffers;
    std::vector<ggml_tensor *> weights;
    std::vector<ggml_tensor *> caches;
    std::vector<ggml_tensor *> experts;
    ggml_tensor * stored_ids = nullptr; // I32 [kRows]
};

// The backends for each of them
struct PersistentPlaces {
    std::vector<ggml_backend_t> weights;
    std::vector<ggml_backend_t> caches;
    std::vector<ggml_backend_t> experts;
    ggml_backend_t stored_ids;
};

// Each in a buffer of its own, with values that follow from the seed.
Persistent make_persistent(const PersistentPlaces & places, uint64_t seed,
                           ggml_backend_buffer_type_t cpu_weights = nullptr); // NULL: the CPU's own type

// Memory that graphs are described in, one after another
using GraphMemory = std::vector<char>;
size_t graph_memory_size(const GraphSpec & spec);

struct BuiltGraph {
    ContextPtr context;
    std::vector<ggml_tensor *> inputs;
    ggml_tensor * rows; // I32 [rows]: where store_rows writes
    ggml_tensor * ids;  // I32 [rows]: of experts, from the caller
    std::vector<ggml_tensor *> outputs;
    std::vector<std::pair<ggml_tensor *, int>> placed; // tensors with a place of their own
    ggml_cgraph * graph;
};

// The memory, if given, must stay as long as the graph.
BuiltGraph build(const GraphSpec & spec, const Persistent & persistent, GraphMemory * memory = nullptr);

} // namespace ggml_sched::test
