// Splitting - cuts a graph into runs of nodes on one backend, and finds what has to be copied to each.
//
// A split's inputs are tensors of other backends' memory that it cannot use in place. Each gets a copy on the split's
// backend, or several that take turns if runs may overlap (n_copies). The rules are ggml's: a new split begins where
// the backend changes, and where a node needs weights from other memory (so that the space of earlier ones can be
// reused).

#pragma once

#include <array>
#include <vector>

#include "assign/assign.h"
#include "split/tensor_pool.h"

namespace ggml_sched {

constexpr int kMaxCopies = 4;

// A tensor and its copies on one backend; slots[c] is used by runs whose turn is c.
struct InputCopy {
    TensorId tensor;
    BackendId backend;
    std::array<ggml_tensor *, kMaxCopies> slots;
};

struct Split {
    BackendId backend;
    int begin; // nodes [begin, end)
    int end;
    std::vector<uint32_t> inputs; // indices into Splits::copies
};

// node->src[slot] becomes `to` instead of `from`
struct Rewire {
    ggml_tensor * node;
    uint8_t slot;
    ggml_tensor * from;
    ggml_tensor * to;
};

struct Splits {
    std::vector<Split> splits;
    std::vector<InputCopy> copies;
    std::vector<InputCopy> rotating; // inputs that the caller writes: they too take turns if runs may overlap
    std::vector<Rewire> rewires;
    int n_copies = 1;
    int turn = 0; // the slot of this graph
};

// Cuts the graph. Nothing of it is changed: `rewires` says what will have to be. The copies live in `pool`.
Splits split(const GraphView & graph, const std::vector<host::Backend> & backends, const Assignment & assignment,
             int n_copies, int turn, TensorPool & pool);

} // namespace ggml_sched
