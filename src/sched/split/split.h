// Splitting - cuts a graph into splits, and finds what must be copied to the backend of each.
//
// A Split is consecutive nodes on one backend. Its inputs are tensors in other backends' memory that it cannot use in
// place. Each gets an InputCopy on the split's backend, and an OperandReplacement for each operand that reads the copy.
// A new split begins where the backend changes, and where the CutPolicy says so.
//
// split() changes no tensor and keeps nothing between calls. All results are values.

#pragma once

#include <vector>

#include "assign/assign.h"

namespace ggml_sched {

constexpr int32_t kNoNode = -1; // in place of the index of a node

// The matrix of MUL_MAT, as an index into ggml_tensor::src
constexpr uint8_t kMatrixSlot = 0;

// Operands of MUL_MAT_ID, as indices into ggml_tensor::src
constexpr uint8_t kExpertsSlot = 0;
constexpr uint8_t kExpertIdsSlot = 2;

// InputCopy - a copy of a tensor on a backend.
struct InputCopy {
    TensorId tensor;
    BackendId backend;
    bool streamed = false;      // is copied ahead, for one split
    TensorId ids = kNoTensor;   // streamed: names the experts that are needed; kNoTensor: all are
    int32_t ids_node = kNoNode; // the node that writes the ids; kNoNode: they are there before the run
    bool offered = false;       // streamed: is a small weight that a copy callback may write
    bool cache = false;         // streamed: is no weight; nodes before the split may have written it
};

// Split - consecutive nodes on one backend.
struct Split {
    BackendId backend;
    int begin; // nodes [begin, end)
    int end;
    std::vector<uint32_t> inputs; // indices into Splits::copies
};

// OperandReplacement - says that a copy replaces src[slot] of `node`.
struct OperandReplacement {
    TensorId node;
    uint8_t slot;
    uint32_t operand; // index into the operands of the graph
    uint32_t copy;    // index into Splits::copies
};

// Splits - how a graph is cut.
struct Splits {
    std::vector<Split> splits;
    std::vector<InputCopy> copies;
    std::vector<InputCopy> rotated_inputs; // inputs of the caller that have n_copies places, too
    std::vector<OperandReplacement> replacements;
};

// Returns the bytes that a copy of the tensor needs on a backend, without alignment.
size_t size_on(const host::Backend & backend, const ggml_tensor * tensor);

class CutPolicy;

// Cuts the graph. `replacements` says what is to be changed later. If `parallel`, runs may overlap.
Splits split(const GraphView & graph, const std::vector<host::Backend> & backends, const Assignment & assignment,
             bool parallel, CutPolicy & policy);

// Returns a tensor that is copied, or used by a device, and that has an address but no buffer; NULL if there is none.
const ggml_tensor * find_address_without_buffer(const GraphView & graph, const Splits & splits,
                                                const Assignment & assignment, BackendId cpu);

// True if two graphs of the same structure are cut, and their inputs copied, in the same way. Sizes may differ.
bool are_alike(const Splits & a, const Splits & b);

} // namespace ggml_sched
