// ExpertLayers - layers of a mixture-of-experts model with their experts in host memory, as engines build them: for
// each token the router's ids come from the caller, and the chosen experts' results are summed with weights.
//
// The values of a seed are the same each time. It owns the weights and the graph. One thread at a time.

#pragma once

#include <vector>

#include "support/rig.h"

namespace ggml_sched::test {

struct ExpertLayersOptions {
    int n_layers = 2;
    bool is_fused = false;          // gate and up are one tensor, of which the halves of each row are views
    bool is_weighted_first = false; // the activations are multiplied before the experts: one row for each pair
    std::vector<int> devices = {0}; // of the layers, in turn
    bool is_normed = false;         // so that values do not grow from layer to layer
};

class ExpertLayers {
  public:
    static constexpr int64_t kWidth = 32;
    static constexpr int64_t kExperts = 8;
    static constexpr int64_t kChosen = 2;
    static constexpr size_t kExpertBytes = 3 * kWidth * kWidth * sizeof(float); // of one layer
    static constexpr size_t kLayerBytes = kExperts * kExpertBytes;

    using Options = ExpertLayersOptions;

    ExpertLayers(const Rig & rig, const Options & options);

    // Describes the graph anew.
    void build(int64_t n_tokens);
    // Writes the inputs of a seed to an allocated graph.
    void write_inputs(int seed);
    // Builds, allocates and computes the graph. Returns the result; nothing if a call fails.
    std::vector<float> run(const Rig & rig, int seed, int64_t n_tokens = 1);
    // Returns the experts that the router chooses in a layer.
    static std::vector<int32_t> ids_of(int seed, int layer, int64_t n_tokens);

    struct Layer {
        ContextPtr context;
        BufferPtr buffer;
        ggml_tensor * dense = nullptr; // in device memory: it tells where the layer is
        ggml_tensor * gate = nullptr;
        ggml_tensor * up = nullptr; // or both, if they are fused
        ggml_tensor * down = nullptr;
        // of the last graph
        ggml_tensor * ids = nullptr;
        ggml_tensor * activation = nullptr;
        ggml_tensor * experts = nullptr; // the result of the block
    };
    std::vector<Layer> layers;
    // Called with each layer while the graph is built.
    std::function<void(ggml_context *, Layer &)> on_layer;
    ggml_tensor * x = nullptr;
    ggml_tensor * weights = nullptr;
    ggml_tensor * result = nullptr;
    ggml_cgraph * graph = nullptr;
    ggml_context * context() const { return context_.get(); }

  private:
    ggml_tensor * build_layer(Layer & layer, ggml_tensor * value, int64_t n_tokens) const;

    const Options options_;
    ContextPtr host_ = make_context();
    BufferPtr buffer_;
    ContextPtr context_;
};

} // namespace ggml_sched::test
