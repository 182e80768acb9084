// TensorIds - numbers the tensors of a graph 0, 1, 2, ... so that later stages use arrays instead of maps.

#pragma once

#include <cstdint>
#include <vector>

#include "ggml.h"

namespace ggml_sched {

using TensorId = uint32_t;
constexpr TensorId kNoTensor = UINT32_MAX;

// An open-addressing table that keeps its memory when it is cleared. Clearing costs nothing: slots of an older epoch
// are free.
class TensorIds {
  public:
    void clear();
    void reserve(size_t n_tensors);

    TensorId find(const ggml_tensor * tensor) const; // kNoTensor if it has no number
    TensorId find_or_add(ggml_tensor * tensor);

    size_t size() const { return tensors_.size(); }
    ggml_tensor * operator[](TensorId id) const { return tensors_[id]; }

  private:
    struct Slot {
        const ggml_tensor * tensor;
        TensorId id;
        uint32_t epoch;
    };
    size_t slot_of(const ggml_tensor * tensor) const;
    void grow(size_t n_slots);

    std::vector<Slot> slots_; // a power of two of them, at most half full
    std::vector<ggml_tensor *> tensors_;
    uint32_t epoch_ = 1;
};

} // namespace ggml_sched
