// Cache writes - which nodes of a graph write into a cache. A cache is a tensor that the caller keeps in host memory
// and that graphs add to, such as a KV cache.
//
// A device that reads a cache needs mostly what earlier runs have left there. So the cache is copied before the run
// writes into it. The bytes that the run writes are copied again; a CacheWrite says which bytes these are. Caches finds
// the writes of a graph, and WritesByCache sorts them.
//
// Both classes belong to one call of one thread. They own their lists, and refer to the graph.

#pragma once

#include <utility>
#include <vector>

#include "split/split.h"

namespace ggml_sched {

// CacheWrite - a node that writes into the memory of a cache
struct CacheWrite {
    TensorId node;
    int32_t index; // index of the node in the graph
    TensorId ids; // ids of the written rows, in host memory before the run; kNoTensor: the node may write all its bytes

    friend bool operator==(const CacheWrite & a, const CacheWrite & b) {
        return a.node == b.node && a.index == b.index && a.ids == b.ids;
    }
};

// Caches - collects the cache writes of a graph, node by node.
class Caches {
  public:
    // `written_at` has, for each tensor that is no view, the last node so far that writes it. All arguments must stay.
    Caches(const GraphView & graph, const std::vector<host::Backend> & backends, const Assignment & assignment,
           const std::vector<int32_t> & written_at)
        : graph_(graph)
        , backends_(backends)
        , assignment_(assignment)
        , written_at_(written_at)
        , written_(graph.n_tensors(), 0) {}

    // Notes a node. The caller notes all nodes, in their order. Returns true if the node writes into a cache.
    bool visit(const GraphNode & node, int32_t index);
    // Returns how many bytes of the tensor's memory the nodes so far write.
    size_t written(TensorId id) const { return written_[graph_.root(id)]; }

    // Returns the writes that were found, in the order of the nodes. The object must not be used afterwards.
    std::vector<CacheWrite> take_writes() { return std::move(writes_); }

  private:
    TensorId ids_of(const GraphNode & node) const;
    bool are_in_host_memory(TensorId ids) const;

    const GraphView & graph_;
    const std::vector<host::Backend> & backends_;
    const Assignment & assignment_;
    const std::vector<int32_t> & written_at_;
    std::vector<CacheWrite> writes_;
    std::vector<size_t> written_; // bytes, by tensor that is no view
};

// WritesByCache - the cache writes of a graph, sorted by the cache that they write into
class WritesByCache {
  public:
    // `graph` must stay.
    WritesByCache(const std::vector<CacheWrite> & writes, const GraphView & graph);

    // Visits, in order, the writes that may change the cache and that come before node `before`.
    template <typename Visit> void visit(TensorId cache, int32_t before, Visit visit) const {
        const TensorId root = graph_.root(cache);
        for (auto write = first_of(root); write != writes_.end() && root_of(*write) == root; ++write) {
            if (write->index < before) {
                visit(*write);
            }
        }
    }
    // Returns true if visit() would visit a write.
    bool any(TensorId cache, int32_t before) const {
        const auto first = first_of(graph_.root(cache));
        return first != writes_.end() && root_of(*first) == graph_.root(cache) && first->index < before;
    }

  private:
    TensorId root_of(const CacheWrite & write) const { return graph_.root(write.node); }
    std::vector<CacheWrite>::const_iterator first_of(TensorId root) const;

    const GraphView & graph_;
    std::vector<CacheWrite> writes_; // sorted by root, then by index
};

// Returns true if the tensor lies in host memory, and is no weight, no input and no result of an operation.
bool is_on_host(const GraphView & graph, TensorId id);

// Returns true if at least half of the tensor's bytes keep their value when `written` bytes are written.
inline bool is_mostly_old(const GraphView & graph, TensorId id, size_t written) {
    return 2 * written <= graph.bytes(id);
}

// Returns true if the node writes rows, and if the rows are long enough to be sent one by one.
bool has_rows(const ggml_tensor * node);

// Returns the most bytes that a write may write.
size_t bytes_of(const CacheWrite & write, const GraphView & graph);

} // namespace ggml_sched
