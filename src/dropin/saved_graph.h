// SavedGraph - keeps what an allocated graph loses when another scheduler allocates it, and puts it back.
//
// It owns copies of contents and descriptions, but no tensor and no graph. One thread at a time uses it.

#pragma once

#include <utility>
#include <vector>

#include "ggml-backend.h"
#include "ggml.h"

namespace ggml_sched {

class SavedGraph {
  public:
    // Copies the contents of the inputs, and of nodes with the flag INPUT or OUTPUT. `inputs` are the operands that no
    // node computes and that the scheduler placed. If `graph` is NULL it has no nodes. Throws std::bad_alloc.
    SavedGraph(ggml_cgraph * graph, std::vector<ggml_tensor *> inputs);

    // Notes operands, places and flags of the tensors. The old scheduler must have taken their memory away.
    void note_tensors();

    // Makes the tensors again what they were when they were noted.
    void restore_tensors() const;

    // Keeps other tensors out of the memory of inputs when the graph is allocated. Call restore_flags() after that.
    void keep_inputs() const;
    void restore_flags() const;

    // Writes the contents to the places that the tensors have now.
    void restore_contents() const;

  private:
    struct Content {
        ggml_tensor * tensor;
        std::vector<char> bytes;
    };

    std::vector<std::pair<ggml_tensor *, ggml_tensor>> tensors_; // nodes and inputs, and what each was
    std::vector<Content> contents_;                              // bytes of inputs and results
};

} // namespace ggml_sched
