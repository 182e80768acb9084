// Slots - the tensors that the copies of a graph's inputs live in, in one of n_copies places that take turns if runs
// may overlap.

#pragma once

#include <string>
#include <vector>

#include "host/max_copies.h"
#include "split/split.h"
#include "split/tensor_pool.h"

namespace ggml_sched {

class Slots {
  public:
    // Makes new slots for a graph; they are valid until the next call.
    void make(const GraphView & graph, const Splits & splits, const std::vector<host::Backend> & backends, int n_copies,
              int cur_copy);

    int n_copies() const { return n_copies_; }
    int cur_copy() const { return cur_copy_; }
    ggml_tensor * of(uint32_t copy) const { return copies_[copy]; }

  private:
    TensorPool pool_;
    int n_copies_ = 1;
    int cur_copy_ = 0;
    std::vector<ggml_tensor *> copies_; // by copy
};

} // namespace ggml_sched
