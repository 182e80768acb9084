// ExpertCopies - which copies are of the weights of experts, and which ids say what of them is used.

#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "split/split.h"

namespace ggml_sched {

// Ids as a node has left them: others may follow in the same tensor.
struct WrittenIds {
    TensorId tensor = kNoTensor;
    int32_t written_by = kNoNode; // kNoNode: they are there before the run begins

    friend bool operator==(const WrittenIds & a, const WrittenIds & b) {
        return a.tensor == b.tensor && a.written_by == b.written_by;
    }
};

class ExpertCopies {
  public:
    // Finds copies that nobody but MUL_MAT_ID reads, all of them with the same ids, which are known before the split of
    // the copy is launched. `is_partial(copy)`: true if a part of the copy can be sent by itself.
    ExpertCopies(const GraphView & graph, const Splits & splits, const std::function<bool(uint32_t)> & is_partial);

    // True if no node reads a copy as experts.
    bool empty() const { return readers_.empty(); }
    // The ids that say which part of a copy is used; NULL: all of it is. `copy` is an index into Splits::copies.
    const WrittenIds * ids_of(uint32_t copy) const {
        return empty() || ids_[copy].tensor == kNoTensor ? nullptr : &ids_[copy];
    }
    // The first MUL_MAT_ID that reads the copy as its experts; kNoTensor: there is none.
    TensorId reader_of(uint32_t copy) const { return empty() ? kNoTensor : readers_[copy]; }

  private:
    void find_readers(const GraphView & graph, const Splits & splits);

    std::vector<WrittenIds> ids_;   // by copy
    std::vector<TensorId> readers_; // by copy; empty if no node reads a copy as experts
};

} // namespace ggml_sched
