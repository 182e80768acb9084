// MemoryPlan - where each tensor of a split graph goes, in buffers that may not exist yet. It is a value. A plan is
// also good for graphs that are split in the same way, if they fit.
//
// A Place is a range of a pool. A pool is the memory of one buffer type. Backends of the same type share a pool, which
// has the number of the first of them.

#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "alloc/range_allocator.h"
#include "split/slots.h"

namespace ggml_sched {

constexpr BackendId kNoPool = kNoBackend;

// Place - where a tensor lies.
struct Place {
    BackendId pool = kNoPool; // kNoPool: the allocator does not place the tensor
    Range range;

    bool is_known() const { return pool != kNoPool; }
};

// InPlace - a node that takes over the place of src[slot]. Both have the same layout.
struct InPlace {
    InPlace(TensorId node, uint8_t slot)
        : node(node)
        , slot(slot) {}

    TensorId node;
    uint8_t slot;
};

// AdjacentCopies - by copy: the copy that lies directly behind it, if one call can set both. They are inputs of the
// same split; no node takes over the place of the first, and the backend sets ranges.
using AdjacentCopies = std::vector<uint32_t>;
constexpr uint32_t kNoAdjacentCopy = UINT32_MAX;

// MemoryPlan - the places of a graph's tensors and copies, and the sizes of the buffers for them.
struct MemoryPlan {
    std::vector<Place> tensors; // by tensor
    std::vector<Place> copies;  // by copy and cur_copy
    AdjacentCopies adjacent_copies;
    std::vector<Place> rotated_inputs; // by rotated input and cur_copy; `tensors` has no place for them
    std::vector<InPlace> in_place;
    std::vector<std::vector<size_t>> sizes; // by pool and part, in bytes
};

// CutGraph - what the stages before allocation found out about a graph. It refers to their results.
struct CutGraph {
    const GraphView & view;
    const Splits & splits;
    const Slots & slots;
    const Assignment & assignment;
};

// Rounds the size up to a multiple of the alignment, a power of two.
inline size_t padded(size_t size, size_t alignment) {
    return (size + alignment - 1) & ~(alignment - 1);
}

// True if the layouts allow the node to take over the place of the operand.
inline bool have_same_layout(const ggml_tensor * node, const ggml_tensor * operand) {
    uint64_t differing_bits = static_cast<uint64_t>(node->type ^ operand->type);
    for (int dim = 0; dim < GGML_MAX_DIMS; dim++) { // nearly always all are the same
        differing_bits |= static_cast<uint64_t>(node->ne[dim] ^ operand->ne[dim]) | (node->nb[dim] ^ operand->nb[dim]);
    }
    return differing_bits == 0 && (!operand->view_src || operand->view_offs == 0);
}

// Returns the place of the copy for this cur_copy. A copy that is smaller than its place lies at the end of it if
// another copy lies directly behind.
Place place_of_copy(const MemoryPlan & plan, const CutGraph & graph, uint32_t copy, size_t cur_copy,
                    const std::vector<host::Backend> & backends);

} // namespace ggml_sched
