// Slots - the tensors that the copies of a graph's inputs live in: one each, or n_copies that take turns if runs may
// overlap. What is streamed has one, in memory that is not the allocator's. Of inputs that the caller writes while runs
// overlap, the graph's own tensor is the slot of its turn.

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
              int turn);

    int n_copies() const { return n_copies_; }
    ggml_tensor * of(uint32_t copy) const { return of(copy, turn_); } // this graph's
    ggml_tensor * of(uint32_t copy, int turn) const { return copies_[copy * n_copies_ + turn]; }
    ggml_tensor * of_rotating(uint32_t index, int turn) const { return rotating_[index * n_copies_ + turn]; }
    // A node that reads the copy's source; it ties the source's memory to the split that copies it.
    ggml_tensor * reader_of(uint32_t copy) const { return readers_[copy]; }

  private:
    ggml_tensor * make_one(const ggml_tensor * tensor, const std::string & backend, int turn);

    TensorPool pool_;
    int n_copies_ = 1;
    int turn_ = 0;
    std::vector<ggml_tensor *> copies_;   // by copy and turn
    std::vector<ggml_tensor *> rotating_; // by rotating input and turn
    std::vector<ggml_tensor *> readers_;  // by copy
};

} // namespace ggml_sched
