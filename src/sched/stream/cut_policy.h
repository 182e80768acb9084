// StreamCuts - how a graph is split where weights and caches in host memory are streamed.
//
// Weights that are streamed lie in memory of their own, so they need no split of their own; one begins where a split
// would otherwise have to wait for too many of them. Large tensors that the caller keeps in host memory and that graphs
// add to (caches) are streamed like weights, where most of what a split needs of them is there from the start.

#pragma once

#include <vector>

#include "split/cut_policy.h"
#include "stream/expert_choice.h"
#include "stream/size_decisions.h"

namespace ggml_sched {

// The experts that are streamed, of all layers
struct StreamedExperts {
    ExpertBatch batch; // the largest
    BackendId backend = kNoBackend;
    bool have_ids = false; // only the part that ids name is needed
    size_t bytes = 0;      // of all experts, used or not
};

// StreamedInputs - what splitting finds out about the streamed inputs of a graph, beside its splits
struct StreamedInputs {
    StreamedExperts experts;
    std::vector<CacheWrite> cache_writes; // in order
    SizeDecisions decisions;
    StreamLimits limits;        // by which the graph was split
    std::vector<bool> is_small; // by backend: its weights are too small on average, so its limits are 0
};

// StreamedSizes - the part of a graph's layout that decides what is streamed, and how
struct StreamedSizes {
    std::vector<size_t> weights;      // in host memory, of which there are copies: their bytes
    std::vector<size_t> caches;       // likewise
    std::vector<size_t> writes;       // into these: bytes
    std::vector<bool> by_rows;        // all writes into caches: in rows that are long enough to be found one by one
    std::vector<ExpertBatch> batches; // that are computed with copies

    friend bool operator==(const StreamedSizes & a, const StreamedSizes & b) {
        return a.weights == b.weights && a.caches == b.caches && a.writes == b.writes && a.by_rows == b.by_rows &&
               a.batches == b.batches;
    }
};

// Returns the sizes of a graph. The splits may be the splits of another graph, which differs in layout only. If both
// graphs have the same sizes, both are split in the same way.
StreamedSizes streamed_sizes(const Splits & splits, const std::vector<CacheWrite> & writes, const GraphView & graph,
                             const std::vector<host::Backend> & backends);

class StreamCuts final : public CutPolicy {
  public:
    // `limits` has one for each backend; for the rest see CutPolicy. A weight that the copy callback may write is
    // streamed if it is not larger than Tuning::kSmallTable.
    StreamCuts(const GraphView & graph, const std::vector<host::Backend> & backends, const Assignment & assignment,
               const StreamLimits & limits, bool offers);

    InputCopy form_of(const GraphNode & node, const Operand & operand, BackendId backend) override;
    bool must_begin(const Split & current, const std::vector<Wanted> & wanted) override;
    void note(const Split & split, const GraphNode & node, const InputCopy & copy) override;

    // Returns what was found out. The graph has been split.
    StreamedInputs take();

  private:
    void drop_limits_for_small_weights();
    void read_up_to(int32_t node);
    void enter(const Split & split);
    bool is_streamed(TensorId id, BackendId backend) const;
    bool is_cache(TensorId id, BackendId backend);
    InputCopy streamed_copy(const GraphNode & node, const Operand & operand, BackendId backend) const;
    size_t size_of(const InputCopy & copy) const {
        return size_on(backends()[copy.backend], graph().tensor(copy.tensor));
    }

    StreamLimits limits_;
    std::vector<int32_t> written_at_; // by tensor that is no view: the last node so far that writes it
    Caches caches_;
    int32_t next_node_ = 0;     // the first that has not been read
    int32_t begin_ = kNoNode;   // of the current split
    size_t streamed_bytes_ = 0; // for it
    StreamedInputs result_;
};

} // namespace ggml_sched
