// StreamModel - layers whose weights are in host memory, as those of models that do not fit a GPU: dense ones, or ones
// of experts behind a router. They compute, and mean nothing. All nodes are placed on a device, whatever the batch.
//
// One thread. Weights, graphs and devices: the first must outlive the runs in flight, the last everything.

#pragma once

#include <cstdint>
#include <cstdlib>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "support/rig.h"

namespace gpu_tests {

enum class WeightMemory {
    Pinned,   // the first device's host buffer type
    Pageable, // the CPU's
    Callers,  // memory that the test allocated, by buffer_from_host_ptr of the first device
};
const char * name_of(WeightMemory memory);

struct StreamShape {
    int n_layers = 6;
    int64_t width = 128;
    int64_t wide = 384; // of the inner vectors
    ggml_type type = GGML_TYPE_Q8_0;
    int64_t n_experts = 0;                              // 0: dense layers
    int64_t n_used = 2;                                 // by each token
    double share = 1;                                   // of the experts that the router ever picks, spread over all
    int64_t n_cells = 0;                                // of caches of earlier tokens, a multiple of 32; 0: none
    WeightMemory cache_memory = WeightMemory::Pageable; // or Pinned
};

// What is computed for one micro-batch. The input is the caller's, the output is marked as one.
struct StreamGraph {
    ggml_sched::test::ContextPtr context;
    ggml_cgraph * graph = nullptr;
    ggml_tensor * input = nullptr;  // width x n_tokens
    ggml_tensor * rows = nullptr;   // of the caches that the tokens go to; NULL if there are none
    int64_t n_used = 0;             // rows that are read of the caches
    ggml_tensor * output = nullptr; // the same
};

class StreamCaches;

class StreamModel {
  public:
    // The layers are spread in order over the devices.
    StreamModel(const StreamShape & shape, WeightMemory memory, std::vector<ggml_backend_dev_t> devices, uint64_t seed);

    const std::string & error() const { return error_; } // empty: it can be used
    const StreamShape & shape() const { return shape_; }
    const std::vector<ggml_backend_dev_t> & devices() const { return devices_; }
    size_t n_bytes() const; // in host memory
    size_t largest() const; // weight
    size_t smallest() const;

    // `backends`: one for each device. Of the caches, the rows that are used so far are read.
    StreamGraph build(int64_t n_tokens, ggml_backend_sched_t sched, const std::vector<ggml_backend_t> & backends,
                      const StreamCaches & caches) const;

  private:
    struct Layer {
        ggml_tensor * in;     // width x width
        ggml_tensor * up;     // width x wide, for each expert
        ggml_tensor * down;   // wide x width, for each expert
        ggml_tensor * router; // these two in the device's memory; NULL if there are no experts
        ggml_tensor * bias;
    };
    using Random = std::mt19937;

    void declare();
    bool allocate(WeightMemory memory);
    void fill(uint64_t seed);
    void fill_matrix(ggml_tensor * tensor, Random & random) const;
    void fill_router(const Layer & layer, Random & random) const;
    ggml_tensor * add_layer(ggml_context * ctx, const Layer & layer, ggml_tensor * x) const;
    static ggml_tensor * add_attention(const StreamGraph & to, ggml_tensor * cache, ggml_tensor * x);
    ggml_tensor * add_experts(ggml_context * ctx, const Layer & layer, ggml_tensor * x) const;
    size_t device_of(size_t layer) const { return layer * devices_.size() / layers_.size(); }

    struct Free {
        void operator()(void * memory) const { std::free(memory); }
    };

    StreamShape shape_;
    std::vector<ggml_backend_dev_t> devices_;
    std::string error_;
    ggml_sched::test::ContextPtr context_; // of what is in host memory
    std::vector<ggml_sched::test::ContextPtr> device_contexts_;
    std::unique_ptr<void, Free> memory_;
    std::vector<ggml_sched::test::BufferPtr> buffers_; // freed before the memory
    std::vector<Layer> layers_;
    std::vector<ggml_tensor *> weights_; // in host memory
};

} // namespace gpu_tests
