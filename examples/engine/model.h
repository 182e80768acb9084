// model.h - a llama's weights, each in the memory of the device that its layer lives on.
//
// Invariants: the token embedding is on the CPU; every tensor has the shape that the Hparams say; norms are F32.
// Threading: read-only after load. The devices must outlive the model.

#pragma once

#include "device_set.h"
#include "hparams.h"
#include "placement.h"
#include "tokenizer.h"

#include <memory>
#include <string>
#include <vector>

namespace engine {

struct LayerWeights {
    ggml_tensor * attn_norm = nullptr;
    ggml_tensor * q = nullptr;
    ggml_tensor * k = nullptr;
    ggml_tensor * v = nullptr;
    ggml_tensor * attn_output = nullptr;
    ggml_tensor * ffn_norm = nullptr;
    ggml_tensor * gate = nullptr;
    ggml_tensor * up = nullptr;
    ggml_tensor * down = nullptr;
};

class Model {
  public:
    // ngl: see placement.h
    static Result<std::unique_ptr<Model>> load(const std::string & path, const DeviceSet & devices, int ngl);

    const Hparams & hparams() const { return hparams_; }
    const Tokenizer & tokenizer() const { return tokenizer_; }
    const Placement & placement() const { return placement_; }
    int n_vocab() const { return tokenizer_.size(); }

    ggml_tensor * token_embd() const { return token_embd_; }
    const LayerWeights & layer(int i) const { return layers_[i]; }
    ggml_tensor * output_norm() const { return output_norm_; }
    ggml_tensor * output() const { return output_; }

  private:
    friend class ModelLoader;

    Hparams hparams_;
    Tokenizer tokenizer_;
    Placement placement_;
    std::vector<ContextHandle> contexts_; // one per device
    std::vector<BufferHandle> buffers_;   // one per device that has weights
    ggml_tensor * token_embd_ = nullptr;
    std::vector<LayerWeights> layers_;
    ggml_tensor * output_norm_ = nullptr;
    ggml_tensor * output_ = nullptr; // the token embedding itself, or a copy of it, where the model ties them
};

} // namespace engine
