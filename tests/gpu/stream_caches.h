// StreamCaches - what the layers of a StreamModel keep of earlier tokens, in host memory, as engines keep KV caches
// there. The CPU stores rows, in an order that is not the tokens', and the layer's device reads those used so far.
//
// One thread. They must outlive the runs in flight.

#pragma once

#include <vector>

#include "stream_model.h"

namespace gpu_tests {

class StreamCaches {
  public:
    // None if the shape says so.
    explicit StreamCaches(const StreamModel & model);

    bool are_there() const { return buffer_ != nullptr || tensors_.empty(); }
    ggml_tensor * of(size_t layer) const { return tensors_.empty() ? nullptr : tensors_[layer]; } // width x n_cells
    size_t n_bytes() const;

    // As before the first token. Nothing may be in flight.
    void clear();
    // Rows for the next tokens, and how many rows have been written afterwards, rounded up. Once all are, the first
    // ones follow.
    std::vector<int64_t> take_rows(int64_t n_tokens);
    int64_t n_used() const;

  private:
    int64_t n_cells_;
    int64_t next_ = 0; // token
    ggml_sched::test::ContextPtr context_;
    ggml_sched::test::BufferPtr buffer_;
    std::vector<ggml_tensor *> tensors_;
};

} // namespace gpu_tests
