// MemoryPlan - where each tensor of a split graph goes, in buffers that may not exist yet. A plan is also good for
// graphs that are split in the same way, if they fit.
//
// A pool is the memory of one buffer type; backends of the same type share one. It has the number of its first backend.

#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "alloc/range_allocator.h"
#include "split/slots.h"

namespace ggml_sched {

constexpr BackendId kNoPool = kNoBackend;

struct Place {
    BackendId pool = kNoPool; // none: the tensor is not the allocator's
    Range range;

    bool is_known() const { return pool != kNoPool; }
};

// A node in the place of its operand src[slot]: only if both have the same layout.
struct InPlace {
    InPlace(TensorId node, uint8_t slot)
        : node(node)
        , slot(slot) {}

    TensorId node;
    uint8_t slot;
};

// By copy: the next input of its split, if that lies straight behind it, nothing takes the copy's place over, and the
// backend can set both at once
using AdjacentCopies = std::vector<uint32_t>;
constexpr uint32_t kNoAdjacentCopy = UINT32_MAX;

struct MemoryPlan {
    std::vector<Place> tensors; // by tensor
    std::vector<Place> copies;  // by copy and cur_copy
    AdjacentCopies adjacent_copies;
    std::vector<Place> rotated_inputs; // by rotated input and cur_copy; known for none of them in `tensors`
    std::vector<InPlace> in_place;
    std::vector<std::vector<size_t>> sizes; // by pool and part, in bytes
};

// What the stages before allocation made of a graph
struct CutGraph {
    const GraphView & view;
    const Splits & splits;
    const Slots & slots;
    const Assignment & assignment;
};

inline size_t padded(size_t size, size_t alignment) { // a power of two
    return (size + alignment - 1) & ~(alignment - 1);
}

// May the node take the place of its operand src[slot], as far as their layouts go?
inline bool have_same_layout(const ggml_tensor * node, const ggml_tensor * operand) {
    uint64_t differing_bits = static_cast<uint64_t>(node->type ^ operand->type);
    for (int dim = 0; dim < GGML_MAX_DIMS; dim++) { // nearly always all are the same
        differing_bits |= static_cast<uint64_t>(node->ne[dim] ^ operand->ne[dim]) | (node->nb[dim] ^ operand->nb[dim]);
    }
    return differing_bits == 0 && (!operand->view_src || operand->view_offs == 0);
}

// Where that copy is at this copy index. One that is smaller than its place is at the end of it if it has a follower.
Place place_of_copy(const MemoryPlan & plan, const CutGraph & graph, uint32_t copy, size_t cur_copy,
                    const std::vector<host::Backend> & backends);

} // namespace ggml_sched
