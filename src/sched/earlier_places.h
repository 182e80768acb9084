// EarlierPlaces - the memory that an earlier alloc_graph has given to tensors of a graph that is allocated now: the
// same graph again, one that shares tensors with it, or one that could not be allocated completely.
//
// Such tensors count as not placed, so their memory is taken away first. The contents of some are carried over: the
// caller may have written them, and nothing writes them again.

#pragma once

#include <vector>

#include "graph/graph_view.h"
#include "status.h"

namespace ggml_sched {

// A tensor whose contents outlive a run: the caller writes it, or reads it later. The scheduler has placed it at
// `data`.
struct LastingTensor {
    const ggml_tensor * tensor;
    const void * data;
};

class EarlierPlaces {
  public:
    // Finds the tensors of the graph that `owner` has placed. `allocated`: the lasting tensors of the graph that is
    // still allocated. Fails, naming the tensor, if the graph reads an earlier result whose contents are lost, or if
    // another scheduler has placed one of its nodes.
    Status find(const GraphView & graph, const void * owner, const std::vector<LastingTensor> & allocated);

    bool are_none() const { return placed_.empty(); }
    bool have_contents() const { return !contents_.empty(); }

    // Copies the contents that are carried over, and takes the memory from all tensors that were found. Nothing may be
    // in flight if there are such contents.
    void take_away();
    // Writes the contents into the new memory of their tensors.
    void give_back() const;

    // Returns a tensor that nothing computes, and that has lost what the caller may have written there. NULL: none.
    const ggml_tensor * lost_input() const { return lost_; }

  private:
    struct Content {
        ggml_tensor * tensor;
        std::vector<char> bytes;
    };

    std::vector<ggml_tensor *> placed_;
    std::vector<Content> contents_;
    const ggml_tensor * lost_ = nullptr;
};

} // namespace ggml_sched
