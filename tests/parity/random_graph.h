// Random graphs as engines build them: weights and caches in some device's memory, inputs of the caller, views, writes
// into caches, experts chosen by ids. The same seed gives the same graph again.

#pragma once

#include <cstdint>
#include <memory>
#include <random>
#include <vector>

#include "ggml-backend.h"

namespace parity {

// Weights and caches, which graphs share.
class World {
  public:
    // Each is in a buffer of one of these types, chosen by the seed.
    World(uint64_t seed, const std::vector<ggml_backend_buffer_type_t> & bufts);
    ~World();
    World(const World &) = delete;
    World & operator=(const World &) = delete;

    void clear_caches();

    static constexpr int kWidth = 32;
    static constexpr int kExperts = 16;
    static constexpr int kUsedExperts = 2;
    static constexpr int kCacheRows = 16;

    std::vector<ggml_tensor *> matrices; // kWidth x kWidth
    std::vector<ggml_tensor *> vectors;  // kWidth
    std::vector<ggml_tensor *> experts;  // kWidth x kWidth x kExperts
    std::vector<ggml_tensor *> routers;  // kWidth x kExperts
    std::vector<ggml_tensor *> caches;   // kWidth x kCacheRows

  private:
    ggml_tensor * make(ggml_context * context, int64_t ne0, int64_t ne1, int64_t ne2);

    struct Place {
        ggml_context * context = nullptr;
        ggml_backend_buffer_t buffer = nullptr;
    };
    std::vector<Place> places_;
    int n_tensors_ = 0;
};

class RandomGraph {
  public:
    // in_place: some nodes write into the result of another one. Where that may end up on another device, ggml's own
    // scheduler lets a device write into another's memory.
    RandomGraph(uint64_t seed, const World & world, int n_nodes, bool in_place);
    ~RandomGraph();
    RandomGraph(const RandomGraph &) = delete;
    RandomGraph & operator=(const RandomGraph &) = delete;

    ggml_cgraph * get() const { return graph_; }
    std::vector<ggml_tensor *> nodes() const;
    const std::vector<ggml_tensor *> & inputs() const { return inputs_; }
    const std::vector<ggml_tensor *> & outputs() const { return outputs_; }

    // Nodes that the caller gives to backend `index` of n, by the seed; few.
    std::vector<std::pair<ggml_tensor *, int>> wishes(int n_backends) const;

    void set_inputs(uint64_t seed) const; // after allocation
    std::vector<std::vector<char>> results() const;

  private:
    ggml_tensor * step(std::mt19937_64 & random, const World & world);
    ggml_tensor * use_experts(std::mt19937_64 & random, const World & world, ggml_tensor * x);
    ggml_tensor * use_cache(std::mt19937_64 & random, const World & world, ggml_tensor * x);

    uint64_t seed_;
    bool in_place_;
    ggml_context * context_ = nullptr;
    ggml_cgraph * graph_ = nullptr;
    int n_tokens_ = 0;
    size_t first_experts_ = 0;
    size_t n_experts_ = 0;              // used so far
    std::vector<ggml_tensor *> values_; // kWidth x n_tokens_
    std::vector<ggml_tensor *> inputs_;
    std::vector<ggml_tensor *> outputs_;
};

} // namespace parity
