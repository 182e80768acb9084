// SizeDecisions - what splitting has decided by the sizes of streamed tensors. A KV cache in host memory grows with
// every micro-batch. The record tells whether a graph of other sizes would get the same splits, and nothing is split
// for that.
//
// The record has the questions in their order, their answers, and what each answer depends on. With other sizes the
// same questions come in the same order as long as the answers stay the same.

#pragma once

#include <utility>
#include <vector>

#include "stream/cache_writes.h"

namespace ggml_sched {

// What may be streamed to a backend. The default is nothing.
struct StreamLimit {
    size_t split = 0;  // bytes that one split may wait for, unless it is a single weight
    size_t weight = 0; // larger weights are copied like any other input
    size_t mean = 0;   // nothing is streamed if the weights that would be are smaller, on average
    size_t cache = 0;  // caches that are smaller are copied like any other input

    friend bool operator==(const StreamLimit & a, const StreamLimit & b) {
        return a.split == b.split && a.weight == b.weight && a.mean == b.mean && a.cache == b.cache;
    }
};
using StreamLimits = std::vector<StreamLimit>; // by backend; none: nothing is streamed

// Returns true if a cache of that size may be streamed. Two of them, as one attention has, must fit half of the ring.
inline bool is_cache_size(size_t bytes, const StreamLimit & limit) {
    return bytes >= limit.cache && bytes <= limit.weight / 2;
}

// Returns true if a split would wait for too much. It waits for `bytes`, and `had` of them are for its first nodes.
inline bool is_too_much(size_t had, size_t bytes, const StreamLimit & limit) {
    return had > 0 && bytes > had && bytes > limit.split;
}

class SizeDecisions {
  public:
    SizeDecisions() = default;
    explicit SizeDecisions(StreamLimits limits)
        : limits_(std::move(limits)) {}

    void begin_split(BackendId backend) { record_.push_back({Kind::Begin, false, backend, kNoTensor}); }
    void write(TensorId node, bool has_rows) { record_.push_back({Kind::Write, has_rows, kNoBackend, node}); }
    void cache(TensorId id, BackendId backend, bool is_cache) {
        record_.push_back({Kind::Cache, is_cache, backend, id});
    }
    void streamed(TensorId id) { record_.push_back({Kind::Streamed, false, kNoBackend, id}); }
    // Each tensor that the split would also have to wait for, and then the answer: is that too much?
    void wanted(TensorId id) { record_.push_back({Kind::Wanted, false, kNoBackend, id}); }
    void too_much(bool is) { record_.push_back({Kind::TooMuch, is, kNoBackend, kNoTensor}); }

    // Returns true if all answers are the same for this graph. The graph may differ in layout only, and not in the
    // layout of its weights. `writes` are the writes that write() was told of.
    bool hold_for(const GraphView & graph, const std::vector<host::Backend> & backends,
                  const std::vector<CacheWrite> & writes) const;

  private:
    enum class Kind : uint8_t { Begin, Write, Cache, Streamed, Wanted, TooMuch };
    struct Decision {
        Kind kind;
        bool answer;
        BackendId backend;
        TensorId tensor;
    };

    StreamLimits limits_;
    std::vector<Decision> record_;
};

} // namespace ggml_sched
