// SavedGraph - what an allocated graph loses when another scheduler allocates it, and puts it back.

#pragma once

#include <utility>
#include <vector>

#include "ggml-backend.h"
#include "ggml.h"

namespace ggml_sched {

class SavedGraph {
  public:
    // `inputs`: the operands that no node computes and that the scheduler placed. `graph` may be NULL: nothing is
    // saved. Copies the contents of the inputs, and of nodes with the flag INPUT or OUTPUT. Throws std::bad_alloc.
    SavedGraph(ggml_cgraph * graph, std::vector<ggml_tensor *> inputs);

    // Notes the tensors as they are without memory: operands, places and flags.
    void note_tensors();

    // Makes the tensors what they were when they were noted.
    void restore_tensors() const;

    // Keeps other tensors out of the memory of inputs when the graph is allocated, until flags are restored.
    void keep_inputs() const;
    void restore_flags() const;

    // Writes the contents to the places that the tensors have now.
    void restore_contents() const;

  private:
    struct Content {
        ggml_tensor * tensor;
        std::vector<char> bytes;
    };

    std::vector<std::pair<ggml_tensor *, ggml_tensor>> tensors_; // Each with what it was. Nodes and inputs.
    std::vector<Content> contents_;
};

} // namespace ggml_sched
