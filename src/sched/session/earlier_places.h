// EarlierPlaces - the memory that an earlier alloc_graph has given to tensors of a graph that is allocated now: the
// same graph again, one that shares tensors with it, or one that could not be allocated completely.
//
// Such tensors count as not placed, so their memory is taken away first. Some contents are carried over: the caller may
// have written them, and nothing writes them again.

#pragma once

#include <vector>

#include "graph/graph_view.h"
#include "host/status.h"

namespace ggml_sched {

// A tensor whose contents outlive a run: the caller writes it, or reads it later. The scheduler has placed it at
// `data`.
struct LastingTensor {
    const ggml_tensor * tensor;
    const void * data;
};

class EarlierPlaces {
  public:
    EarlierPlaces() = default;
    // Undoes take_away() if the tensors got no new places: so they are known again to have lost their contents.
    ~EarlierPlaces();
    EarlierPlaces(const EarlierPlaces &) = delete;
    EarlierPlaces & operator=(const EarlierPlaces &) = delete;

    // Finds the tensors of the graph that `owner` has placed. `allocated`: the lasting tensors of the graph that is
    // still allocated. Fails, naming the tensor, if the graph reads an earlier result whose contents are lost, or if
    // another scheduler has placed one of its nodes.
    Status find(const GraphView & graph, const void * owner, const std::vector<LastingTensor> & allocated);

    bool are_none() const { return placed_.empty(); }
    bool have_contents() const { return !contents_.empty(); }

    // Copies the contents that are carried over, and takes the memory from all tensors that were found. Nothing may be
    // in flight if there are such contents.
    void take_away();
    // The tensors have got new places: writes the contents there.
    void give_back();

    // Returns a tensor that nothing computes, and that has lost what the caller may have written there. NULL: none.
    const ggml_tensor * lost_input() const { return lost_; }

  private:
    struct Content {
        ggml_tensor * tensor;
        std::vector<char> bytes;
    };

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
