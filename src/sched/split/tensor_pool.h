// TensorPool - tensors that the scheduler makes itself. The pool owns them. Their addresses stay valid until clear(),
// which keeps the memory. One thread at a time.

#pragma once

#include <memory>
#include <vector>

#include "ggml.h"

namespace ggml_sched {

// TensorPool - hands out tensors, which it takes back all at once.
class TensorPool {
  public:
    // Returns a tensor without memory that has the layout of `like`.
    ggml_tensor * like(const ggml_tensor * like);
    // Takes all tensors back.
    void clear() { used_ = 0; }

  private:
    static constexpr size_t kChunk = 64; // tensors that are allocated at once
    // Returns a free tensor, all zero.
    ggml_tensor * next();

    std::vector<std::unique_ptr<ggml_tensor[]>> chunks_;
    size_t used_ = 0; // tensors in use
};

} // namespace ggml_sched
