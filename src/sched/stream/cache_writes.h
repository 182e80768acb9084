// Caches - tensors that the caller keeps in host memory and that graphs add to, such as a KV cache.
//
// A device that reads a cache needs mostly what earlier runs have left there. So the cache can be copied before this
// run adds to it, if it is known which bytes the run will write: these bytes are copied again.

#pragma once

#include <utility>
#include <vector>

#include "split/split.h"

namespace ggml_sched {

// CacheWrite - a node that writes into the memory of a cache
struct CacheWrite {
    TensorId node;
    int32_t index;
    TensorId ids; // of the rows that it writes, in host memory from the start; kNoTensor: it may write all of its bytes

    friend bool operator==(const CacheWrite & a, const CacheWrite & b) {
        return a.node == b.node && a.index == b.index && a.ids == b.ids;
    }
};

class Caches {
  public:
    // `written_at`: by tensor that is no view, the last of the nodes so far that writes it. All of them must stay.
    Caches(const GraphView & graph, const std::vector<host::Backend> & backends, const Assignment & assignment,
           const std::vector<int32_t> & written_at)
        : graph_(graph)
        , backends_(backends)
        , assignment_(assignment)
        , written_at_(written_at)
        , written_(graph.n_tensors(), 0) {}

    // Notes a node; all nodes have to be noted, in their order. Returns true if the node writes into a cache.
    bool visit(const GraphNode & node, int32_t index);
    // Returns the bytes of the tensor's memory that the nodes so far have written.
    size_t written(TensorId id) const { return written_[graph_.root(id)]; }

    std::vector<CacheWrite> take_writes() { return std::move(writes_); }

  private:
    TensorId ids_of(const GraphNode & node) const;
    bool are_in_host_memory(TensorId ids) const;

    const GraphView & graph_;
    const std::vector<host::Backend> & backends_;
    const Assignment & assignment_;
    const std::vector<int32_t> & written_at_;
    std::vector<CacheWrite> writes_;
    std::vector<size_t> written_; // by tensor that is no view, in bytes
};

// WritesByCache - the writes of a graph, by the cache that they write into
class WritesByCache {
  public:
    WritesByCache(const std::vector<CacheWrite> & writes, const GraphView & graph);

    // Visits the writes that may change a tensor, in their order, up to the node of this index.
    template <typename Visit> void visit(TensorId cache, int32_t before, Visit visit) const {
        const TensorId root = graph_.root(cache);
        for (auto write = first_of(root); write != writes_.end() && root_of(*write) == root; ++write) {
            if (write->index < before) {
                visit(*write);
            }
        }
    }
    bool any(TensorId cache, int32_t before) const {
        const auto first = first_of(graph_.root(cache));
        return first != writes_.end() && root_of(*first) == graph_.root(cache) && first->index < before;
    }

  private:
    TensorId root_of(const CacheWrite & write) const { return graph_.root(write.node); }
    std::vector<CacheWrite>::const_iterator first_of(TensorId root) const;

    const GraphView & graph_;
    std::vector<CacheWrite> writes_; // by root and index
};

// The caller has put it in host memory, and neither as a weight nor as an input of this graph.
bool is_on_host(const GraphView & graph, TensorId id);

// Is most of it as it was when so many bytes have been written?
inline bool is_mostly_old(const GraphView & graph, TensorId id, size_t written) {
    return 2 * written <= graph.bytes(id);
}

// Does the node write rows that are long enough to be found one by one?
bool has_rows(const ggml_tensor * node);

// The most that it writes
size_t bytes_of(const CacheWrite & write, const GraphView & graph);

} // namespace ggml_sched
