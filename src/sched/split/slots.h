// Slots - one tensor for each copy of a graph's inputs. If runs may overlap, a slot has n_copies places; cur_copy says
// which of them the graph uses. Slots owns the tensors; the allocator gives them memory. One thread at a time.

#pragma once

#include <string>
#include <vector>

#include "host/max_copies.h"
#include "split/split.h"
#include "split/tensor_pool.h"

namespace ggml_sched {

// Slots - the slots of one graph.
class Slots {
  public:
    // Makes new slots for a graph. They are valid until the next call.
    void make(const GraphView & graph, const Splits & splits, const std::vector<host::Backend> & backends, int n_copies,
              int cur_copy);

    int n_copies() const { return n_copies_; }
    int cur_copy() const { return cur_copy_; }
    // Returns the slot of a copy, given by its index in Splits::copies.
    ggml_tensor * of(uint32_t copy) const { return copies_[copy]; }

  private:
    TensorPool pool_;
    int n_copies_ = 1;
    int cur_copy_ = 0;
    std::vector<ggml_tensor *> copies_; // by copy
};

} // namespace ggml_sched
