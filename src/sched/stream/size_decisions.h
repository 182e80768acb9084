// SizeDecisions - what splitting has decided by the sizes of streamed tensors. A KV cache in host memory grows with
// every micro-batch. The record tells, without splitting, whether a graph of other sizes would get the same splits.
//
// The record has the questions in their order, their answers, and what each answer depends on. With other sizes the
// same questions come in the same order as long as the answers stay the same. The record is a value, which owns all of
// this.

#pragma once

#include <utility>
#include <vector>

#include "stream/cache_writes.h"

namespace ggml_sched {

// StreamLimit - what may be streamed to a backend, in bytes. The default is nothing.
struct StreamLimit {
    size_t split = 0;  // most bytes that one split may wait for, unless one node needs more
    size_t weight = 0; // largest weight that is streamed; 0 if nothing is streamed
    size_t mean = 0;   // least mean size of the streamed weights; nothing is streamed below it
    size_t cache = 0;  // smallest cache that is streamed

    friend bool operator==(const StreamLimit & a, const StreamLimit & b) {
        return a.split == b.split && a.weight == b.weight && a.mean == b.mean && a.cache == b.cache;
    }
};
using StreamLimits = std::vector<StreamLimit>; // by backend; empty if nothing is streamed

// Returns true if a cache of this size may be streamed. The two caches of one attention must fit half of the ring.
inline bool is_cache_size(size_t bytes, const StreamLimit & limit) {
    return bytes >= limit.cache && bytes <= limit.weight / 2;
}

// Returns true if a split would wait for too many bytes. It would wait for `bytes`; its nodes so far wait for `had`.
inline bool is_too_much(size_t had, size_t bytes, const StreamLimit & limit) {
    return had > 0 && bytes > had && bytes > limit.split;
}

// SizeDecisions - the record. StreamCuts writes down each of its questions by one of the functions below.
class SizeDecisions {
  public:
    SizeDecisions() = default;
    explicit SizeDecisions(StreamLimits limits)
        : limits_(std::move(limits)) {}

    // Notes that a split begins on a backend.
    void begin_split(BackendId backend) { record_.push_back({Kind::Begin, false, backend, kNoTensor}); }
    // Notes a node that writes into a cache, and the answer of has_rows().
    void write(TensorId node, bool has_rows) { record_.push_back({Kind::Write, has_rows, kNoBackend, node}); }
    // Notes whether a tensor is streamed as a cache.
    void cache(TensorId id, BackendId backend, bool is_cache) {
        record_.push_back({Kind::Cache, is_cache, backend, id});
    }
    // Notes a tensor that the current split has to wait for.
    void streamed(TensorId id) { record_.push_back({Kind::Streamed, false, kNoBackend, id}); }
    // Notes a tensor that the current split would have to wait for, too, if it got the next node.
    void wanted(TensorId id) { record_.push_back({Kind::Wanted, false, kNoBackend, id}); }
    // Notes, after all tensors that are wanted, whether these are too many bytes.
    void too_much(bool is) { record_.push_back({Kind::TooMuch, is, kNoBackend, kNoTensor}); }

    // Returns true if all answers are the same for this graph. The graph may differ in layout only, and not in the
    // layout of its weights. `writes` are the writes that were noted.
    bool hold_for(const GraphView & graph, const std::vector<host::Backend> & backends,
                  const std::vector<CacheWrite> & writes) const;

  private:
    // Kind - the function that noted the entry
    enum class Kind : uint8_t { Begin, Write, Cache, Streamed, Wanted, TooMuch };
    // Decision - one entry of the record. A kind that asks nothing has the answer false.
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
