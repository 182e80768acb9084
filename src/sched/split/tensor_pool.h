// TensorPool - tensors that the scheduler makes itself. Their addresses stay valid until clear(), which keeps the
// memory.

#pragma once

#include <memory>
#include <vector>

#include "ggml.h"

namespace ggml_sched {

class TensorPool {
  public:
    // An unallocated tensor with the layout of `like`
    ggml_tensor * like(const ggml_tensor * like);
    void clear() { used_ = 0; }

  private:
    static constexpr size_t kChunk = 64;
    ggml_tensor * next();

    std::vector<std::unique_ptr<ggml_tensor[]>> chunks_;
    size_t used_ = 0;
};

} // namespace ggml_sched
