// Splitting - cuts a graph into runs of nodes on one backend, and finds what has to be copied to each.
//
// A split's inputs are tensors of other backends' memory that it cannot use in place. Each gets a copy on the split's
// backend, or several that take turns if runs may overlap. The rules are ggml's: a new split begins where
// the backend changes, and where a node needs weights from other memory (so that the space of earlier ones can be
// reused). Weights that are streamed lie in memory of their own, so they need no cut; one is made where a split would
// otherwise have to wait for too many of them. Large tensors that the caller keeps in host memory and that graphs add
// to are streamed like weights, where most of what a split needs of them is there from the start.

#pragma once

#include <vector>

#include "stream/expert_choice.h"
#include "stream/size_decisions.h"

namespace ggml_sched {

// The matrix of MUL_MAT, as an index into ggml_tensor::src
constexpr uint8_t kMatrixSlot = 0;

// Operands of MUL_MAT_ID, as indices into ggml_tensor::src
constexpr uint8_t kExpertsSlot = 0;
constexpr uint8_t kExpertIdsSlot = 2;

// A weight of at most that size which a copy callback may write is sent ahead all the same: it is compared when it is
// offered, and sent again if it has changed. On the queue that computes it would wait for all streamed weights.
constexpr size_t kSmallTable = size_t{64} << 10;

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

// The node's src[slot] becomes the copy of what it is.
struct Rewire {
    TensorId node;
    uint8_t slot;
    uint32_t operand; // that it is, as an index into the graph's
    uint32_t copy;    // index into Splits::copies
};

// The experts that are streamed, of all layers
struct StreamedExperts {
    ExpertBatch batch; // the largest
    BackendId backend = kNoBackend;
    bool have_ids = false; // only the part that ids name is needed
    size_t bytes = 0;      // of all experts, used or not
};

// Of a graph's layout, all that decides what is streamed, and how
struct StreamedLayout {
    std::vector<size_t> weights;      // in host memory, of which there are copies: their bytes
    std::vector<size_t> caches;       // likewise
    std::vector<size_t> writes;       // into these: bytes
    std::vector<ExpertBatch> batches; // that are computed with copies

    friend bool operator==(const StreamedLayout & a, const StreamedLayout & b) {
        return a.weights == b.weights && a.caches == b.caches && a.writes == b.writes && a.batches == b.batches;
    }
};

struct Splits {
    std::vector<Split> splits;
    std::vector<InputCopy> copies;
    std::vector<InputCopy> rotating; // inputs that the caller writes: they too take turns if runs may overlap
    std::vector<Rewire> rewires;
    StreamedExperts experts;
    std::vector<CacheWrite> cache_writes; // in order; none where nothing may be streamed
    SizeDecisions decisions;              // none likewise
};

// Cuts the graph. Nothing of it is changed: `rewires` says what will have to be. If `rotates`, runs may overlap. If
// `offers`, a copy callback may write weights that are read other than as matrices or experts: a split begins where one
// of them is read, and larger ones than kSmallTable are not streamed.
Splits split(const GraphView & graph, const std::vector<host::Backend> & backends, const Assignment & assignment,
             bool rotates, const StreamLimits & limits = {}, bool offers = false);

// Returns a tensor that is copied, or used by a device, and that has an address but no buffer. NULL: there is none.
const ggml_tensor * find_address_without_buffer(const GraphView & graph, const Splits & splits,
                                                const Assignment & assignment, BackendId cpu);

// Are the graphs cut and their inputs copied in the same way? For two of the same structure; sizes may differ.
bool are_alike(const Splits & a, const Splits & b);

// Of a graph that was cut in this way, or of one that differs in layout only: that is cut in the same way if this is
// the same, too.
StreamedLayout streamed_layout(const Splits & splits, const GraphView & graph,
                               const std::vector<host::Backend> & backends);

} // namespace ggml_sched
