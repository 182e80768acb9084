// ExpertCopies - which copies are weights of experts, and which ids say what part of them a launch uses.
//
// WrittenIds are the ids between two writes. ExpertCopies is a value that refers to no tensor. Threads may read it.

#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "split/split.h"

namespace ggml_sched {

// WrittenIds - ids as one node has written them. Another node may write others to the same tensor later.
struct WrittenIds {
    TensorId tensor = kNoTensor;
    int32_t written_by = kNoNode; // the index of the node; kNoNode: the ids are there before the run

    friend bool operator==(const WrittenIds & a, const WrittenIds & b) {
        return a.tensor == b.tensor && a.written_by == b.written_by;
    }
};

// ExpertCopies - the copies of one graph that nodes read as experts.
class ExpertCopies {
  public:
    // Finds the copies that only MUL_MAT_ID reads, always with the same ids. These must be known before the launch of
    // the copy's split. `is_partial(copy)` is true if a part of the copy can be sent by itself.
    ExpertCopies(const GraphView & graph, const Splits & splits, const std::function<bool(uint32_t)> & is_partial);

    // True if no node reads a copy as experts.
    bool empty() const { return readers_.empty(); }
    // Returns the ids that say which part of a copy is used; NULL if all is. `copy` is an index into Splits::copies.
    const WrittenIds * ids_of(uint32_t copy) const {
        return empty() || ids_[copy].tensor == kNoTensor ? nullptr : &ids_[copy];
    }
    // Returns the first MUL_MAT_ID that reads the copy as experts; kNoTensor if there is none.
    TensorId reader_of(uint32_t copy) const { return empty() ? kNoTensor : readers_[copy]; }

  private:
    // Finds the readers of all copies, and the ids if all readers of a copy have the same.
    void find_readers(const GraphView & graph, const Splits & splits);

    std::vector<WrittenIds> ids_;   // by copy; kNoTensor: all of it is used
    std::vector<TensorId> readers_; // by copy; empty if no node reads a copy as experts
};

} // namespace ggml_sched
