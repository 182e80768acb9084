// EarlierPlaces - the memory that an earlier alloc_graph has given to tensors of a graph that is allocated now. The
// earlier graph is the same graph, shares tensors with it, or could not be allocated completely.
//
// Such tensors count as not placed, so their memory is taken away first. Some contents are carried over: the caller may
// have written them, and nothing writes them again.
//
// An EarlierPlaces lives during one call of the scheduler, on its thread. It owns the contents, and no memory of
// tensors.

#pragma once

#include <vector>

#include "graph/graph_view.h"
#include "host/status.h"

namespace ggml_sched {

// LastingTensor - a tensor whose contents outlive a run: the caller writes it, or reads it later. The scheduler has
// placed it at `data`.
struct LastingTensor {
    const ggml_tensor * tensor;
    const void * data;
};

class EarlierPlaces {
  public:
    EarlierPlaces() = default;
    // Undoes take_away() if the tensors got no new places. A later find() then finds the tensors again.
    ~EarlierPlaces();
    EarlierPlaces(const EarlierPlaces &) = delete;
    EarlierPlaces & operator=(const EarlierPlaces &) = delete;

    // Finds the tensors of the graph that `owner` has placed. `allocated` are the lasting tensors of the graph that is
    // still allocated. Fails, naming the tensor, if the graph reads an earlier result that is lost. It also fails if
    // another scheduler has placed a node, or has replaced the memory of a tensor.
    Status find(const GraphView & graph, const void * owner, const std::vector<LastingTensor> & allocated);

    // Returns true if no tensor was found.
    bool are_none() const { return placed_.empty(); }
    // Returns true if contents are carried over.
    bool have_contents() const { return !contents_.empty(); }

    // Copies the contents that are carried over, and takes the memory from all tensors that were found. Nothing may be
    // in flight if contents are carried over.
    void take_away();
    // Writes the contents to the new places of the tensors.
    void give_back();

    // Returns a tensor that nothing computes, and that has lost what the caller may have written; NULL if there is
    // none.
    const ggml_tensor * lost_input() const { return lost_; }

  private:
    // Content - the contents of a tensor that are carried over
    struct Content {
        ggml_tensor * tensor;
        std::vector<char> bytes;
    };

    // Placed - a tensor, and the memory that it had
    struct Placed {
        ggml_tensor * tensor;
        ggml_backend_buffer_t buffer;
        void * data;
    };
    std::vector<Placed> placed_;
    bool is_taken_away_ = false;
    std::vector<Content> contents_;
    const ggml_tensor * lost_ = nullptr;
};

} // namespace ggml_sched
