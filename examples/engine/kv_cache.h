// kv_cache.h - keys and values of one sequence, per layer, in the memory of the layer's device.
//
// Invariants: row p belongs to position p; rows that were never written are zero, so that what the mask hides is
// finite.

#pragma once

#include "device_set.h"
#include "model.h"
#include "result.h"

#include <vector>

namespace engine {

class KvCache {
  public:
    // type: F32 or F16. n_ctx is rounded up to a multiple of kPadding.
    static Result<KvCache> create(const Model & model, const DeviceSet & devices, int n_ctx, ggml_type type);

    // The graph looks at this many rows at a time, at least, so that it changes its shape rarely.
    static constexpr int kPadding = 32;

    int n_rows() const { return n_rows_; }
    ggml_tensor * k(int layer) const { return k_[layer]; } // [kv_dim, n_rows]
    ggml_tensor * v(int layer) const { return v_[layer]; } // [kv_dim, n_rows]

  private:
    int n_rows_ = 0;
    std::vector<ContextHandle> contexts_;
    std::vector<BufferHandle> buffers_;
    std::vector<ggml_tensor *> k_;
    std::vector<ggml_tensor *> v_;
};

} // namespace engine
