// StreamCuts - how a graph is split where weights and caches in host memory are streamed.
//
// Streamed weights lie in a ring, so that they need no split of their own. A split begins where the one before it would
// wait for too many of them. A cache is streamed like a weight if nodes write at most half of it before it is read.
//
// StreamCuts answers the questions of split(), and notes its answers in StreamedInputs. StreamedSizes says which sizes
// the answers depend on. One thread makes and uses a StreamCuts; it owns what it notes, and refers to the graph.

#pragma once

#include <vector>

#include "split/cut_policy.h"
#include "stream/expert_choice.h"
#include "stream/size_decisions.h"

namespace ggml_sched {

// StreamedExperts - the experts of all layers that are streamed
struct StreamedExperts {
    ExpertBatch batch;              // batch with the most tokens
    BackendId backend = kNoBackend; // backend that computes this batch
    bool have_ids = false;          // true if ids say which experts this batch needs
    size_t bytes = 0;               // bytes of all experts, used or not
};

// StreamedInputs - what splitting finds out about the streamed inputs of a graph, beside its splits
struct StreamedInputs {
    StreamedExperts experts;
    std::vector<CacheWrite> cache_writes; // in the order of the nodes
    SizeDecisions decisions;
    StreamLimits limits;        // limits by which the graph was split
    std::vector<bool> is_small; // by backend; true if its weights are too small on average, so that its limits are 0
};

// StreamedSizes - the part of a graph's layout that decides what is streamed, and how
struct StreamedSizes {
    std::vector<size_t> weights;      // bytes of the copies of weights in host memory
    std::vector<size_t> caches;       // bytes of the copies of caches
    std::vector<size_t> writes;       // bytes of each write into a copied cache
    std::vector<bool> by_rows;        // by write into a cache; true if has_rows()
    std::vector<ExpertBatch> batches; // batches whose experts are copies

    friend bool operator==(const StreamedSizes & a, const StreamedSizes & b) {
        return a.weights == b.weights && a.caches == b.caches && a.writes == b.writes && a.by_rows == b.by_rows &&
               a.batches == b.batches;
    }
};

// Returns the sizes of a graph. `splits` may be the splits of another graph that differs in layout only. Graphs of the
// same sizes are split in the same way.
StreamedSizes streamed_sizes(const Splits & splits, const std::vector<CacheWrite> & writes, const GraphView & graph,
                             const std::vector<host::Backend> & backends);

// StreamCuts - the policy that streams weights and caches
class StreamCuts final : public CutPolicy {
  public:
    // `limits` has one limit for each backend. CutPolicy explains the other arguments. A weight that the copy callback
    // may write is streamed if it is not larger than Tuning::kSmallTable.
    StreamCuts(const GraphView & graph, const std::vector<host::Backend> & backends, const Assignment & assignment,
               const StreamLimits & limits, bool offers);

    // These answer the questions of split(); see CutPolicy.
    InputCopy form_of(const GraphNode & node, const Operand & operand, BackendId backend) override;
    bool must_begin(const Split & current, const std::vector<Wanted> & wanted) override;
    void note(const Split & split, const GraphNode & node, const InputCopy & copy) override;

    // Returns what splitting has found out. The caller calls it once, when the graph has been split.
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
    int32_t next_node_ = 0;     // first node that read_up_to() has not read
    int32_t begin_ = kNoNode;   // first node of the current split
    size_t streamed_bytes_ = 0; // bytes that are streamed for the current split
    StreamedInputs result_;
};

} // namespace ggml_sched
