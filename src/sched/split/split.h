// Splitting - cuts a graph into runs of nodes on one backend, and finds what has to be copied to each.
//
// A split's inputs are tensors of other backends' memory that it cannot use in place. Each gets a copy on the split's
// backend, or several that take turns if runs may overlap. A new split begins where the backend changes, and where the
// policy says so.

#pragma once

#include <vector>

#include "assign/assign.h"

namespace ggml_sched {

constexpr int32_t kNoNode = -1;

// The matrix of MUL_MAT, as an index into ggml_tensor::src
constexpr uint8_t kMatrixSlot = 0;

// Operands of MUL_MAT_ID, as indices into ggml_tensor::src
constexpr uint8_t kExpertsSlot = 0;
constexpr uint8_t kExpertIdsSlot = 2;

// A tensor, and a backend that has a copy of it
struct InputCopy {
    TensorId tensor;
    BackendId backend;
    bool streamed = false;      // weights that are copied ahead, for one split
    TensorId ids = kNoTensor;   // streamed: only the experts that these name are needed; kNoTensor: the whole of it
    int32_t ids_node = kNoNode; // that writes them; kNoNode: they are there before the run begins
    bool offered = false;       // streamed: a small weight that a copy callback may write
    bool cache = false;         // streamed: no weight, but a tensor that nodes before the split may have written
};

struct Split {
    BackendId backend;
    int begin; // nodes [begin, end)
    int end;
    std::vector<uint32_t> inputs; // indices into Splits::copies
};

// OperandReplacement - operand `slot` of `node` is replaced by a copy.
struct OperandReplacement {
    TensorId node;
    uint8_t slot;
    uint32_t operand; // index into the operands of the graph
    uint32_t copy;    // index into Splits::copies
};

struct Splits {
    std::vector<Split> splits;
    std::vector<InputCopy> copies;
    std::vector<InputCopy> rotated_inputs; // inputs that the caller writes: they too take turns if runs may overlap
    std::vector<OperandReplacement> replacements;
};

// Returns the bytes that a copy of the tensor takes on a backend.
size_t size_on(const host::Backend & backend, const ggml_tensor * tensor);

class CutPolicy;

// Cuts the graph. Nothing of it is changed: `replacements` says what will have to be. If `parallel`, runs may overlap.
Splits split(const GraphView & graph, const std::vector<host::Backend> & backends, const Assignment & assignment,
             bool parallel, CutPolicy & policy);

// Returns a tensor that is copied, or used by a device, and that has an address but no buffer. NULL: there is none.
const ggml_tensor * find_address_without_buffer(const GraphView & graph, const Splits & splits,
                                                const Assignment & assignment, BackendId cpu);

// Returns true if the graphs are cut and their inputs copied in the same way. Both have the same structure; their sizes
// may differ.
bool are_alike(const Splits & a, const Splits & b);

} // namespace ggml_sched
